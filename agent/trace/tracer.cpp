#include "trace/tracer.h"

#include <algorithm>

#include "daemoneye/crypto/uuid.h"

namespace de::trace {
namespace {

constexpr std::int64_t kToldForNs = 60'000'000'000;

}  // namespace

void Tracer::end_old() {
  const std::int64_t now_ns = clock_.steady_ns();
  std::erase_if(active_, [now_ns](const Active& one) { return one.trace->until_ns <= now_ns; });
}

std::size_t Tracer::active() {
  end_old();
  return active_.size();
}

std::shared_ptr<const Trace> Tracer::begin(const detect::Rule& rule, const std::string& alert_id, Subject subject) {
  end_old();
  if (subject.pid == 0 || subject.process_uid.empty()) {
    ++counts_.unknown;
    return nullptr;
  }
  const auto is_same = [&](const Active& one) {
    return one.trace->rule_id == rule.id && one.members.contains(subject.process_uid);
  };
  if (std::ranges::any_of(active_, is_same)) {
    ++counts_.same;
    return nullptr;
  }
  const std::int64_t now_ns = clock_.steady_ns();
  if (active_.size() >= limits_.traces) {
    ++counts_.refused;
    refused_until_ns_ = now_ns + kToldForNs;
    return nullptr;
  }
  auto trace = std::make_shared<Trace>();
  trace->id = crypto::uuid_v4();
  trace->rule_id = rule.id;
  trace->alert_id = alert_id;
  trace->order = *rule.trace;
  trace->root = std::move(subject);
  trace->until_ns = now_ns + rule.trace->for_ms * 1'000'000;
  Active& begun = active_.emplace_back();
  begun.trace = trace;
  begun.members.emplace(trace->root.process_uid, trace->root.pid);
  read(begun, trace->root, "match");
  ++counts_.begun;
  return trace;
}

void Tracer::add_descendant(const Trace& trace, Subject subject) {
  const auto found = std::ranges::find_if(active_, [&](const Active& one) { return one.trace->id == trace.id; });
  if (found == active_.end() || !found->members.emplace(subject.process_uid, subject.pid).second) return;
  read(*found, subject, "descendant");
}

void Tracer::take(const pb::EventBatch& events) {
  if (active_.empty()) return;
  end_old();
  for (const pb::ProcessEvent& event : events.events()) take(event);
}

void Tracer::take(const pb::ProcessEvent& event) {
  const pb::ProcessRecord& process = event.process();
  for (Active& one : active_) {
    const auto member = one.members.find(process.process_uid());
    if (event.event_type() == pb::EVENT_TYPE_EXIT) {
      if (member != one.members.end()) one.members.erase(member);
    } else if (member != one.members.end()) {
      if (event.event_type() == pb::EVENT_TYPE_EXEC) read(one, {process.pid(), process.process_uid()}, "exec");
    } else if (one.trace->order.descendants && !process.process_uid().empty() &&
               one.members.contains(process.parent_uid())) {
      const bool is_exec = event.event_type() == pb::EVENT_TYPE_EXEC;
      if (!one.is_full) one.members.emplace(process.process_uid(), process.pid());
      read(one, {process.pid(), process.process_uid()}, is_exec ? "exec" : "fork");
    }
  }
}

void Tracer::read(Active& of, const Subject& subject, const char* reason) {
  const auto is_same = [&](const Reading& one) {
    return one.trace == of.trace && one.subject.process_uid == subject.process_uid;
  };
  if (const auto waits = std::ranges::find_if(waiting_, is_same); waits != waiting_.end()) {
    waits->reason = reason;  // It is read as it is then.
    return;
  }
  if (of.is_full) {
    ++counts_.shed;
    return;
  }
  of.is_full = ++of.readings >= limits_.readings;
  waiting_.push_back({of.trace, subject, reason, of.is_full});
}

std::vector<Reading> Tracer::pop(std::size_t most) {
  std::vector<Reading> out;
  while (!waiting_.empty() && out.size() < most) {
    out.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  counts_.readings += out.size();
  return out;
}

std::vector<pb::Reason> Tracer::reasons() {
  end_old();
  std::vector<pb::Reason> out;
  const auto add = [&out](std::string detail) {
    pb::Reason& reason = out.emplace_back();
    reason.set_reason("ResourceLimit");
    reason.set_subject("trace");
    reason.set_detail(std::move(detail));
  };
  for (const Active& one : active_)
    if (one.is_full)
      add("rule " + one.trace->rule_id +
          ": a trace has reached traces.max_readings; what else its processes do is not "
          "read");
  if (refused_until_ns_ && clock_.steady_ns() < *refused_until_ns_)
    add("traces.max_active run already: " + std::to_string(counts_.refused) + " matches began none");
  return out;
}

}  // namespace de::trace
