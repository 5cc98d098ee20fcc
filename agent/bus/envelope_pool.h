// Messages that were dealt with, for those that come next: they keep their memory, so that a stream of small batches
// costs no allocations. What is in one of the alternatives of a oneof is only kept while it stays the same alternative:
// what is taken from here is merged into, not parsed into.
//
// Thread: any.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "daemoneye/broker.pb.h"

namespace de::bus {

class EnvelopePool : public std::enable_shared_from_this<EnvelopePool> {
 public:
  static constexpr std::size_t kKept = 16;              // As many as arrive before they are committed together.
  static constexpr std::size_t kMaxBytes = 32UL << 10;  // On the wire; larger ones are not kept.

  static std::shared_ptr<EnvelopePool> create() { return std::make_shared<EnvelopePool>(); }

  // Empty, or with an empty batch of events. Lives as long as somebody has it, with or without the pool.
  std::unique_ptr<pb::Envelope> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<pb::Envelope>();
    auto envelope = std::move(free_.back());
    free_.pop_back();
    return envelope;
  }
  // Shared from now on; it comes back when the last one lets go of it.
  std::shared_ptr<pb::Envelope> share(std::unique_ptr<pb::Envelope> envelope, std::size_t wire_bytes) {
    if (wire_bytes > kMaxBytes) return envelope;
    return {envelope.release(), [pool = weak_from_this()](pb::Envelope* done) {
              std::unique_ptr<pb::Envelope> owned(done);
              if (const auto alive = pool.lock()) alive->give_back(std::move(owned));
            }};
  }
  std::size_t kept() const {
    const std::lock_guard lock(mutex_);
    return free_.size();
  }

 private:
  void give_back(std::unique_ptr<pb::Envelope> envelope) {
    pb::Publish& publish = *envelope->mutable_publish();
    publish.clear_topic();
    publish.mutable_events()->Clear();
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(envelope));
  }

  mutable std::mutex mutex_;  // A leaf.
  std::vector<std::unique_ptr<pb::Envelope>> free_;
};

}  // namespace de::bus
