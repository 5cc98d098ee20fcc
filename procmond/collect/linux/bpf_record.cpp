#include "collect/linux/bpf_record.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "collect/linux/environment.h"
#include "collect/linux/kernel_path.h"
#include "collect/linux/proc_cgroup.h"
#include "collect/linux/proc_cmdline.h"
#include "collect/redact.h"
#include "collect/shed.h"
#include "daemoneye/crypto/digest.h"

namespace de::collect {
namespace {

constexpr int kManyArguments = 4'096;
constexpr std::uint32_t kNobody = UINT32_MAX;  // The kernel's "no login user".

tl::unexpected<Error> malformed(const char* what) { return fail(Errc::Corrupt, std::string("kernel record: ") + what); }

// Texts are taken off the front one after the other.
std::string_view take(std::string_view& texts, std::size_t bytes) {
  const std::string_view piece = texts.substr(0, bytes);
  texts.remove_prefix(piece.size());
  return piece;
}

std::string_view until_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

}  // namespace

Result<> BpfRecords::take_tail(std::string_view bytes) {
  de_args head;
  if (bytes.size() < sizeof head) return malformed("arguments without a head");
  std::memcpy(&head, bytes.data(), sizeof head);
  const std::uint64_t first = head.kind == DE_ARGS ? DE_ARGS_BYTES : 0;
  if (head.length > bytes.size() - sizeof head || head.offset < first) return malformed("arguments too short");
  const auto is_same = [&head](const Tail& tail) {
    return tail.kind == head.kind && tail.pid == head.pid && tail.start_ns == head.start_ns;
  };
  auto tail = std::find_if(tails_.begin(), tails_.end(), is_same);
  if (head.offset == first) {
    // What is left of an exec whose own record was lost.
    if (tail != tails_.end()) tails_.erase(tail);
    if (tails_.size() >= kMaxTails) tails_.pop_front();
    tails_.push_back({head.kind, head.pid, head.start_ns, {}});
    tail = tails_.end() - 1;
  }
  // A piece before it is missing: the exec says how much was sent, and what we have is shorter than that.
  if (tail == tails_.end() || tail->bytes.size() != head.offset - first) return {};
  tail->bytes.append(bytes.substr(sizeof head, head.length));
  bound_tails();
  return {};
}

// The exec of one that was given up says that its arguments are cut.
void BpfRecords::bound_tails() {
  std::size_t bytes = 0;
  for (const Tail& tail : tails_) bytes += tail.bytes.size();
  for (; bytes > kMaxTailBytes && tails_.size() > 1; tails_.pop_front()) bytes -= tails_.front().bytes.size();
}

// At most `sent` bytes: what else is there is left of an exec whose own record was lost.
std::string BpfRecords::find_tail(const de_exec& exec, std::uint32_t kind, std::uint64_t sent) {
  if (sent == 0) return {};
  const auto tail = std::find_if(tails_.begin(), tails_.end(), [&exec, kind](const Tail& known) {
    return known.kind == kind && known.pid == exec.head.task.pid && known.start_ns == exec.head.task.start_ns;
  });
  if (tail == tails_.end()) return {};
  std::string bytes = std::move(tail->bytes);
  tails_.erase(tail);
  bytes.resize(std::min<std::size_t>(bytes.size(), sent));
  return bytes;
}

void BpfRecords::set_owner(const de_task& task) {
  record_.set_name(std::string(until_nul({task.comm, sizeof task.comm})));
  record_.set_user_id(std::to_string(task.uid));
  if (const std::string& name = names_.find(task.uid); !name.empty()) record_.set_user_name(name);
  record_.set_euid(task.euid);
  record_.set_suid(task.suid);
  record_.set_group_id(task.gid);
  record_.set_egid(task.egid);
  record_.set_sgid(task.sgid);
  if (task.login_uid != kNobody) record_.set_login_uid(task.login_uid);
  record_.set_session_id(task.session);
  record_.set_pgid(task.pgid);
  record_.set_no_new_privs((task.flags & DE_NO_NEW_PRIVS) != 0);
  record_.set_kernel_thread((task.flags & DE_KERNEL_THREAD) != 0);
  record_.set_cgroup_id(task.cgroup_id);
  if (task.pidfs_inode != 0) record_.set_pidfs_inode(task.pidfs_inode);
  record_.set_accessible(true);
  record_.set_source(pb::RECORD_SOURCE_BPF);
}

// Only when the path led nowhere: seldom, and worth a look at what is there now. Looking may have to wait for whoever
// serves that directory.
pb::OnDiskState BpfRecords::look_at(const std::string& path) {
  if (looker_.is_at_limit()) return pb::ON_DISK_UNKNOWN;
  auto found = std::make_shared<pb::OnDiskState>(pb::ON_DISK_UNKNOWN);
  const auto hung = looker_.run([found, path](Watch& watch) {
    watch.enter(0);
    struct stat now {};
    const bool exists = ::lstat(path.c_str(), &now) == 0;
    if (watch.leave()) *found = exists ? pb::ON_DISK_REPLACED : pb::ON_DISK_DELETED;
  });
  return hung ? pb::ON_DISK_UNKNOWN : *found;
}

void BpfRecords::set_image(const de_exec& exec, std::string path) {
  record_.set_exe_dev(to_user_dev(exec.exe_dev));
  record_.set_exe_inode(exec.exe_inode);
  record_.set_exe_size(static_cast<std::uint64_t>(std::max<std::int64_t>(exec.exe_size, 0)));
  record_.set_exe_mtime_ms(exec.exe_mtime_ns / 1'000'000);
  record_.set_exe_mode(exec.exe_mode);
  record_.set_exe_uid(exec.exe_uid);
  const bool memory_only = exec.exe_links == 0 && path.starts_with("/memfd:");
  const bool unlinked = (exec.head.task.flags & DE_UNLINKED) != 0 || exec.exe_links == 0;
  pb::OnDiskState state = pb::ON_DISK_MATCH;
  if (memory_only) {
    state = pb::ON_DISK_MEMFD;
  } else if (unlinked) {
    state = look_at(path);
  }
  record_.set_on_disk_state(state);
  record_.set_file_exists(state == pb::ON_DISK_MATCH || state == pb::ON_DISK_REPLACED);
  record_.set_executable_path(std::move(path));
}

void BpfRecords::set_arguments(const de_exec& exec, std::string_view here) {
  const std::string tail = find_tail(exec, DE_ARGS, exec.args_sent);
  std::string joined;
  std::string_view received = here;
  if (!tail.empty()) {
    joined.reserve(here.size() + tail.size());
    joined.append(here).append(tail);
    received = joined;
  }
  const std::string_view kept = received.substr(0, options_.max_argv_bytes);
  // Each argument ends with a NUL; empty ones are arguments like all others.
  std::vector<std::string_view> argv;
  std::string_view rest = kept;
  while (!rest.empty() && argv.size() < kMaxArguments) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    argv.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  record_.set_command_line_length(exec.args_bytes);
  if (kept.size() < exec.args_bytes || !rest.empty()) {
    const crypto::Digest digest = crypto::sha256(received);
    record_.set_command_line_sha256(digest.data(), digest.size());
  }
  if (!options_.mask_arguments) {
    for (const std::string_view argument : argv) record_.add_command_line(std::string(argument));
    return;
  }
  for (std::string& argument : mask_arguments(argv)) record_.add_command_line(std::move(argument));
}

Result<> BpfRecords::read_exec(const de_exec& exec, std::string_view texts) {
  const std::uint64_t needed =
      std::uint64_t{exec.path_bytes} + exec.cwd_bytes + exec.cgroup_bytes + exec.filename_bytes + exec.args_here;
  if (needed != texts.size()) return malformed("exec with other lengths than it has");
  const std::string_view path = take(texts, exec.path_bytes), cwd = take(texts, exec.cwd_bytes);
  const std::string_view cgroup = take(texts, exec.cgroup_bytes), filename = take(texts, exec.filename_bytes);
  set_image(exec, join_path(path, (exec.head.task.flags & DE_PATH_CUT) != 0));
  record_.set_cwd(join_path(cwd, (exec.head.task.flags & DE_CWD_CUT) != 0));
  // In the root of version 2 live those that only version 1 groups: /proc tells more then.
  if (!cgroup.empty()) {
    record_.set_cgroup(join_path(cgroup, false));
    if (const ContainerName container = container_of(record_.cgroup()); !container.id.empty()) {
      record_.set_container_id(std::string(container.id));
      record_.set_container_runtime(std::string(container.runtime));
    }
  }
  if ((exec.head.task.flags & DE_SCRIPT) != 0) {
    record_.set_script_path(std::string(until_nul(filename)));
    record_.set_interpreter_path(record_.executable_path());
  }
  record_.set_cap_effective(exec.cap_effective);
  record_.set_seccomp(exec.seccomp);
  pb::Namespaces& spaces = *record_.mutable_namespaces();
  spaces.set_cgroup(exec.ns_cgroup);
  spaces.set_ipc(exec.ns_ipc);
  spaces.set_mnt(exec.ns_mnt);
  spaces.set_net(exec.ns_net);
  spaces.set_pid(exec.ns_pid);
  spaces.set_user(exec.ns_user);
  spaces.set_uts(exec.ns_uts);
  set_arguments(exec, texts);
  if (options_.environment)
    set_environment(find_tail(exec, DE_ENV, exec.env_sent), exec.env_bytes, options_.mask_arguments, record_);
  if ((exec.shed & DE_SHED_ENVIRONMENT) != 0) add_shed(pb::SHED_ENVIRONMENT, record_);
  if ((exec.shed & DE_SHED_ARGUMENTS) != 0) add_shed(pb::SHED_ARGUMENTS, record_);
  return {};
}

Result<std::optional<KernelEvent>> BpfRecords::read(std::string_view bytes) {
  de_event head;
  std::uint32_t kind = 0;
  if (bytes.size() < sizeof kind) return malformed("too short");
  std::memcpy(&kind, bytes.data(), sizeof kind);
  if (kind == DE_ARGS || kind == DE_ENV) {
    DE_CHECK(take_tail(bytes));
    return std::optional<KernelEvent>();
  }
  if (bytes.size() < sizeof head) return malformed("too short");
  std::memcpy(&head, bytes.data(), sizeof head);
  KernelEvent event;
  event.pid = head.task.pid;
  event.start_ns = head.task.start_ns;
  event.time_ns = head.time_ns;
  event.ppid = head.task.ppid;
  event.parent_start_ns = head.task.parent_start_ns;
  event.seen = &record_;
  if (record_.command_line().ClearedCount() + record_.command_line_size() > kManyArguments)
    record_ = pb::ProcessRecord();  // Their memory is not kept for the next one.
  record_.Clear();
  set_owner(head.task);
  switch (kind) {
    case DE_FORK:
      event.kind = KernelEventKind::Fork;
      break;
    case DE_EXIT:
      event.kind = KernelEventKind::Exit;
      if (WIFSIGNALED(static_cast<int>(head.wait_status))) {
        event.exit_signal = WTERMSIG(static_cast<int>(head.wait_status));
      } else {
        event.exit_code = WEXITSTATUS(static_cast<int>(head.wait_status));
      }
      break;
    case DE_EXEC: {
      de_exec exec;
      if (bytes.size() < sizeof exec) return malformed("exec too short");
      std::memcpy(&exec, bytes.data(), sizeof exec);
      event.kind = KernelEventKind::Exec;
      DE_CHECK(read_exec(exec, bytes.substr(sizeof exec)));
      event.image =
          FileKey{record_.exe_dev(), exec.exe_inode, record_.exe_size(), exec.exe_mtime_ns, exec.exe_ctime_ns, 0};
      break;
    }
    default:
      return malformed("unknown kind");
  }
  return std::optional<KernelEvent>(event);
}

}  // namespace de::collect
