// What the kernel tells the model.
#include <algorithm>
#include <cstring>

#include "collect/identity.h"
#include "collect/live_processes.h"
#include "collect/shed.h"

namespace de::collect {
namespace {

constexpr std::uint64_t kUnitNs = 10'000'000;
constexpr std::int64_t kUnitMs = 10;

template <class Uid>
Uid to_uid(std::string_view bytes) {
  Uid uid{};
  if (bytes.size() == uid.size()) std::memcpy(uid.data(), bytes.data(), uid.size());
  return uid;
}

// What an exec does not change and the kernel's record of it does not have.
void keep_place(const pb::ProcessRecord& before, pb::ProcessRecord& now) {
  if (before.has_tty()) now.set_tty(before.tty());
  if (before.has_root()) now.set_root(before.root());
  if (now.has_cgroup() || (before.has_cgroup_id() && before.cgroup_id() != now.cgroup_id())) return;
  if (before.has_cgroup()) now.set_cgroup(before.cgroup());
  if (before.has_container_id()) now.set_container_id(before.container_id());
  if (before.has_container_runtime()) now.set_container_runtime(before.container_runtime());
}

// The kernel says who owns the child; a feed that looks at /proc finds a program, too, which need not be the parent's.
bool is_plain(const pb::ProcessRecord& seen) { return seen.command_line_size() == 0 && !seen.has_executable_path(); }

}  // namespace

std::int64_t LiveProcesses::to_ms(std::uint64_t boot_ns) const {
  return boot_.time_ms + static_cast<std::int64_t>(boot_ns / 1'000'000);
}

void LiveProcesses::identify(KernelEvent& event) const {
  pb::ProcessRecord& record = *event.seen;
  record.set_pid(event.pid);
  if (event.start_ns != 0) {
    record.set_process_uid(process_uid(boot_.boot_id, event.pid, event.start_ns));
    record.set_start_time_ms(boot_.time_ms + static_cast<std::int64_t>(event.start_ns / kUnitNs) * kUnitMs);
    record.set_ppid(event.ppid);
    if (event.ppid != 0 && event.parent_start_ns != 0)
      record.set_parent_uid(process_uid(boot_.boot_id, event.ppid, event.parent_start_ns));
  }
  // A feed that gives numbers only: what nobody could look at any more is whom we know by that number.
  const auto by_pid = [this](std::uint32_t pid) {
    const auto found = known_.find(pid);
    return found != known_.end() ? std::string(found->second.uid.data(), found->second.uid.size()) : std::string();
  };
  if (record.process_uid().empty()) record.set_process_uid(by_pid(event.pid));
  if (event.kind == KernelEventKind::Fork && event.ppid != 0 && !record.has_parent_uid()) {
    record.set_ppid(event.ppid);
    if (std::string parent = by_pid(event.ppid); !parent.empty()) record.set_parent_uid(std::move(parent));
  }
  record.set_boot_time_ms(boot_.time_ms);
  record.set_collection_time_ms(to_ms(event.time_ns));
}

void LiveProcesses::stamp(pb::ProcessEvent& event, const KernelEvent& cause) {
  event.set_event_time_ms(to_ms(cause.time_ns));
  event.set_boot_time_ns(cause.time_ns);
}

void LiveProcesses::apply(KernelEvent& event, ToldEvents& told) {
  if (event.seen->process_uid().size() != sizeof(Uid)) {
    ++counts_.unidentified;
    return;
  }
  switch (event.kind) {
    case KernelEventKind::Fork:
      return fork(event, told);
    case KernelEventKind::Exec:
      return exec(event, told);
    case KernelEventKind::Exit:
      return exit(event, told);
  }
}

// Who has the pid now began after the last owner ended, whether that was told or not.
LiveProcesses::Known& LiveProcesses::make_room(const KernelEvent& event, ToldEvents& told) {
  const auto found = known_.find(event.pid);
  if (found != known_.end()) {
    end_unseen(event.pid, told.events);
    pb::ProcessEvent& end = told.events[told.events.size() - 1];
    stamp(end, event);
    fill_parent(end, &found->second);
    known_.erase(found);
  }
  Known& fresh = known_[event.pid];
  fresh.sweep = sweep_ - 1;  // Not in the scan that may be running.
  return fresh;
}

// What the process is without what it has in common with others, which is said beside it.
pb::ProcessEvent& LiveProcesses::tell_in_parts(pb::EventType type, const KernelEvent& cause, const Known& known,
                                               ToldEvents& told) {
  pb::ProcessEvent& event = add(type, pb::ProcessRecord(), told.events);
  recall_own(cause.pid, known, *event.mutable_process());
  event.mutable_process()->set_boot_time_ms(boot_.time_ms);
  event.mutable_process()->set_collection_time_ms(to_ms(cause.time_ns));
  ToldEvents::Common& common = told.common_of_last();
  common.place = known.rest;
  common.arguments = known.arguments;
  return event;
}

// Who is above the process of the last event: known once for all siblings, or told for this one.
void LiveProcesses::tell_parents(ToldEvents& told, const Known* known) {
  ToldEvents::Common& common = told.common_of_last();
  if (known != nullptr && known->lineage != nullptr && known->lineage->uid == known->parent_uid)
    common.parents = lineage_texts_.of(known->lineage);
  else
    fill_parent(told.events[told.events.size() - 1], known);
}

// Leaves in text_ what was seen of the child that others may have in common with it. False: its last sibling was not
// like it.
bool LiveProcesses::inherit(const pb::ProcessRecord& seen, const Known& parent, Known& child) {
  rest_ = seen;
  drop_own_and_passing(rest_);
  rest_.SerializeToString(&text_);
  const Inherited& known = inherited_from(parent);
  if (known.parent != parent.uid || !(known.rest == parent.rest) || known.owner.get() != text_) return false;
  remember_own(seen, child);
  if (child.session_id == kUntold) child.session_id = parent.session_id;
  if (child.pgid == kUntold) child.pgid = parent.pgid;
  child.name = parent.name;
  if (!seen.name().empty()) texts_.set(child.name, seen.name());
  child.arguments = parent.arguments;
  child.rest = known.childs_rest;
  return true;
}

// Leaves in before_ what the child is.
void LiveProcesses::derive(const pb::ProcessRecord& seen, std::uint32_t parent_pid, const Known& parent, Known& child) {
  child.name = parent.name;
  child.arguments = parent.arguments;
  child.rest = parent.rest;
  recall(parent_pid, parent, before_);
  before_.clear_exec_seq();
  before_.clear_executable_hash();
  drop_shed(pb::SHED_HASH, before_);
  if (seen.command_line_size() > 0) before_.clear_command_line();
  before_.MergeFrom(seen);  // The event's own values; where it is silent, the parent's.
  const std::string owner = text_;
  remember(before_, child);
  if (!is_plain(seen)) return;
  Inherited& siblings = inherited_from(parent);
  siblings.parent = parent.uid;
  siblings.rest = parent.rest;
  siblings.childs_rest = child.rest;
  texts_.set(siblings.owner, owner);
}

// The child is what its parent is, until it runs something else.
void LiveProcesses::fork(const KernelEvent& event, ToldEvents& told) {
  const pb::ProcessRecord& seen = *event.seen;
  const auto found = known_.find(event.pid);
  if (found != known_.end() && found->second.uid == to_uid<Uid>(seen.process_uid())) {
    Known& known = found->second;  // A scan was faster than the ring.
    if (std::exchange(known.missed, false)) --counts_.missed_starts;
    known.told_ns = std::max(known.told_ns, event.time_ns);
    link(known);
    if (!std::exchange(known.unbegun, false)) {
      ++counts_.forks_known;
      return;
    }
    ++counts_.told;
    stamp(tell_in_parts(pb::EVENT_TYPE_START, event, known, told), event);
    return tell_parents(told, &known);
  }
  Known& child = make_room(event, told);
  child.told_ns = event.time_ns;
  ++counts_.told;
  const auto at = known_.find(event.ppid);
  Known* parent = at != known_.end() && at->second.uid == to_uid<Uid>(seen.parent_uid()) ? &at->second : nullptr;
  if (parent != nullptr) {
    link(*parent);
    if (primed_) child.lineage = node_of(at->first, *parent);
  }
  if (parent != nullptr && is_plain(seen) && inherit(seen, *parent, child)) {
    stamp(tell_in_parts(pb::EVENT_TYPE_START, event, child, told), event);
  } else {
    if (parent != nullptr) {
      derive(seen, event.ppid, *parent, child);
    } else {
      before_ = seen;
      remember(before_, child);
    }
    stamp(add(pb::EVENT_TYPE_START, before_, told.events), event);
  }
  tell_parents(told, &child);
}

void LiveProcesses::exec(const KernelEvent& event, ToldEvents& told) {
  pb::ProcessRecord& seen = *event.seen;
  const auto found = known_.find(event.pid);
  const bool is_known = found != known_.end() && found->second.uid == to_uid<Uid>(seen.process_uid());
  // Its fork was before us, or lost: then the exec says all there is.
  Known& known = is_known ? found->second : make_room(event, told);
  if (is_known) {
    recall(event.pid, known, before_);
    keep_place(before_, seen);
  }
  seen.set_exec_seq(known.exec_seq + 1);
  remember(seen, known);
  known.node.reset();
  known.told_ns = event.time_ns;
  known.captured = seen.source() == pb::RECORD_SOURCE_BPF;
  known.observed = false;
  known.exec_told = true;
  link(known);
  ++counts_.told;
  pb::ProcessEvent& exec = add(pb::EVENT_TYPE_EXEC, seen, told.events);
  stamp(exec, event);
  tell_parents(told, &known);
}

void LiveProcesses::exit(const KernelEvent& event, ToldEvents& told) {
  const pb::ProcessRecord& seen = *event.seen;
  const auto found = known_.find(event.pid);
  const bool is_known =
      found != known_.end() && (event.start_ns == 0 || found->second.uid == to_uid<Uid>(seen.process_uid()));
  const Known* known = is_known ? &found->second : nullptr;
  ++counts_.told;
  if (!is_known) ++counts_.ends_unknown;
  pb::ProcessEvent& end =
      is_known ? tell_in_parts(pb::EVENT_TYPE_EXIT, event, *known, told) : add(pb::EVENT_TYPE_EXIT, seen, told.events);
  stamp(end, event);
  if (event.exit_code) end.set_exit_code(*event.exit_code);
  if (event.exit_signal) end.set_exit_signal(static_cast<std::uint32_t>(*event.exit_signal));
  if (event.start_ns != 0)
    end.set_duration_ms((event.time_ns - std::min(event.time_ns, event.start_ns)) / 1'000'000);
  else if (is_known)
    end.set_duration_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(to_ms(event.time_ns) - known->start_ms, 0)));
  tell_parents(told, known);
  if (!is_known) return;
  note_end(known->uid);
  if (scanning_) replaced_.emplace_back(event.pid, std::move(found->second));
  known_.erase(found);
}

void LiveProcesses::note_end(const Uid& uid) {
  if (!ended_.insert(uid).second) return;
  ended_order_.push_back(uid);
  if (ended_order_.size() <= kMaxEnded) return;
  ended_.erase(ended_order_.front());
  ended_order_.pop_front();
}

}  // namespace de::collect
