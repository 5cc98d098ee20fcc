// An alert as text: JSON lines for machines, blocks for people, CSV for spreadsheets, and what other products read.
//
// Names, paths and arguments in an alert are chosen by hostile processes. No format lets them reach a terminal as
// control characters, break out of their line, cell or string, or become a spreadsheet formula.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/result.h"

namespace de::sink {

enum class Format : std::uint8_t { Json, Human, Csv, Cef, Ecs, Ocsf, Stix };

// Raised when a field changes its meaning or goes; new fields do not raise it.
constexpr std::string_view kAlertSchema = "daemoneye.alert/1";

// "json", "human", "csv", "cef", "ecs", "ocsf", "stix". Errors: Invalid, with a suggestion.
Result<Format> parse_format(std::string_view word);

// The whole record with its line end. Human: a block that ends in an empty line. CSV: RFC 4180 with CRLF; line feeds
// stay inside their quotes, other control characters become \xNN. All others: one line.
std::string format_alert(Format format, const pb::Alert& alert);

// What comes first in a new file: the CSV header, otherwise nothing.
std::string_view file_header(Format format);

// Its media type, for HTTP.
std::string_view content_type(Format format);

}  // namespace de::sink
