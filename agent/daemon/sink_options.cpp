#include "daemon/sink_options.h"

namespace de::daemon {
namespace {

sink::SyslogOptions syslog_options(const config::SinkConfig& entry) {
  sink::SyslogOptions out;
  out.is_local = entry.url.starts_with("unix://");
  // What listens at /dev/log understands the older form everywhere, the newer one here and there.
  out.is_rfc3164 = entry.rfc == config::SyslogRfc::Auto ? out.is_local : entry.rfc == config::SyslogRfc::Rfc3164;
  const auto place = static_cast<unsigned>(entry.facility);
  out.facility = place < 12 ? place : place + 4;  // Codes 12 to 15 have no names here.
  out.max_bytes = entry.max_bytes;
  return out;
}

}  // namespace

Result<sink::SinkOptions> to_options(const config::SinkConfig& entry) {
  sink::SinkOptions out;
  out.name = entry.name;
  out.type = std::string(config::to_text(entry.type));
  out.path = entry.path;
  out.timeout = std::chrono::milliseconds(entry.timeout_ms);
  DE_TRY(format, sink::parse_format(config::to_text(entry.format)));
  out.format = format;
  out.syslog = syslog_options(entry);
  return out;
}

}  // namespace de::daemon
