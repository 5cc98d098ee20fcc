#include "collect/linux/slow_columns.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "collect/linux/environment.h"
#include "collect/linux/proc_cgroup.h"
#include "collect/linux/proc_cmdline.h"
#include "collect/linux/proc_status.h"
#include "collect/redact.h"
#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

constexpr std::size_t kMaxStatusBytes = 64UL * 1024;  // Groups: may be long.
constexpr std::size_t kMaxCgroupBytes = 64UL * 1024;
constexpr std::uint32_t kNoNamespace = 0;

// Keeps what a failed read means for the record. What is not there is no refusal: the caller looks afterwards whether
// the process is.
template <class T>
bool note(const Result<T>& result, SlowColumns::Found& found) {
  if (!result && result.error().code() == Errc::Denied) found.denied = true;
  return result.has_value();
}

// Adds texts until `room` bytes are used up; the last one is cut.
template <class AddFn>
void add_within(const std::vector<std::string>& texts, std::size_t room, AddFn add) {
  for (const std::string& text : texts) {
    if (text.size() > room) {
      if (room > 0) add(text.substr(0, room));
      return;
    }
    add(text);
    room -= std::min(room, text.size() + 1);
  }
}

}  // namespace

SlowColumns::Found SlowColumns::read(const ProcDir& dir, const ProcStat& stat, const std::optional<ProcessFacts>& facts,
                                     pb::ProcessRecord& out) {
  Found found;
  if (const std::string tty = tty_name(stat.tty_nr); !tty.empty()) out.set_tty(tty);
  read_owner(dir, stat, found, out);
  read_place(dir, found, out);
  // A kernel thread has no image, no namespaces of its own and no directory.
  if (facts && !stat.is_kernel_thread()) set_told(*facts, found, out);
  return found;
}

void SlowColumns::set_told(const ProcessFacts& facts, Found& found, pb::ProcessRecord& out) const {
  const auto& [cgroup, ipc, mnt, net, pid, user, uts] = facts.namespaces;
  if (mnt != kNoNamespace) {  // Not for us, or already a zombie: the others would say the same.
    pb::Namespaces& namespaces = *out.mutable_namespaces();
    namespaces.set_cgroup(cgroup);
    namespaces.set_ipc(ipc);
    namespaces.set_mnt(mnt);
    namespaces.set_net(net);
    namespaces.set_pid(pid);
    namespaces.set_user(user);
    namespaces.set_uts(uts);
  }
  const auto& [exe, cwd, root] = facts.links;
  if (facts.signs.image && note(exe, found)) {
    const LookUp look_up = [&facts](const std::string& path) { return facts.look_up(path); };
    set_image(*facts.signs.image, *exe, mnt, look_up, out);
  } else if (facts.signs.image) {
    set_facts(*facts.signs.image, out);
  }
  if (note(cwd, found)) out.set_cwd(*cwd);
  if (note(root, found)) out.set_root(*root);
}

void SlowColumns::set_facts(const FileFacts& image, pb::ProcessRecord& out) const {
  out.set_exe_dev(image.key.dev);
  out.set_exe_inode(image.key.inode);
  out.set_exe_size(image.key.size);
  out.set_exe_mtime_ms(image.key.mtime_ns / 1'000'000);
  out.set_exe_mode(image.mode);
  out.set_exe_uid(image.uid);
}

void SlowColumns::set_image(const FileFacts& image, std::string_view link, std::uint64_t mounts, const LookUp& look_up,
                            pb::ProcessRecord& out) const {
  set_facts(image, out);
  const bool same_mounts = mounts != kNoNamespace && mounts == own_mounts_;
  OnDisk disk = judge_on_disk(link, image, same_mounts, look_up);
  out.set_on_disk_state(disk.state);
  out.set_executable_path(std::move(disk.path));
  out.set_file_exists(disk.exists);
}

void SlowColumns::set_owner(std::uint32_t uid, pb::ProcessRecord& out) {
  out.set_user_id(std::to_string(uid));
  if (const std::string& name = names_.find(uid); !name.empty()) out.set_user_name(name);
}

void SlowColumns::read_owner(const ProcDir& dir, const ProcStat& stat, Found& found, pb::ProcessRecord& out) {
  const Result<std::string_view> text = dir.read("status", buffer_, kMaxStatusBytes);
  if (!note(text, found)) return;
  const Result<ProcStatus> status = parse_proc_status(*text);
  if (!status) {
    found.denied = true;
    return;
  }
  found.thread = status->tgid != 0 && status->tgid != stat.pid;
  set_owner(status->uid, out);
  out.set_euid(status->euid);
  out.set_suid(status->suid);
  out.set_group_id(status->gid);
  out.set_egid(status->egid);
  out.set_sgid(status->sgid);
  if (status->cap_effective) out.set_cap_effective(*status->cap_effective);
  if (status->no_new_privs) out.set_no_new_privs(*status->no_new_privs);
  if (status->seccomp) out.set_seccomp(*status->seccomp);

  const Result<std::string_view> login = dir.read("loginuid", buffer_, 64);
  std::uint32_t login_uid = 0;
  if (!login) return;  // A kernel without audit has no such file.
  const auto [end, ec] = std::from_chars(login->data(), login->data() + login->size(), login_uid);
  if (ec == std::errc{} && end != login->data()) out.set_login_uid(login_uid);
}

void SlowColumns::read_place(const ProcDir& dir, Found& found, pb::ProcessRecord& out) {
  const Result<std::string_view> text = dir.read("cgroup", buffer_, kMaxCgroupBytes);
  if (!note(text, found)) return;
  const ProcCgroup cgroup = parse_proc_cgroup(*text);
  if (!cgroup.path.empty()) out.set_cgroup(std::string(cgroup.path));
  if (cgroup.container.id.empty()) return;
  out.set_container_id(escape_controls(cgroup.container.id));  // LXC names are any bytes; the wire wants UTF-8.
  out.set_container_runtime(std::string(cgroup.container.runtime));
}

void SlowColumns::set_arguments(std::string_view cmdline, std::uint64_t length, pb::ProcessRecord& out) const {
  const bool cut = cmdline.size() > options_.max_argv_bytes;
  out.set_command_line_length(cut ? std::max<std::uint64_t>(length, cmdline.size()) : cmdline.size());
  const std::vector<std::string_view> argv = split_arguments(cmdline.substr(0, options_.max_argv_bytes), kMaxArguments);
  const std::vector<std::string> texts =
      options_.mask_arguments ? mask_arguments(argv) : std::vector<std::string>(argv.begin(), argv.end());
  // Masking can make a text longer, so the limit counts once more.
  add_within(texts, options_.max_argv_bytes, [&](const std::string& text) { out.add_command_line(text); });
}

SlowColumns::Found SlowColumns::set_environment(Opener& opener, std::uint32_t pid, std::uint64_t start_ticks,
                                                pb::ProcessRecord& out) {
  Found found;
  if (!options_.collect_environment) return found;
  const Result<UniqueFd> file = opener.open_environment(pid, start_ticks);
  if (!note(file, found)) return found;
  const Result<std::string_view> text = read_text(file->get(), buffer_, kMaxEnvironment + 1);
  if (!note(text, found)) return found;
  const bool whole = text->size() <= kMaxEnvironment;
  const auto length = whole ? std::optional<std::uint64_t>(text->size()) : std::nullopt;
  collect::set_environment(*text, length, options_.mask_arguments, out);
  return found;
}

}  // namespace de::collect
