// Entries for the ledger until procmond has written them: bounded, kept while it is away, told apart by number.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "daemoneye/broker.pb.h"

namespace de::daemon {

class LedgerQueue {
 public:
  static constexpr std::size_t kMaxEntries = 1'024;

  // Hands a message to procmond; false when it cannot take it now. It is repeated by resend().
  using Send = std::function<bool(const pb::Envelope&)>;
  explicit LedgerQueue(Send send) : send_(std::move(send)) {}

  // `payload` is JSON. Beyond kMaxEntries the entry is lost, counted, and the loss itself is entered later.
  void append(const std::string& action, const std::string& payload);
  void confirm(std::uint64_t request_id);
  // After procmond has connected.
  void resend();

  std::size_t waiting() const { return entries_.size(); }
  std::uint64_t lost() const { return lost_; }

 private:
  void enter_loss();
  void push(const std::string& action, const std::string& payload);

  const Send send_;
  std::deque<pb::LedgerAppend> entries_;
  std::uint64_t next_id_ = 1;
  std::uint64_t lost_ = 0;
  std::uint64_t lost_entered_ = 0;  // Of lost_, how many the ledger has been told of.
};

}  // namespace de::daemon
