#include "collect/linux/bpf_feed.h"
#include "collect/linux/connector.h"

namespace de::collect {

Result<std::unique_ptr<EventFeed>> open_feed(FeedKind kind, const FeedOptions& options, const Clock& clock) {
  return kind == FeedKind::Bpf ? open_bpf(options, clock) : open_connector(kConnectorBuffer, options.begin_later);
}

}  // namespace de::collect
