// What traces captured, in the state environment: by time, as many as fit; the oldest make room.
//
//   capture  time (8 bytes BE), number (8 bytes BE) -> pb.Capture
//
// Thread: writer for put and prune, any for the rest.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/trace.pb.h"
#include "store/state.h"
#include "store/store.h"

namespace de::store {

constexpr std::size_t kMaxCaptureBytes = 1UL << 20;  // Of one.

class CaptureLog {
 public:
  CaptureLog(const State& state, std::uint64_t max_bytes) : state_(state), max_bytes_(max_bytes) {}

  // Errors: TooLarge, Invalid (text that is not UTF-8), Exhausted (the disk is full), Io.
  Result<> put(const pb::Capture& capture);
  Result<CapturePage> read(const CaptureFilter& filter) const;
  Result<> prune(std::int64_t before_ms);
  Result<std::uint64_t> count() const;
  std::uint64_t removed() const { return removed_; }  // That made room, since the store was opened.

 private:
  Result<> make_room(Txn& txn);

  const State& state_;
  const std::uint64_t max_bytes_;
  std::atomic<std::uint64_t> removed_ = 0;
};

}  // namespace de::store
