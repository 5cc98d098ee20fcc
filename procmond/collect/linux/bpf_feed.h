// Processes as the kernel itself sees them: events.bpf.c attached to the tracepoints of fork, exec and exit.
//
// Thread: as EventFeed says. Opening takes CAP_BPF and CAP_PERFMON, after that nothing.
#pragma once

#include <memory>

#include "collect/event_feed.h"
#include "collect/linux/bpf_record.h"

namespace de::collect {

struct BpfOptions {
  CaptureOptions capture;
  std::size_t ring_bytes = 2UL << 20;  // A power of two of at least a page.
  std::uint32_t latency_ms = 5;        // How long an event of a busy machine may wait to be fetched.
};

// `clock` outlives the feed. Errors: Unsupported (built without BPF, or the kernel has no BTF), Denied, Invalid
// (options), Io; each says what is missing.
Result<std::unique_ptr<EventFeed>> open_bpf(const BpfOptions& options, const Clock& clock);

}  // namespace de::collect
