#include "sink/format.h"

#include <array>

#include "daemoneye/base/text.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

constexpr std::array<std::string_view, 3> kFormatNames = {"json", "human", "csv"};

}  // namespace

Result<Format> parse_format(std::string_view word) {
  if (word == "json") return Format::Json;
  if (word == "human") return Format::Human;
  if (word == "csv") return Format::Csv;
  return fail(Errc::Invalid, "unknown alert format \"" + escape_controls(word) + "\": json, human or csv" +
                                 suggestion(word, kFormatNames));
}

std::string format_alert(Format format, const pb::Alert& alert) {
  switch (format) {
    case Format::Json:
      return json_record(alert);
    case Format::Human:
      return human_record(alert);
    case Format::Csv:
      return csv_record(alert);
  }
  return {};
}

std::string_view file_header(Format format) { return format == Format::Csv ? csv_header() : std::string_view(); }

}  // namespace de::sink
