// What the agent and its launcher say to each other over a sequenced-packet socket that both inherited.
//
// Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace de::supervise {

enum LauncherAsk : std::uint32_t { kAskStart = 1, kAskPoll = 2, kAskStop = 3 };

// Followed by `variables_bytes` of variables, each ended by NUL.
struct LauncherRequest {
  std::uint32_t what = 0;
  std::uint32_t program = 0;
  std::uint32_t grace_ms = 0;
  std::uint32_t variables_bytes = 0;
  std::uint32_t number = 0;  // The reply has the same.
};

// Followed by `text_bytes` of what went wrong. A start that worked comes with a pidfd, or the channel.
struct LauncherReply {
  std::int32_t failed = -1;  // An Errc; -1: nothing.
  std::int32_t kind = 0;     // ChildState::Kind
  std::int32_t value = 0;
  std::int32_t pid = 0;
  std::uint32_t text_bytes = 0;
  std::uint32_t number = 0;
};

constexpr std::size_t kMaxLauncherText = 1'024;

}  // namespace de::supervise
