// What the agent gives a courier to take to a server, and what it is told afterwards, over a channel
// (base/side_process.h). One parcel at a time: the next is sent when the receipt for the one before has come.
//
// Packets: a head, then for the first of a parcel its key, then a piece of its body. Integers are the host's own: both
// ends are of one build. The courier believes the agent; the agent takes no receipt for more than a claim.
//
// Thread: any, one for each end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::parcel {

constexpr std::size_t kMaxBodyBytes = 8UL << 20;
constexpr std::size_t kMaxKeyBytes = 256;
constexpr std::size_t kMaxReceiptText = 1'024;  // Longer text is cut.
constexpr std::uint32_t kReady = 0;             // The number of the receipt that a courier begins with.

using TimePoint = std::chrono::steady_clock::time_point;

struct Parcel {
  std::uint32_t number = 0;
  std::string key;  // The same whenever the same thing is sent again.
  std::string body;
};

struct Receipt {
  std::uint32_t number = 0;
  Result<> outcome;
};

// Errors: TooLarge (key or body), Timeout (it does not read), Closed (the other end is gone), Io.
Result<> send_parcel(int channel, const Parcel& parcel, TimePoint until);
// Waits. Errors: Closed, Corrupt (not what the agent sends), Io.
Result<Parcel> receive_parcel(int channel);

// Errors: Closed, Io.
Result<> send_receipt(int channel, const Receipt& receipt);
// Its text is safe to print. Errors: Timeout, Closed, Corrupt, Io.
Result<Receipt> receive_receipt(int channel, TimePoint until);

}  // namespace de::parcel
