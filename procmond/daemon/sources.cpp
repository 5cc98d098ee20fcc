#include "daemon/sources.h"

#include <bit>

#include "daemoneye/base/clock.h"

namespace de::daemon {
namespace {

void open_spare(collect::FeedOptions options, OpenedSources& out) {
  options.begin_later = true;
  auto spare = collect::open_feed(collect::FeedKind::Connector, options, system_clock());
  if (spare) {
    out.spare = std::move(*spare);
  } else {
    out.why_no_spare = spare.error().message();
  }
}

Result<> open_feed(const config::ProcmondConfig& config, OpenedSources& out) {
  if (config.events_backend == config::EventBackend::Polling) {
    out.why_not_better = "events.backend says so";
    return {};
  }
  collect::FeedOptions options;
  options.capture.mask_arguments = !config.unmasked_arguments;
  options.capture.environment = config.collect_environment;
  options.buffer_bytes = std::bit_ceil(std::size_t{config.events_buffer_mb}) << 20;
  if (config.events_backend != config::EventBackend::Connector) {
    auto bpf = collect::open_feed(collect::FeedKind::Bpf, options, system_clock());
    if (!bpf && config.events_backend == config::EventBackend::Bpf)
      return fail(std::move(bpf).error().during("events.backend is bpf"));
    if (bpf) {
      out.feed = std::move(*bpf);
      open_spare(options, out);
      return {};
    }
    out.why_not_better = "bpf: " + bpf.error().message();
  } else {
    out.why_not_better = "events.backend says so";
  }
  auto connector = collect::open_feed(collect::FeedKind::Connector, options, system_clock());
  if (!connector && config.events_backend == config::EventBackend::Connector)
    return fail(std::move(connector).error().during("events.backend is connector"));
  if (connector) {
    out.feed = std::move(*connector);
  } else {
    out.why_not_better += "; connector: " + connector.error().message();
  }
  return {};
}

// Whoever does not want BPF for events does not want it for snapshots.
void open_iterator(const config::ProcmondConfig& config, OpenedSources& out) {
  if (config.events_backend != config::EventBackend::Auto && config.events_backend != config::EventBackend::Bpf) {
    out.why_no_iterator = "events.backend says so";
    return;
  }
  auto iterator = collect::ProcessIterator::open();
  if (iterator) {
    out.iterator = std::move(*iterator);
  } else {
    out.why_no_iterator = "bpf: " + iterator.error().message();
  }
}

}  // namespace

Result<> open_sources(const config::ProcmondConfig& config, OpenedSources& out) {
  DE_CHECK(open_feed(config, out));
  open_iterator(config, out);
  return {};
}

}  // namespace de::daemon
