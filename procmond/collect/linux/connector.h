// The kernel's proc connector as an event feed: pids, parents and exit codes of all processes, and nothing else. For
// kernels where no BPF program may be loaded.
//
// Times: the kernel stamps with CLOCK_MONOTONIC. What is handed out is CLOCK_BOOTTIME, by the difference of both as it
// is when draining; after a suspension, events from before it come out too late by its length. `start_ns` is never
// told, `ppid` with forks only.
//
// Thread: the one that drains.
#pragma once

#include <cstddef>
#include <memory>

#include "collect/event_feed.h"

namespace de::collect {

inline constexpr std::size_t kConnectorBuffer = 16U << 20;

// `buffer_bytes` of events wait in the kernel while nobody drains (it accounts about 800 bytes for one, of twice the
// number given here). Beyond net.core.rmem_max that takes CAP_NET_ADMIN; what was granted is logged. `begin_later`: see
// FeedOptions.
//
// Takes CAP_NET_ADMIN before Linux 6.6; and the initial user, pid and network namespaces. Closing ends the
// subscription. Errors: Denied, Unsupported (with what is missing), Io.
Result<std::unique_ptr<EventFeed>> open_connector(std::size_t buffer_bytes, bool begin_later = false);

}  // namespace de::collect
