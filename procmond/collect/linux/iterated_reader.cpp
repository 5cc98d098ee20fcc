#include "collect/linux/iterated_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "collect/identity.h"
#include "collect/linux/exe_file.h"
#include "collect/linux/iterated_values.h"
#include "collect/linux/kernel_path.h"
#include "collect/linux/proc_cgroup.h"
#include "collect/record_text.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

void set_cgroup(std::string path, pb::ProcessRecord& out) {
  out.set_cgroup(std::move(path));
  const ContainerName container = container_of(out.cgroup());
  if (container.id.empty()) return;
  out.set_container_id(escape_controls(container.id));  // LXC names are any bytes; the wire wants UTF-8.
  out.set_container_runtime(std::string(container.runtime));
}

}  // namespace

IteratedReader::IteratedReader(SharedProcRoot root, const Clock& clock, TextPool& texts)
    : root_(std::move(root)),
      clock_(clock),
      texts_(texts),
      slow_(root_->options, own_mounts(root_->fd.get()), clock),
      page_bytes_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {
  adopt_boot_time();
}

void IteratedReader::adopt_boot_time() { boot_time_ms_ = current_boot_time_ms(clock_, boot_time_ms_); }

std::uint32_t IteratedReader::begin_sweep(Wanted wanted) {
  adopt_boot_time();
  wanted_ = wanted;
  return ++sweep_;
}

void IteratedReader::succeed(IteratedReader& hung) {
  known_ = std::move(hung.known_);
  sweep_ = hung.sweep_;
  wanted_ = hung.wanted_;
  boot_time_ms_ = hung.boot_time_ms_.load();
}

bool IteratedReader::was_read_in_sweep(std::uint32_t pid) const {
  const auto found = known_.find(pid);
  return found != known_.end() && found->second.sweep == sweep_;
}

bool IteratedReader::has_missed_any() const {
  for (const auto& [pid, known] : known_) {
    if (known.sweep == sweep_) continue;
    if (::faccessat(root_->fd.get(), std::to_string(pid).c_str(), F_OK, 0) == 0) return true;
  }
  return false;
}

void IteratedReader::forget_unseen() {
  std::erase_if(known_, [this](const auto& item) { return item.second.sweep != sweep_; });
  forget_shared();
}

bool IteratedReader::split(std::string_view record, Reading& reading) {
  std::memcpy(&reading.from, record.data(), sizeof reading.from);
  std::string_view texts = record.substr(sizeof reading.from);
  for (const auto& [bytes, to] :
       {std::pair{reading.from.path_bytes, &reading.path}, std::pair{reading.from.cwd_bytes, &reading.cwd},
        std::pair{reading.from.root_bytes, &reading.root}, std::pair{reading.from.cgroup_bytes, &reading.cgroup}}) {
    if (bytes > texts.size()) return false;
    *to = texts.substr(0, bytes);
    texts.remove_prefix(bytes);
  }
  return texts.empty();
}

// Does the directory belong to the process that the iterator saw, or has the pid a new owner?
bool IteratedReader::is_same(const ProcDir& dir, const Reading& reading) {
  const de_task& task = reading.from.steady.task;
  if (task.pidfs_inode != 0) {
    const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(task.pid), 0)));
    struct stat facts {};
    if (fd && ::fstat(fd.get(), &facts) == 0 && facts.st_ino == task.pidfs_inode) return true;
  }
  const Result<std::string_view> text = dir.read("stat", stat_text_, kMaxStatBytes);
  if (!text) return false;
  const Result<ProcStat> stat = parse_proc_stat(*text);
  return stat && stat->start_ticks == task.start_ns / kTickNs;
}

void IteratedReader::set_owner(const de_steady& steady, pb::ProcessRecord& out) {
  const de_task& task = steady.task;
  slow_.set_owner(task.uid, out);
  out.set_euid(task.euid);
  out.set_suid(task.suid);
  out.set_group_id(task.gid);
  out.set_egid(task.egid);
  out.set_sgid(task.sgid);
  out.set_login_uid(task.login_uid);
  out.set_cap_effective(steady.cap_effective);
  out.set_no_new_privs((task.flags & DE_NO_NEW_PRIVS) != 0);
  out.set_seccomp(steady.seccomp);
  out.set_cgroup_id(task.cgroup_id);
  if (const std::string tty = tty_name(static_cast<std::int32_t>(steady.tty)); !tty.empty()) out.set_tty(tty);
}

std::uint64_t IteratedReader::hash_of(const FileFacts& file, std::string_view link, std::uint32_t mounts) const {
  std::string key(as_text(file));
  key.append(reinterpret_cast<const char*>(&mounts), sizeof mounts).append(link);
  return hash_(key);
}

void IteratedReader::read_image(Reading& reading, bool may_wait, pb::ProcessRecord& out) {
  const de_steady& steady = reading.from.steady;
  const FileFacts seen = facts_in(steady);
  std::string link;
  if (!reading.path.empty()) {
    link = join_path(reading.path, (reading.from.pass_flags & DE_PATH_CUT) != 0);
    if ((steady.task.flags & DE_UNLINKED) != 0) link += kDeleted;
  } else if (const Result<std::string>& text = ask_facts(reading, may_wait, true).links[0]) {
    link = *text;
  }
  if (!may_wait) {
    out.set_executable_path(link);
    slow_.set_facts(seen, out);
    return;
  }
  // Many processes run one file under one name: it is looked at once in a sweep. Of a new process it is always looked
  // at, because that also tells whether it went on to run something else meanwhile.
  FileView& view = files_[hash_of(seen, link, steady.ns_mnt)];
  if (view.is_known && !reading.is_new) {
    reading.image = view.image;
    merge_text(view.columns, out);
    return;
  }
  const ProcessFacts& facts = ask_facts(reading, may_wait, true);
  const Result<FileFacts>& image = facts.signs.image;
  if (image) {
    reading.image = *image;
    // Another file than the iterator saw: what was read since is of the new program.
    reading.torn = image->key.size != seen.key.size || image->key.mtime_ns != seen.key.mtime_ns;
  } else if (image.error().code() == Errc::Denied) {
    reading.denied = true;
  }
  place_.Clear();
  const LookUp look_up = [&facts](const std::string& path) { return facts.look_up(path); };
  slow_.set_image(image ? *image : seen, link, steady.ns_mnt, look_up, place_);
  out.MergeFrom(place_);
  if (!image || reading.torn) return;
  view.is_known = true;
  view.image = *image;
  place_.SerializeToString(&view.columns);
}

// What the opener tells of it, asked once. Without an answer nothing is told.
const ProcessFacts& IteratedReader::ask_facts(Reading& reading, bool may_wait, bool image_only) {
  if (reading.facts && (image_only || !reading.has_image_only)) return *reading.facts;
  const std::uint64_t start_ticks = reading.from.steady.task.start_ns / kTickNs;
  Result<ProcessFacts> facts = fail(Errc::Denied, "does not answer");
  if (may_wait) {
    facts = image_only ? root_->opener->image(reading.pid(), start_ticks)
                       : root_->opener->facts(reading.pid(), start_ticks, 0);
  }
  if (!facts && facts.error().code() != Errc::NotFound) reading.denied = true;
  reading.has_image_only = image_only;
  return reading.facts.emplace(facts ? std::move(*facts) : ProcessFacts());
}

void IteratedReader::read_paths(Reading& reading, bool may_wait, pb::ProcessRecord& out) {
  const de_steady& steady = reading.from.steady;
  const bool told = (reading.from.pass_flags & DE_HAS_TEXTS) != 0;
  if (told && steady.cwd_dentry != 0) {
    std::string cwd = join_path(reading.cwd, (reading.from.pass_flags & DE_CWD_CUT) != 0);
    if ((steady.task.flags & DE_CWD_UNLINKED) != 0) cwd += kDeleted;
    out.set_cwd(std::move(cwd));
  } else if (const Result<std::string>& cwd = ask_facts(reading, may_wait, false).links[1]) {
    out.set_cwd(*cwd);
  }
  if ((steady.task.flags & DE_OWN_ROOT) != 0) {
    out.set_root("/");
  } else if (told && steady.root_dentry != 0) {
    out.set_root(join_path(reading.root, (reading.from.pass_flags & DE_ROOT_CUT) != 0));
  } else if (const Result<std::string>& root = ask_facts(reading, may_wait, false).links[2]) {
    out.set_root(*root);
  }
}

// In the root of version 2 live those that only version 1 groups: /proc tells more then.
void IteratedReader::read_cgroup(const ProcDir& dir, Reading& reading, pb::ProcessRecord& out) {
  auto found = cgroups_.find(reading.from.steady.cgroup_set);
  if (found == cgroups_.end()) {
    place_.Clear();
    if (!reading.cgroup.empty()) {
      set_cgroup(join_path(reading.cgroup, false), place_);
    } else {
      SlowColumns::Found told;
      slow_.read_place(dir, told, place_);
      reading.denied |= told.denied;
    }
    found = cgroups_.emplace(reading.from.steady.cgroup_set, place_.SerializeAsString()).first;
  }
  (void)out.MergeFromString(found->second);  // We made it; it parses.
}

void IteratedReader::read_arguments(const ProcDir& dir, Reading& reading) {
  if (buffer_.size() > kKeepBuffer) std::string().swap(buffer_);  // One giant does not stay in memory.
  const Result<std::string_view> text = dir.read("cmdline", buffer_, root_->options.max_argv_bytes + 1);
  if (!text && text.error().code() == Errc::Denied) reading.denied = true;
  const de_steady& steady = reading.from.steady;
  part_.Clear();
  if (text)
    slow_.set_arguments(*text, steady.arg_end - std::min<std::uint64_t>(steady.arg_start, steady.arg_end), part_);
  part_.SerializeToString(&reading.texts.arguments);
  part_.Clear();
  reading.denied |=
      slow_.set_environment(*root_->opener, reading.pid(), reading.from.steady.task.start_ns / kTickNs, part_).denied;
  part_.SerializeToString(&reading.texts.environment);
}

Outcome IteratedReader::refresh(Reading& reading, bool may_wait) {
  const Result<ProcDir> dir = ProcDir::open(root_->fd.get(), reading.pid());
  if (!dir && dir.error().code() == Errc::NotFound) return Outcome::Vanished;
  if (!dir) return Outcome::Unreadable;
  if (!is_same(*dir, reading)) return Outcome::Vanished;
  const de_steady& steady = reading.from.steady;
  part_.Clear();
  set_owner(steady, part_);
  read_cgroup(*dir, reading, part_);
  if (!reading.is_kernel_thread()) {
    set_namespaces(steady, part_);
    if (steady.exe_inode != 0) read_image(reading, may_wait, part_);
    read_paths(reading, may_wait, part_);
  }
  part_.SerializeToString(&reading.texts.slow);
  reading.texts.arguments.clear();
  reading.texts.environment.clear();
  if (!reading.is_kernel_thread() && may_wait) read_arguments(*dir, reading);
  reading.refreshed = true;
  return Outcome::Read;
}

// For the few with more threads or descriptors than the iterator goes through.
void IteratedReader::complete_metrics(Reading& reading) {
  const Result<ProcDir> dir = ProcDir::open(root_->fd.get(), reading.pid());
  if (!dir) return;
  if ((reading.from.pass_flags & DE_TIMES_CUT) != 0) {
    const Result<std::string_view> text = dir->read("stat", stat_text_, kMaxStatBytes);
    if (const Result<ProcStat> stat = text ? parse_proc_stat(*text) : fail(Error(text.error()))) reading.stat = *stat;
  }
  if ((reading.from.pass_flags & DE_FDS_CUT) == 0) return;
  const std::uint32_t pid = reading.pid();
  const auto told = root_->opener->signs(std::span(&pid, 1), kTellDescriptors);
  if (told && told->front().use.descriptors > 0)
    reading.fd_count = static_cast<std::uint32_t>(told->front().use.descriptors);
}

void IteratedReader::adopt(Reading& reading, Known& known) {
  const de_task& task = reading.from.steady.task;
  if (reading.is_new) {
    known.start_ns = task.start_ns;
    known.set_uid(process_uid(root_->boot_id, task.pid, task.start_ns));
    // Born since the snapshot before: all its CPU time was used since its start.
    if (sweep_ > 1) known.run_at_ns = static_cast<std::int64_t>(task.start_ns);
  } else if (task.exec_id != known.exec_id) {
    ++known.exec_seq;
  }
  known.exec_id = task.exec_id;
  const CachedProcess& cached = known;
  const CachedProcess before = cached;
  known.denied = reading.denied;
  known.keep(reading.texts, reading.image, texts_);
  known.is_told &= known.steady == reading.steady && known.tells_the_same_as(before);
  known.steady = reading.torn ? 0 : reading.steady;
  known.has_parent = false;
  if (task.ppid != 0) known.set_parent_uid(process_uid(root_->boot_id, task.ppid, task.parent_start_ns));
}

void IteratedReader::add_metrics(const Reading& reading, Known& known, Mode mode) {
  const de_process& from = reading.from;
  record_.set_state(std::string(1, state_letter(from)));
  record_.set_threads(from.threads);
  record_.set_nice(from.nice);
  CpuTimes times = cpu_times(from);
  std::uint64_t run_ns = from.run_ns;
  if (reading.stat) {
    times = {reading.stat->user_ticks * kTickMs, reading.stat->system_ticks * kTickMs};
    run_ns = (reading.stat->user_ticks + reading.stat->system_ticks) * kTickNs;
  }
  record_.set_cpu_user_ms(times.user_ms);
  record_.set_cpu_system_ms(times.system_ms);
  const std::int64_t now_ns = clock_.steady_ns();
  if (const std::int64_t passed = now_ns - known.run_at_ns;
      known.run_at_ns != 0 && passed >= kMinCpuWindowNs && run_ns >= known.run_ns)
    record_.set_cpu_usage(static_cast<double>(run_ns - known.run_ns) * 100.0 / static_cast<double>(passed));
  if (mode == Mode::Snapshot) {
    known.run_ns = run_ns;
    known.run_at_ns = now_ns;
  }
  if (reading.is_kernel_thread()) return;
  record_.set_memory_usage(static_cast<std::uint64_t>(std::max<std::int64_t>(from.resident_pages, 0)) * page_bytes_);
  record_.set_virtual_memory(from.virtual_pages * page_bytes_);
  if ((wanted_ & kIo) != 0) {
    record_.set_io_read_bytes(from.read_bytes);
    record_.set_io_write_bytes(from.write_bytes);
  }
  if ((wanted_ & kFdCount) == 0) return;
  if (reading.fd_count) record_.set_fd_count(*reading.fd_count);
  if ((from.pass_flags & DE_FDS_CUT) == 0) record_.set_fd_count(from.fd_count);
}

void IteratedReader::hand_out(const Reading& reading, Known& known, Mode mode, const RecordFn& fn, const SameFn& same) {
  if (fault::drops("collect")) return;
  const de_task& task = reading.from.steady.task;
  const std::optional<FileKey> image = known.image_key();
  record_.Clear();
  record_.set_pid(task.pid);
  record_.set_process_uid(known.uid.data(), known.uid.size());
  record_.set_start_time_ms(boot_time_ms_ + static_cast<std::int64_t>(task.start_ns / kTickNs * kTickMs));
  record_.set_boot_time_ms(boot_time_ms_);
  record_.set_exec_seq(known.exec_seq);
  add_metrics(reading, known, mode);
  record_.set_collection_time_ms(clock_.unix_ms());
  const bool is_same = mode == Mode::Snapshot && known.is_told && known.steady == reading.steady;
  if (is_same && same && same(record_, image)) return;

  known.recall(boot_time_ms_, record_);
  record_.set_ppid(task.ppid);
  record_.set_session_id(task.session);
  record_.set_pgid(task.pgid);
  record_.set_name(task.comm, strnlen(task.comm, sizeof task.comm));
  if (task.pidfs_inode != 0) record_.set_pidfs_inode(task.pidfs_inode);  // No two processes share it.
  record_.set_kernel_thread(reading.is_kernel_thread());
  // Nobody remembers an environment but us.
  if (mode == Mode::Snapshot) known.is_told = known.environment.get().empty();
  fn(record_, image);
}

Outcome IteratedReader::read(std::string_view record, Mode mode, bool may_wait, Watch& watch, const RecordFn& fn,
                             const SameFn& same) {
  Reading reading;
  if (!split(record, reading)) return Outcome::Vanished;
  const de_steady& steady = reading.from.steady;
  const auto found = known_.find(reading.pid());
  reading.is_new = found == known_.end() || found->second.start_ns != steady.task.start_ns;
  reading.steady = hash_({reinterpret_cast<const char*>(&steady), sizeof steady});
  // A zombie has lost its image and arguments; what it was is what we knew.
  const bool is_dying = !reading.is_kernel_thread() && (steady.task.flags & DE_HAS_MEMORY) == 0;
  const bool is_stale =
      reading.is_new || (!is_dying && (found->second.steady != reading.steady || found->second.blocked ||
                                       (reading.pid() + sweep_) % kRefreshSweeps == 0));
  const bool asks = is_stale && (reading.is_new || may_wait);
  if (asks || (reading.from.pass_flags & (DE_TIMES_CUT | DE_FDS_CUT)) != 0) {
    watch.enter(reading.pid());
    Outcome outcome = Outcome::Read;
    if (asks) outcome = refresh(reading, may_wait);
    if ((reading.from.pass_flags & (DE_TIMES_CUT | DE_FDS_CUT)) != 0) complete_metrics(reading);
    if (!watch.leave()) return Outcome::LeftBehind;
    if (outcome == Outcome::Vanished) return outcome;
  }
  Known fresh;
  Known& known = reading.is_new ? fresh : found->second;
  if (reading.is_new || reading.refreshed) adopt(reading, known);
  if (is_stale) {
    const bool was_blocked = std::exchange(known.blocked, !may_wait && !reading.is_kernel_thread() && !is_dying);
    known.is_told &= was_blocked == known.blocked;
  }
  const bool accessible = !known.denied && !known.blocked;
  if (mode == Mode::Visit) {  // Only sweeps forget, so only they remember.
    hand_out(reading, known, mode, fn, same);
  } else {
    Known& kept = reading.is_new ? (known_[reading.pid()] = std::move(fresh)) : known;
    kept.sweep = sweep_;
    hand_out(reading, kept, mode, fn, same);
  }
  return accessible ? Outcome::Read : Outcome::Unreadable;
}

}  // namespace de::collect
