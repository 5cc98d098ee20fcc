#include "collect/process_diff.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace de::collect {
namespace {

constexpr std::int64_t kFutureMs = 5'000;   // Start and now come from clocks read at different times.
constexpr std::int64_t kYoungerMs = 1'000;  // Two ticks, and a wall clock that was set between two reads.
constexpr std::size_t kMaxParentCommandLine = 32UL * 1024;  // An event must fit a frame together with its record.

// A 16-byte id from a record; false when it has none.
bool copy_uid(const std::string& from, std::array<char, 16>& to) {
  if (from.size() != to.size()) return false;
  std::memcpy(to.data(), from.data(), to.size());
  return true;
}

// Leaves what many processes have in common: image, owner, place. What is one process's own is kept beside it. Metrics
// say nothing about a process that has ended, and the environment is too large to keep.
void drop_own_and_passing(pb::ProcessRecord& record) {
  record.clear_pid();
  record.clear_ppid();
  record.clear_name();
  record.clear_command_line();
  record.clear_command_line_length();
  record.clear_session_id();
  record.clear_pgid();
  record.clear_exec_seq();
  record.clear_process_uid();
  record.clear_parent_uid();
  record.clear_start_time_ms();
  record.clear_collection_time_ms();
  record.clear_environment();
  record.clear_state();
  record.clear_threads();
  record.clear_cpu_usage();
  record.clear_memory_usage();
  record.clear_virtual_memory();
  record.clear_cpu_user_ms();
  record.clear_cpu_system_ms();
  record.clear_io_read_bytes();
  record.clear_io_write_bytes();
  record.clear_fd_count();
}

bool differs_by(double before, double now, double percent) {
  return percent > 0 && before >= 0 && now >= 0 && std::abs(now - before) * 100.0 > percent * std::max(before, 1.0);
}

bool same_arguments(const pb::ProcessRecord& a, const pb::ProcessRecord& b) {
  return std::equal(a.command_line().begin(), a.command_line().end(), b.command_line().begin(), b.command_line().end());
}

std::string joined_arguments(const pb::ProcessRecord& record) {
  std::string out;
  for (const std::string& argument : record.command_line()) {
    if (&argument != &record.command_line(0)) out += ' ';
    out += argument;
    if (out.size() >= kMaxParentCommandLine) break;
  }
  out.resize(std::min(out.size(), kMaxParentCommandLine));
  return out;
}

// Could a value be told both times, and is it another one? What became readable, or stopped being so, did not change.
template <class Record, class Has, class Get>
bool changed(const Record& before, const Record& now, Has has, Get get) {
  return (before.*has)() && (now.*has)() && (before.*get)() != (now.*get)();
}

}  // namespace

void ProcessDiff::remember(const pb::ProcessRecord& record, Known& known) {
  copy_uid(record.process_uid(), known.uid);
  if (!copy_uid(record.parent_uid(), known.parent_uid)) known.parent_uid.fill(0);
  known.start_ms = record.start_time_ms();
  known.exec_seq = record.exec_seq();
  known.ppid = record.has_ppid() ? record.ppid() : kUntold;
  known.session_id = record.has_session_id() ? record.session_id() : kUntold;
  known.pgid = record.has_pgid() ? record.pgid() : kUntold;
  texts_.set(known.name, record.name());
  arguments_.Clear();
  *arguments_.mutable_command_line() = record.command_line();
  if (record.has_command_line_length()) arguments_.set_command_line_length(record.command_line_length());
  arguments_.SerializeToString(&text_);
  texts_.set(known.arguments, text_);
  rest_ = record;
  drop_own_and_passing(rest_);
  rest_.SerializeToString(&text_);
  texts_.set(known.rest, text_);
}

void ProcessDiff::recall(std::uint32_t pid, const Known& known, pb::ProcessRecord& record) {
  record.Clear();
  // Both texts were made by remember(); they parse.
  (void)record.MergeFromString(std::string(known.rest.get()));
  (void)record.MergeFromString(std::string(known.arguments.get()));
  record.set_pid(pid);
  record.set_name(std::string(known.name.get()));
  if (known.ppid != kUntold) record.set_ppid(known.ppid);
  if (known.session_id != kUntold) record.set_session_id(known.session_id);
  if (known.pgid != kUntold) record.set_pgid(known.pgid);
  record.set_exec_seq(known.exec_seq);
  record.set_process_uid(known.uid.data(), known.uid.size());
  static constexpr std::array<char, 16> kNone{};
  if (known.parent_uid != kNone) record.set_parent_uid(known.parent_uid.data(), known.parent_uid.size());
  record.set_start_time_ms(known.start_ms);
}

void ProcessDiff::begin(std::int64_t now_ms, const std::vector<pb::ProcessEvent>& events) {
  now_ms_ = now_ms;
  ++sweep_;
  first_event_ = events.size();
  replaced_.clear();
}

pb::ProcessEvent& ProcessDiff::add(pb::EventType type, const pb::ProcessRecord& record,
                                   std::vector<pb::ProcessEvent>& events) {
  pb::ProcessEvent event;  // Complete before `events` grows: `record` may be inside it.
  event.set_event_type(type);
  event.set_event_time_ms(now_ms_);
  *event.mutable_process() = record;
  return events.emplace_back(std::move(event));
}

void ProcessDiff::add_suspicion(const pb::ProcessRecord& record, const char* reason, pb::Severity severity,
                                std::vector<pb::ProcessEvent>& events) {
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_SUSPICIOUS, record, events);
  event.set_reason(reason);
  event.set_severity(severity);
}

void ProcessDiff::add_start(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events) {
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_START, record, events);
  if (record.has_start_time_ms()) event.set_event_time_ms(std::min(record.start_time_ms(), now_ms_));
  if (!record.kernel_thread() && record.start_time_ms() > now_ms_ + kFutureMs)
    add_suspicion(record, "start in the future", pb::SEVERITY_HIGH, events);
}

void ProcessDiff::add_exit(std::uint32_t pid, const Known& known, std::vector<pb::ProcessEvent>& events) {
  recall(pid, known, before_);
  before_.set_collection_time_ms(now_ms_);
  pb::ProcessEvent& event = add(pb::EVENT_TYPE_EXIT, before_, events);
  // Polling sees an end late: the duration is at most one scan interval too long.
  event.set_duration_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms_ - known.start_ms, 0)));
}

// Compared with the last value reported, so that slow growth is noticed as well.
void ProcessDiff::note_metrics(const pb::ProcessRecord& now, Known& known, std::vector<const char*>& fields) const {
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

void ProcessDiff::add_changes(const pb::ProcessRecord& now, Known& known, std::vector<pb::ProcessEvent>& events) {
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

  note_metrics(now, known, fields);
  if (!fields.empty()) {
    pb::ProcessEvent& event = add(pb::EVENT_TYPE_MODIFIED, now, events);
    for (const char* field : fields) event.add_modified_fields(field);
  }
  // Whoever may not see the executable does not see the exec either, and must not call its absence suspicious.
  if (!exec && now.has_exe_inode() && !now.kernel_thread()) {
    if (image) add_suspicion(now, "executable changed without exec", pb::SEVERITY_HIGH, events);
    if (name) add_suspicion(now, "name changed without exec", pb::SEVERITY_MEDIUM, events);
  }
}

void ProcessDiff::observe(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events) {
  const auto found = known_.find(record.pid());
  if (record.process_uid().size() != 16) {
    // It exists, but we could not look: that is no reason to call it ended.
    if (found != known_.end()) found->second.sweep = sweep_;
    return;
  }
  if (found != known_.end() && record.process_uid() == std::string_view(found->second.uid.data(), 16)) {
    Known& known = found->second;
    known.sweep = sweep_;
    known.start_ms = record.start_time_ms();
    add_changes(record, known, events);
    // Compared by what is remembered, so that what makes no event (a new parent, a first hash) is kept as well.
    remember(record, known);
    return;
  }
  if (found != known_.end()) {  // The pid has a new owner.
    if (primed_) add_exit(found->first, found->second, events);
    replaced_.emplace_back(record.pid(), std::move(found->second));
    known_.erase(found);
  }
  Known& known = known_[record.pid()];
  known.sweep = sweep_;
  if (record.has_memory_usage()) known.memory = static_cast<std::int64_t>(record.memory_usage());
  if (record.has_cpu_usage()) known.cpu = static_cast<float>(record.cpu_usage());
  remember(record, known);
  if (primed_) add_start(record, events);
}

const ProcessDiff::Known* ProcessDiff::parent_of(const pb::ProcessRecord& record) const {
  if (record.parent_uid().size() != 16) return nullptr;
  const auto is_parent = [&record](const Known& known) {
    return record.parent_uid() == std::string_view(known.uid.data(), known.uid.size());
  };
  if (const auto found = known_.find(record.ppid()); found != known_.end() && is_parent(found->second))
    return &found->second;
  for (const auto& [pid, known] : replaced_)
    if (pid == record.ppid() && is_parent(known)) return &known;
  return nullptr;
}

void ProcessDiff::fill_parent(pb::ProcessEvent& event) {
  const Known* parent = parent_of(event.process());
  if (parent == nullptr) return;
  recall(event.process().ppid(), *parent, parent_);
  event.set_parent_name(parent_.name());
  if (parent_.has_executable_path()) event.set_parent_executable_path(parent_.executable_path());
  if (parent_.command_line_size() > 0) event.set_parent_command_line(joined_arguments(parent_));
}

// A parent lives longer than its child. Kernel threads, and what the kernel starts itself, have none.
void ProcessDiff::judge_age(const pb::ProcessRecord& record, std::vector<pb::ProcessEvent>& events) {
  if (record.kernel_thread() || record.pid() <= 2 || record.ppid() == 0 || record.ppid() == 2) return;
  const Known* parent = parent_of(record);
  if (parent == nullptr || parent->start_ms <= record.start_time_ms() + kYoungerMs) return;
  add_suspicion(record, "parent younger than child", pb::SEVERITY_MEDIUM, events);
}

void ProcessDiff::finish(std::vector<pb::ProcessEvent>& events) {
  for (const auto& [pid, known] : known_)
    if (known.sweep != sweep_) add_exit(pid, known, events);
  // Only now is every parent known, wherever it stood in the list; those that ended are still remembered.
  const std::size_t last = events.size();
  for (std::size_t i = first_event_; i < last; ++i)
    if (events[i].event_type() == pb::EVENT_TYPE_START) judge_age(events[i].process(), events);
  for (std::size_t i = first_event_; i < events.size(); ++i) fill_parent(events[i]);
  std::erase_if(known_, [this](const auto& item) { return item.second.sweep != sweep_; });
  replaced_.clear();
  primed_ = true;
}

}  // namespace de::collect
