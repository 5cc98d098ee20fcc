// What events.bpf.c wrote, as messages. It comes from our own program in the kernel, but lengths and texts are what
// processes made them: every one is checked.
//
// Thread: the one that drains.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "collect/event_feed.h"
#include "collect/linux/bpf/event_layout.h"
#include "collect/linux/user_names.h"
#include "collect/linux/watched_thread.h"
#include "daemoneye/base/clock.h"

namespace de::collect {

class BpfRecords {
 public:
  static constexpr std::size_t kMaxTails = 64;
  static constexpr std::size_t kMaxTailBytes = 16UL << 20;  // Of all; beyond it the oldest are given up.

  // `clock` outlives this.
  BpfRecords(CaptureOptions options, const Clock& clock) : options_(options), names_(clock) {}

  // One record of the ring buffer. Nothing: it is a part of a later one. `seen` of the event is valid until the next
  // call. Errors: Corrupt (lengths that do not fit).
  Result<std::optional<KernelEvent>> read(std::string_view bytes);

 private:
  struct Tail {  // Arguments or environment that came ahead of their exec.
    std::uint32_t kind = DE_ARGS;
    std::uint32_t pid = 0;
    std::uint64_t start_ns = 0;
    std::string bytes;
  };

  Result<> take_tail(std::string_view bytes);
  void bound_tails();
  std::string find_tail(const de_exec& exec, std::uint32_t kind, std::uint64_t sent);
  Result<> read_exec(const de_exec& exec, std::string_view texts);
  void set_owner(const de_task& task);
  void set_image(const de_exec& exec, std::string path);
  pb::OnDiskState look_at(const std::string& path);
  void set_arguments(const de_exec& exec, std::string_view here);

  const CaptureOptions options_;
  UserNames names_;
  // Events wait at most this long, and for a few such paths only.
  WatchedThread looker_{{std::chrono::milliseconds(50), 4}};
  pb::ProcessRecord record_;
  std::deque<Tail> tails_;  // Those whose exec was lost are pushed out by later ones.
};

}  // namespace de::collect
