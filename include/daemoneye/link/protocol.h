// Versions of the two protocols. A different major number is refused; a higher minor one only adds.
//
// Thread: any (constants).
#pragma once

#include <cstdint>

namespace de::link {

constexpr std::uint32_t kBrokerMajor = 1;
constexpr std::uint32_t kBrokerMinor = 0;
constexpr std::uint32_t kControlMajor = 1;

// What a collector of recorded events calls itself (Hello.collector_type).
inline constexpr const char* kReplayType = "replay";

}  // namespace de::link
