// What is done with each request of request_table.cpp.
#include <algorithm>

#include "daemoneye/log/log.h"
#include "uplink/session.h"

namespace de::uplink {

namespace {
constexpr std::size_t kMaxTasks = 8;
constexpr std::size_t kMaxTaskIdBytes = 256;
constexpr std::size_t kMaxUnreadBytes = 1UL << 20;  // Beyond it no task begins: its answer may have 3.5 MB.
constexpr std::size_t kMaxOut = 1'024;
constexpr std::uint32_t kMinIntervalMs = 1'000;
constexpr std::uint32_t kMaxIntervalMs = 3'600'000;
}  // namespace

Result<> Session::on_ack(const pb::Envelope& message) {
  if (message.ack().sequence() > sent_sequence_) return fail(Errc::Corrupt, "acknowledges what was never sent");
  return uplink_.spool_.acknowledge(message.ack().sequence());
}

Result<> Session::on_credit(const pb::Envelope& message) {
  credits_ = std::min<std::uint64_t>(credits_ + message.credit().messages(), kMaxCredits);
  wake();
  return {};
}

Result<> Session::on_begin(const pb::Envelope& message) {
  const std::uint32_t interval_ms = message.begin().scan_interval_ms();
  if (interval_ms != 0) {
    if (interval_ms < kMinIntervalMs || interval_ms > kMaxIntervalMs)
      return fail(Errc::Invalid, "scan interval outside 1 s to 1 h");
    uplink_.hooks_.set_interval(interval_ms);
  }
  phase_ = Phase::Monitoring;
  uplink_.hooks_.scan_now();
  wake();
  return {};
}

Result<> Session::on_adjust(const pb::Envelope& message) {
  const std::uint32_t interval_ms = message.adjust_interval().scan_interval_ms();
  if (interval_ms < kMinIntervalMs || interval_ms > kMaxIntervalMs)
    return fail(Errc::Invalid, "scan interval outside 1 s to 1 h");
  uplink_.hooks_.set_interval(interval_ms);
  return {};
}

Result<> Session::on_scan_now(const pb::Envelope&) {
  uplink_.hooks_.scan_now();
  return {};
}

Result<> Session::refuse_task(const std::string& id, const char* why) {
  if (out_.size() >= kMaxOut) return fail(Errc::Exhausted, "the agent does not read its answers");
  pb::Envelope refusal;
  refusal.mutable_task_result()->set_task_id(id);
  refusal.mutable_task_result()->set_success(false);
  refusal.mutable_task_result()->set_error_message(why);
  queue(refusal);
  wake();
  return {};
}

Result<> Session::on_task(const pb::Envelope& message) {
  if (message.task().task_id().size() > kMaxTaskIdBytes) return fail(Errc::Corrupt, "the id of a task is too long");
  if (tasks_.size() + (task_runs_ ? 1 : 0) >= kMaxTasks)
    return refuse_task(message.task().task_id(), "too many tasks at once: 8 are waiting or running");
  tasks_.push_back(message.task());
  start_task();
  return {};
}

// One at a time, and none while answers wait to be read: an agent that only asks does not fill our memory.
void Session::start_task() {
  if (task_runs_ || tasks_.empty() || closing_ || out_bytes_ > kMaxUnreadBytes) return;
  task_runs_ = true;
  pb::DetectionTask task = std::move(tasks_.front());
  tasks_.pop_front();
  uplink_.hooks_.run_task(std::move(task), [weak = weak_from_this()](pb::DetectionResult result) {
    const auto self = weak.lock();
    if (!self) return;
    self->task_runs_ = false;
    pb::Envelope answer;
    answer.mutable_task_result()->Swap(&result);
    self->queue(answer);
    self->start_task();
    self->wake();
  });
}

// A task that waits is answered like any other, one that runs has ended before its plan is revoked.
Result<> Session::on_revoke(const pb::Envelope& message) {
  const std::string& id = message.revoke_task().task_id();
  if (id.size() > kMaxTaskIdBytes) return fail(Errc::Corrupt, "the id of a task is too long");
  const auto is_meant = [&id](const pb::DetectionTask& task) {
    return task.task_type() == pb::COLLECT_COLUMNS && task.task_id() == id;
  };
  for (std::size_t left = std::erase_if(tasks_, is_meant); left > 0; --left) DE_CHECK(refuse_task(id, "revoked"));
  uplink_.hooks_.revoke_task(id);
  return {};
}

Result<> Session::on_ledger_append(const pb::Envelope& message) {
  if (out_.size() >= kMaxOut) return fail(Errc::Exhausted, "the agent does not read its answers");
  // The actor is who the kernel says is at the other end, whatever the message claims.
  const std::string actor = "agent uid=" + std::to_string(connection_.peer().uid);
  auto appended = uplink_.ledger_.append(actor, message.ledger_append().action(), message.ledger_append().payload());
  if (!appended) {
    const Errc code = appended.error().code();
    if (code == Errc::Invalid || code == Errc::TooLarge) return fail(std::move(appended).error());
    // Our disk, not the agent's fault: without an answer it keeps the entry and sends it again.
    log::error("audit", "ledger entry failed", {log::field("reason", appended.error().message())});
    return {};
  }
  pb::Envelope answer;
  answer.mutable_ledger_appended()->set_request_id(message.ledger_append().request_id());
  answer.mutable_ledger_appended()->set_sequence(*appended);
  queue(answer);
  wake();
  return {};
}

Result<> Session::on_heartbeat(const pb::Envelope&) { return {}; }

Result<> Session::on_alive(const pb::Envelope&) { return {}; }

Result<> Session::on_goodbye(const pb::Envelope&) { return fail(Errc::Closed, "the agent said goodbye"); }

}  // namespace de::uplink
