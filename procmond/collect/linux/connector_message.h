// What the kernel's proc connector sends: netlink messages around connector messages around process events.
//
// The numbers are written down here because the system's header changed its shape between versions, and because its
// structures end in arrays of no length.
//
// Thread: any (pure).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace de::collect {

inline constexpr std::uint32_t kConnectorProtocol = 11;  // NETLINK_CONNECTOR
inline constexpr std::uint32_t kProcGroup = 1;           // CN_IDX_PROC, also CN_VAL_PROC

enum class ConnectorWhat : std::uint8_t {
  Ack,  // The answer to a subscription, anybody's.
  Fork,
  Exec,
  Exit,
  Other  // Anything else the kernel tells: its sequence number counts.
};

struct ConnectorMessage {
  ConnectorWhat what = ConnectorWhat::Other;
  std::uint32_t cpu = 0;      // That it happened on; ~0: told by none.
  std::uint32_t seq = 0;      // Counts up by one per message of a CPU, of every kind.
  std::uint32_t ack = 0;      // Ack: the number in the request plus one.
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC.
  std::uint32_t task = 0;     // Thread id; of the new task for Fork. The kernel calls it pid.
  std::uint32_t pid = 0;      // Process id. The kernel calls it tgid.
  std::uint32_t ppid = 0;     // Fork only.
  std::uint32_t status = 0;   // Exit: as wait() tells it. Ack: 0 or an errno.
};

// The messages of one datagram, first to last. Lengths in it are believed only as far as the bytes reach.
class ConnectorDatagram {
 public:
  explicit ConnectorDatagram(std::string_view bytes) : rest_(bytes) {}

  // Nothing at the end. What is not understood is skipped and counted.
  std::optional<ConnectorMessage> next();
  std::uint32_t malformed() const { return malformed_; }

 private:
  std::string_view rest_;
  std::uint32_t malformed_ = 0;
};

enum class Subscription : std::uint32_t { Listen = 1, Ignore = 2 };

inline constexpr std::size_t kSubscriptionBytes = 40;

// The request that changes a subscription; the answer carries `ack` plus one.
struct SubscriptionRequest {
  alignas(4) char bytes[kSubscriptionBytes];
};
SubscriptionRequest subscription_request(Subscription what, std::uint32_t ack);

}  // namespace de::collect
