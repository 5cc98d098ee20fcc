// An alert as a message for a system's log: syslog (RFC 5424 or 3164), or the journal's own protocol.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string>

#include "daemoneye/alert.pb.h"
#include "sink/format.h"

namespace de::sink {

struct SyslogOptions {
  Format format = Format::Json;  // Of the message itself; one of those that are one line.
  bool is_rfc3164 = false;       // Otherwise RFC 5424.
  bool is_local = false;         // For the socket of this host: a message of RFC 3164 names no host then.
  unsigned facility = 3;         // Its code.
  std::size_t max_bytes = 8'192;
};

constexpr std::size_t kMinSyslogBytes = 2'048;  // The headers of either RFC fit in well.

// Without any framing and without a line feed at the end. What is longer than max_bytes is cut, at the end of a
// character, and ends in "...(N bytes more)"; RFC 5424 also has the parameter cut="N" then.
std::string syslog_record(const SyslogOptions& options, const pb::Alert& alert);

// A datagram of the journal's native protocol: MESSAGE is the title, DAEMONEYE_ALERT the alert in `format`.
std::string journal_record(Format format, const pb::Alert& alert);

}  // namespace de::sink
