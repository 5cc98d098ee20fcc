// Processes as the kernel itself sees them: events.bpf.c attached to the tracepoints of fork, exec and exit.
//
// Thread: as EventFeed says. Opening takes CAP_BPF and CAP_PERFMON, after that nothing.
#pragma once

#include <memory>

#include "collect/event_feed.h"

namespace de::collect {

// `clock` outlives the feed. Errors: Unsupported (built without BPF, or the kernel has no BTF), Denied, Invalid
// (options), Io; each says what is missing.
Result<std::unique_ptr<EventFeed>> open_bpf(const FeedOptions& options, const Clock& clock);

}  // namespace de::collect
