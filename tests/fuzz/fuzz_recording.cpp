// Any line as a recorded event: an event that an agent takes, or an error that is one line of text.
#include <cstdint>
#include <string_view>

#include "replay/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto event = de::replay::parse_event({reinterpret_cast<const char*>(data), size}, 7, 1'780'000'000'000);
  if (!event) {
    if (event.error().what().empty() || event.error().what().find('\n') != std::string::npos) __builtin_trap();
    return 0;
  }
  if (event->sequence() != 7 || event->process().process_uid().size() != 16 ||
      event->event_type() == de::pb::EVENT_TYPE_UNKNOWN)
    __builtin_trap();
  return 0;
}
