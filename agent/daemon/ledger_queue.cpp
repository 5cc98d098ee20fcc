#include "daemon/ledger_queue.h"

namespace de::daemon {

void LedgerQueue::append(const std::string& action, const std::string& payload) {
  enter_loss();
  if (entries_.size() >= kMaxEntries) {
    ++lost_;
    return;
  }
  push(action, payload);
}

void LedgerQueue::push(const std::string& action, const std::string& payload) {
  pb::Envelope message;
  pb::LedgerAppend& entry = *message.mutable_ledger_append();
  entry.set_request_id(next_id_++);
  entry.set_action(action);
  entry.set_payload(payload);
  entries_.push_back(entry);
  (void)send_(message);  // Kept until confirmed, whether or not it went out.
}

void LedgerQueue::confirm(std::uint64_t request_id) {
  // In the order they were sent; a repeated confirmation finds nothing.
  while (!entries_.empty() && entries_.front().request_id() <= request_id) entries_.pop_front();
  enter_loss();
}

void LedgerQueue::resend() {
  for (const pb::LedgerAppend& entry : entries_) {
    pb::Envelope message;
    *message.mutable_ledger_append() = entry;
    if (!send_(message)) return;
  }
}

void LedgerQueue::enter_loss() {
  if (lost_ == lost_entered_ || entries_.size() >= kMaxEntries) return;
  const std::uint64_t count = lost_ - lost_entered_;
  lost_entered_ = lost_;
  push("ledger.entries_lost", "{\"count\":" + std::to_string(count) + "}");
}

}  // namespace de::daemon
