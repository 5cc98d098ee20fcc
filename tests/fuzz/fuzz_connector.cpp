// Datagrams of the proc connector. The kernel is trusted, but a process of root can send to the socket as well, and the
// kernel grows new messages. The books must balance whatever comes.
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "collect/linux/connector_books.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace de::collect;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  ConnectorBooks books;
  std::uint64_t delivered = 0, messages = 0;
  while (!rest.empty()) {
    // The first byte of each datagram says how long it is.
    const std::size_t length = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    const std::string_view bytes = rest.substr(0, length);
    rest.remove_prefix(bytes.size());
    ConnectorDatagram datagram(bytes);
    while (const auto message = datagram.next()) {
      ++messages;
      books.take(*message, 0, [&](KernelEvent& event) {
        ++delivered;
        const bool ended = event.exit_code.has_value() || event.exit_signal.has_value();
        if (ended != (event.kind == KernelEventKind::Exit)) std::abort();
        if (event.exit_code && (*event.exit_code < 0 || *event.exit_code > 255)) std::abort();
        if (event.exit_signal && (*event.exit_signal < 1 || *event.exit_signal > 127)) std::abort();
      });
    }
    if (datagram.malformed() > bytes.size()) std::abort();
    books.add_malformed(datagram.malformed());
  }
  const FeedCounts counts = books.counts();
  if (counts.forks + counts.execs + counts.exits != delivered) std::abort();
  if (counts.happened != delivered + counts.dropped) std::abort();
  if (counts.threads + delivered > messages || books.remembered_threads() > counts.threads) std::abort();
  return 0;
}
