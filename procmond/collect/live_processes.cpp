#include "collect/live_processes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "collect/record_text.h"
#include "collect/shed.h"

namespace de::collect {
namespace {

constexpr std::size_t kMaxParentCommandLine = 32UL * 1024;  // An event must fit a frame together with its record.

// A 16-byte id from a record; false when it has none.
bool copy_uid(const std::string& from, std::array<char, 16>& to) {
  if (from.size() != to.size()) return false;
  std::memcpy(to.data(), from.data(), to.size());
  return true;
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

}  // namespace

std::size_t LiveProcesses::UidHash::operator()(const Uid& uid) const {
  std::size_t value = 0;  // The uid is a hash already.
  std::memcpy(&value, uid.data(), sizeof value);
  return value;
}

// Leaves what many processes have in common: image, owner, place. What is one process's own is kept beside it. Metrics
// say nothing about a process that has ended, and the environment is too large to keep.
void LiveProcesses::drop_own_and_passing(pb::ProcessRecord& record) {
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
  record.clear_pidfs_inode();
  record.clear_collection_time_ms();
  record.clear_environment();
  record.clear_environment_length();
  record.clear_environment_cut();
  drop_shed(pb::SHED_ENVIRONMENT, record);
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

// What is in none of the texts.
void LiveProcesses::remember_own(const pb::ProcessRecord& record, Known& known) {
  copy_uid(record.process_uid(), known.uid);
  if (!copy_uid(record.parent_uid(), known.parent_uid)) known.parent_uid.fill(0);
  known.start_ms = record.start_time_ms();
  known.exec_seq = record.exec_seq();
  known.pidfs_inode = record.pidfs_inode();
  known.ppid = record.has_ppid() ? record.ppid() : kUntold;
  known.session_id = record.has_session_id() ? record.session_id() : kUntold;
  known.pgid = record.has_pgid() ? record.pgid() : kUntold;
}

void LiveProcesses::remember(const pb::ProcessRecord& record, Known& known) {
  remember_own(record, known);
  const TextPool::Ref name = known.name, rest = known.rest;
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
  if (!(name == known.name && rest == known.rest)) known.node.reset();
}

void LiveProcesses::recall(std::uint32_t pid, const Known& known, pb::ProcessRecord& record) {
  record.Clear();
  merge_text(known.rest.get(), record);
  merge_text(known.arguments.get(), record);
  recall_own(pid, known, record);
}

void LiveProcesses::recall_own(std::uint32_t pid, const Known& known, pb::ProcessRecord& record) {
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
  if (known.pidfs_inode != 0) record.set_pidfs_inode(known.pidfs_inode);
}

void LiveProcesses::begin(std::int64_t now_ms, const EventList& events, std::uint64_t now_ns) {
  now_ms_ = now_ms;
  scan_began_ns_ = now_ns;
  scanning_ = true;
  ++sweep_;
  first_event_ = events.size();
  replaced_.clear();
}

pb::ProcessEvent& LiveProcesses::add(pb::EventType type, const pb::ProcessRecord& record, EventList& events) {
  pb::ProcessEvent& event = *events.Add();  // Stays where it is when `events` grows: `record` may be inside it.
  event.set_event_type(type);
  event.set_event_time_ms(now_ms_);
  *event.mutable_process() = record;
  return event;
}

bool LiveProcesses::observe(pb::ProcessRecord& record, EventList& events) {
  const auto found = known_.find(record.pid());
  Uid uid;
  if (!copy_uid(record.process_uid(), uid)) {
    // It exists, but we could not look: that is no reason to call it ended.
    if (found != known_.end()) found->second.sweep = sweep_;
    return true;
  }
  if (found != known_.end() && uid == found->second.uid) {
    Known& known = found->second;
    known.sweep = sweep_;
    known.start_ms = record.start_time_ms();
    compare(record, known, events);
    return true;
  }
  if (fed_) {
    if (ended_.contains(uid)) return false;
    // Its end was told before it is buried; what is left of it is listed, but nothing begins.
    if (record.state() == "Z" || record.state() == "X") return true;
  }
  if (found != known_.end()) {  // The pid has a new owner.
    if (primed_) end_unseen(found->first, events);
    replaced_.emplace_back(record.pid(), std::move(found->second));
    known_.erase(found);
  }
  Known& known = known_[record.pid()];
  known.sweep = sweep_;
  known.scan_exec_seq = record.exec_seq();
  known.observed = true;
  if (record.has_memory_usage()) known.memory = static_cast<std::int64_t>(record.memory_usage());
  if (record.has_cpu_usage()) known.cpu = static_cast<float>(record.cpu_usage());
  remember(record, known);
  known.unbegun = !primed_;
  if (primed_) {
    add_start(record, events);
    known.missed = fed_;
    if (fed_) ++counts_.missed_starts;
  }
  return true;
}

// An end that nobody told.
void LiveProcesses::end_unseen(std::uint32_t pid, EventList& events) {
  if (fed_) ++counts_.missed_exits;
  add_exit(pid, known_.at(pid), events);
}

const LiveProcesses::Known* LiveProcesses::parent_of(const pb::ProcessRecord& record) const {
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

const Lineage& LiveProcesses::node_of(std::uint32_t pid, Known& known) {
  if (known.node != nullptr) return known.node;
  recall(pid, known, parent_);
  Ancestor node;
  node.uid = known.uid;
  node.pid = pid;
  node.name = known.name;
  texts_.set(node.executable_path, parent_.executable_path());
  texts_.set(node.command_line, joined_arguments(parent_));
  known.node = extend(std::move(node), known.lineage);
  return known.node;
}

// Whom a process descends from, as far as those above it are known.
void LiveProcesses::link(Known& known, std::uint32_t depth) {
  // Before the first scan is complete a chain could end at somebody whose parent was not read yet.
  if (!primed_ || known.lineage != nullptr || known.ppid == kUntold || known.ppid == 0 || depth > kMaxAncestors) return;
  const auto parent = known_.find(known.ppid);
  if (parent == known_.end() || parent->second.uid != known.parent_uid) return;
  link(parent->second, depth + 1);
  known.lineage = node_of(parent->first, parent->second);
  known.node.reset();
}

void LiveProcesses::fill_parent(pb::ProcessEvent& event, const Known* self) {
  if (self != nullptr && self->lineage != nullptr) {
    merge_text(*lineage_texts_.of(self->lineage), event);
    if (self->lineage->uid == self->parent_uid) return;
    event.clear_parent_executable_path();  // They say who forked it; now it is another one's child.
    event.clear_parent_command_line();
    event.clear_parent_name();
  }
  const Known* parent = parent_of(event.process());
  if (parent == nullptr) return;
  recall(event.process().ppid(), *parent, parent_);
  event.set_parent_name(parent_.name());
  if (parent_.has_executable_path()) event.set_parent_executable_path(parent_.executable_path());
  if (parent_.command_line_size() > 0) event.set_parent_command_line(joined_arguments(parent_));
}

void LiveProcesses::finish(EventList& events, const std::function<void(pb::ProcessRecord&)>& on_record) {
  for (auto& [pid, known] : known_) {
    if (known.sweep == sweep_) continue;
    if (fed_ && known.told_ns >= scan_began_ns_) {
      known.sweep = sweep_;
      recall(pid, known, before_);
      before_.set_collection_time_ms(now_ms_);
      on_record(before_);
      continue;
    }
    end_unseen(pid, events);
  }
  primed_ = true;
  for (auto& [pid, known] : known_) link(known);
  // Only now is every parent known, wherever it stood in the list; those that ended are still remembered.
  const int last = events.size();
  for (int i = first_event_; i < last; ++i)
    if (events[i].event_type() == pb::EVENT_TYPE_START) judge_age(events[i].process(), events);
  for (int i = first_event_; i < events.size(); ++i) {
    const pb::ProcessRecord& process = events[i].process();
    fill_parent(events[i], find(process.pid(), process.process_uid()));
  }
  std::erase_if(known_, [this](const auto& item) { return item.second.sweep != sweep_; });
  replaced_.clear();
  scanning_ = false;
}

const LiveProcesses::Known* LiveProcesses::find(std::uint32_t pid, std::string_view uid) const {
  const auto found = known_.find(pid);
  if (found == known_.end() || uid != std::string_view(found->second.uid.data(), found->second.uid.size()))
    return nullptr;
  return &found->second;
}

}  // namespace de::collect
