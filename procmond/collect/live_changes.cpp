// What a scan finds changed.
#include <algorithm>
#include <cmath>
#include <utility>

#include "collect/live_processes.h"

namespace de::collect {
namespace {

constexpr std::int64_t kFutureMs = 5'000;   // Start and now come from clocks read at different times.
constexpr std::int64_t kYoungerMs = 1'000;  // Two ticks, and a wall clock that was set between two reads.

bool differs_by(double before, double now, double percent) {
  return percent > 0 && before >= 0 && now >= 0 && std::abs(now - before) * 100.0 > percent * std::max(before, 1.0);
}

bool same_arguments(const pb::ProcessRecord& a, const pb::ProcessRecord& b) {
  return std::equal(a.command_line().begin(), a.command_line().end(), b.command_line().begin(), b.command_line().end());
}

constexpr std::size_t kMaxClaim = 32UL * 1024;  // An event must fit a frame together with its record.

std::string join_claim(const pb::ProcessRecord& record) {
  std::string out;
  for (int i = 0; i < record.command_line_size() && out.size() < kMaxClaim; ++i) {
    if (i > 0) out += ' ';
    out += record.command_line(i);
  }
  out.resize(std::min(out.size(), kMaxClaim));
  return out;
}

// /proc drops empty arguments at the end, and an argument list that was cut is compared as far as it goes.
bool same_claim(const pb::ProcessRecord& captured, const pb::ProcessRecord& claimed) {
  int captured_count = captured.command_line_size(), claimed_count = claimed.command_line_size();
  if (claimed_count == 0) return true;  // A process that ends, or that we may not look at, claims nothing.
  while (captured_count > 0 && captured.command_line(captured_count - 1).empty()) --captured_count;
  while (claimed_count > 0 && claimed.command_line(claimed_count - 1).empty()) --claimed_count;
  const bool cut = captured.has_command_line_sha256();
  if (captured_count != claimed_count && !cut) return false;
  for (int i = 0; i < std::min(captured_count, claimed_count); ++i) {
    const bool last_of_cut = cut && i + 1 == captured_count;
    if (last_of_cut ? !claimed.command_line(i).starts_with(captured.command_line(i))
                    : claimed.command_line(i) != captured.command_line(i))
      return false;
  }
  return true;
}

// What changes all the time.
void take_metrics(const pb::ProcessRecord& from, pb::ProcessRecord& to) {
  to.set_boot_time_ms(from.boot_time_ms());
  to.set_collection_time_ms(from.collection_time_ms());
  if (from.has_state()) to.set_state(from.state());
  if (from.has_threads()) to.set_threads(from.threads());
  if (from.has_nice()) to.set_nice(from.nice());
  if (from.has_cpu_usage()) to.set_cpu_usage(from.cpu_usage());
  if (from.has_cpu_user_ms()) to.set_cpu_user_ms(from.cpu_user_ms());
  if (from.has_cpu_system_ms()) to.set_cpu_system_ms(from.cpu_system_ms());
  if (from.has_memory_usage()) to.set_memory_usage(from.memory_usage());
  if (from.has_virtual_memory()) to.set_virtual_memory(from.virtual_memory());
  if (from.has_io_read_bytes()) to.set_io_read_bytes(from.io_read_bytes());
  if (from.has_io_write_bytes()) to.set_io_write_bytes(from.io_write_bytes());
  if (from.has_fd_count()) to.set_fd_count(from.fd_count());
}

// Could a value be told both times, and is it another one? What became readable, or stopped being so, did not change.
template <class Record, class Has, class Get>
bool changed(const Record& before, const Record& now, Has has, Get get) {
  return (before.*has)() && (now.*has)() && (before.*get)() != (now.*get)();
}

}  // namespace

void LiveProcesses::add_suspicion(const pb::ProcessRecord& record, const char* reason, pb::Severity severity,
                                  EventList& events) {
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_SUSPICIOUS, record, events);
  event.set_reason(reason);
  event.set_severity(severity);
}

void LiveProcesses::add_start(const pb::ProcessRecord& record, EventList& events) {
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_START, record, events);
  if (record.has_start_time_ms()) event.set_event_time_ms(std::min(record.start_time_ms(), now_ms_));
  if (!record.kernel_thread() && record.start_time_ms() > now_ms_ + kFutureMs)
    add_suspicion(record, "start in the future", pb::SEVERITY_HIGH, events);
}

void LiveProcesses::add_exit(std::uint32_t pid, const Known& known, EventList& events) {
  recall(pid, known, before_);
  before_.set_collection_time_ms(now_ms_);
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_EXIT, before_, events);
  // Polling sees an end late: the duration is at most one scan interval too long.
  event.set_duration_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms_ - known.start_ms, 0)));
}

// Compared with the last value reported, so that slow growth is noticed as well.
void LiveProcesses::note_metrics(const pb::ProcessRecord& now, Known& known, std::vector<const char*>& fields) const {
  const auto memory = now.has_memory_usage() ? static_cast<std::int64_t>(now.memory_usage()) : -1;
  const float cpu = now.has_cpu_usage() ? static_cast<float>(now.cpu_usage()) : -1;
  const bool memory_moved =
      differs_by(static_cast<double>(known.memory), static_cast<double>(memory), options_.memory_change_percent);
  const bool cpu_moved = options_.cpu_change_percent > 0 && cpu >= 0 && known.cpu >= 0 &&
                         std::abs(static_cast<double>(cpu - known.cpu)) > options_.cpu_change_percent;
  if (memory_moved) fields.push_back("memory_usage");
  if (cpu_moved) fields.push_back("cpu_usage");
  if (memory_moved || known.memory < 0) known.memory = memory;
  if (cpu_moved || known.cpu < 0) known.cpu = cpu;
}

// What exec was given stays; what the process shows now is a claim beside it.
void LiveProcesses::keep_evidence(pb::ProcessRecord& now, Known& known) {
  recall(now.pid(), known, before_);
  if (before_.has_cgroup_id() && !now.has_cgroup_id()) now.set_cgroup_id(before_.cgroup_id());
  if (before_.has_pidfs_inode() && !now.has_pidfs_inode()) now.set_pidfs_inode(before_.pidfs_inode());
  now.set_exec_seq(known.exec_seq);
  if (!known.captured) return;
  now.set_source(before_.source());
  if (before_.has_interpreter_path()) now.set_interpreter_path(before_.interpreter_path());
  if (before_.has_script_path()) now.set_script_path(before_.script_path());
  if (before_.has_command_line_sha256()) now.set_command_line_sha256(before_.command_line_sha256());
  if (has_shed(pb::SHED_ARGUMENTS, before_)) add_shed(pb::SHED_ARGUMENTS, now);
  if (!same_claim(before_, now)) now.set_command_line_now(join_claim(now));
  *now.mutable_command_line() = before_.command_line();
  if (before_.has_command_line_length()) now.set_command_line_length(before_.command_line_length());
}

// The kernel told something after the scan began: what was read may be older. Only the metrics are taken from it.
void LiveProcesses::keep_model(pb::ProcessRecord& now, const Known& known) {
  recall(now.pid(), known, before_);
  take_metrics(now, before_);
  now.Swap(&before_);
}

bool LiveProcesses::has_observed(const pb::ProcessRecord& record) const {
  const Known* known = find(record.pid(), record.process_uid());
  if (known == nullptr || !known->observed || known->scan_exec_seq != record.exec_seq()) return false;
  if (options_.memory_change_percent > 0 || options_.cpu_change_percent > 0) return false;
  return !fed_ || (!known->exec_told && !known->exec_doubtful && known->told_ns < scan_began_ns_);
}

void LiveProcesses::same(pb::ProcessRecord& record, EventList& events) {
  Known& known = known_.at(record.pid());
  known.sweep = sweep_;
  known.start_ms = record.start_time_ms();
  const bool has_hash = record.has_executable_hash(), waits = has_shed(pb::SHED_HASH, record);
  recall(record.pid(), known, before_);
  const bool is_hashed = has_hash ? record.executable_hash() == before_.executable_hash()
                                  : before_.has_executable_hash() || waits == has_shed(pb::SHED_HASH, before_);
  take_metrics(record, before_);
  if (is_hashed) return record.Swap(&before_);
  pb::ProcessRecord full = before_;
  full.set_exec_seq(record.exec_seq());  // As the source counts.
  drop_shed(pb::SHED_HASH, full);
  if (waits) add_shed(pb::SHED_HASH, full);
  if (has_hash) {
    full.set_executable_hash(record.executable_hash());
    full.set_hash_algorithm(record.hash_algorithm());
  }
  record.Swap(&full);
  compare(record, known, events);
}

void LiveProcesses::compare(pb::ProcessRecord& record, Known& known, EventList& events) {
  if (fed_) return observe_told(record, known, events);
  add_changes(record, known, events);
  // Compared by what is remembered, so that what makes no event (a new parent, a first hash) is kept as well.
  remember(record, known);
}

// A process whose execs the kernel tells.
void LiveProcesses::observe_told(pb::ProcessRecord& record, Known& known, EventList& events) {
  if (known.told_ns >= scan_began_ns_ && known.told_ns != 0) return keep_model(record, known);
  const bool exec_seen = known.observed && record.exec_seq() != known.scan_exec_seq;
  const bool exec_missed = exec_seen && !known.exec_told;
  // In the middle of an exec the kernel counts it a moment before it tells it: only the next scan knows.
  if (exec_missed && !std::exchange(known.exec_doubtful, true)) return keep_model(record, known);
  known.exec_doubtful = false;
  known.scan_exec_seq = record.exec_seq();
  const bool compare = known.observed;
  known.exec_told = false;
  known.observed = true;
  if (exec_missed) {
    ++counts_.missed_execs;
    known.captured = false;
    ++known.exec_seq;
    keep_evidence(record, known);
    add(pb::EVENT_TYPE_EXEC, record, events);
    remember(record, known);
    return;
  }
  keep_evidence(record, known);
  if (compare) {
    add_changes(record, known, events);
  } else {
    judge_claim(record, events);  // Against what exec was given; the rest was told by other means, and is no change.
  }
  remember(record, known);
}

void LiveProcesses::judge_claim(const pb::ProcessRecord& now, EventList& events) {
  const bool is_claim = before_.command_line_now() != now.command_line_now();
  // The same image under another name: it renamed itself before the first look at it.
  const bool is_renamed = !is_claim && before_.name() != now.name() && !now.kernel_thread() && now.has_exe_inode() &&
                          before_.has_exe_inode() && before_.exe_inode() == now.exe_inode();
  if (!is_claim && !is_renamed) return;
  const bool is_new = is_claim && !before_.has_command_line_now();
  add(pb::EVENT_TYPE_MODIFIED, now, events).add_modified_fields(is_claim ? "command_line_now" : "name");
  if (is_renamed) add_suspicion(now, "name changed without exec", pb::SEVERITY_MEDIUM, events);
  if (is_new) add_suspicion(now, "command line rewritten", pb::SEVERITY_LOW, events);
}

void LiveProcesses::add_changes(const pb::ProcessRecord& now, Known& known, EventList& events) {
  recall(now.pid(), known, before_);
  using R = pb::ProcessRecord;
  std::vector<const char*> fields;
  const auto note = [&fields](bool is_changed, const char* field) {
    if (is_changed) fields.push_back(field);
  };
  const bool exec = now.exec_seq() != before_.exec_seq();
  const bool path = changed(before_, now, &R::has_executable_path,
                            static_cast<const std::string& (R::*)() const>(&R::executable_path));
  const bool name = before_.name() != now.name();
  // Only what both sides could tell counts as a change.
  const bool image = path && changed(before_, now, &R::has_exe_inode, &R::exe_inode);
  note(name && !now.kernel_thread(), "name");
  note(path, "executable_path");
  note(before_.command_line_size() > 0 && now.command_line_size() > 0 && !same_arguments(before_, now), "command_line");
  note(changed(before_, now, &R::has_executable_hash,
               static_cast<const std::string& (R::*)() const>(&R::executable_hash)) &&
           before_.hash_algorithm() == now.hash_algorithm(),
       "executable_hash");
  note(changed(before_, now, &R::has_user_id, static_cast<const std::string& (R::*)() const>(&R::user_id)), "user_id");
  note(changed(before_, now, &R::has_euid, &R::euid), "euid");
  note(changed(before_, now, &R::has_cap_effective, &R::cap_effective), "cap_effective");
  note(before_.on_disk_state() != pb::ON_DISK_UNKNOWN && now.on_disk_state() != pb::ON_DISK_UNKNOWN &&
           before_.on_disk_state() != now.on_disk_state(),
       "on_disk_state");
  note(exec, "exec_seq");

  note(before_.command_line_now() != now.command_line_now(), "command_line_now");
  note_metrics(now, known, fields);
  if (!fields.empty()) {
    pb::ProcessEvent& event = add(pb::EVENT_TYPE_MODIFIED, now, events);
    for (const char* field : fields) event.add_modified_fields(field);
  }
  if (now.has_command_line_now() && !before_.has_command_line_now())
    add_suspicion(now, "command line rewritten", pb::SEVERITY_LOW, events);
  // Whoever may not see the executable does not see the exec either, and must not call its absence suspicious.
  if (!exec && now.has_exe_inode() && !now.kernel_thread()) {
    if (image) add_suspicion(now, "executable changed without exec", pb::SEVERITY_HIGH, events);
    if (name) add_suspicion(now, "name changed without exec", pb::SEVERITY_MEDIUM, events);
  }
}

// A parent lives longer than its child. Kernel threads, and what the kernel starts itself, have none.
void LiveProcesses::judge_age(const pb::ProcessRecord& record, EventList& events) {
  if (record.kernel_thread() || record.pid() <= 2 || record.ppid() == 0 || record.ppid() == 2) return;
  const Known* parent = parent_of(record);
  if (parent == nullptr || parent->start_ms <= record.start_time_ms() + kYoungerMs) return;
  add_suspicion(record, "parent younger than child", pb::SEVERITY_MEDIUM, events);
}

}  // namespace de::collect
