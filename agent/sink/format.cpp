#include "sink/format.h"

#include <vector>

#include "daemoneye/base/text.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

struct FormatRow {
  std::string_view name;
  Format format;
  std::string (*record)(const pb::Alert& alert);
  std::string_view (*header)();
  std::string_view content_type;
};

std::string_view no_header() { return {}; }

constexpr FormatRow kFormats[] = {
    {"json", Format::Json, json_record, no_header, "application/json"},
    {"human", Format::Human, human_record, no_header, "text/plain; charset=utf-8"},
    {"csv", Format::Csv, csv_record, csv_header, "text/csv; charset=utf-8"},
    {"cef", Format::Cef, cef_record, no_header, "text/plain; charset=utf-8"},
    {"ecs", Format::Ecs, ecs_record, no_header, "application/json"},
    {"ocsf", Format::Ocsf, ocsf_record, no_header, "application/json"},
    {"stix", Format::Stix, stix_record, no_header, "application/stix+json;version=2.1"},
};

const FormatRow& row_of(Format format) { return kFormats[static_cast<std::size_t>(format)]; }

}  // namespace

Result<Format> parse_format(std::string_view word) {
  std::vector<std::string_view> names;
  std::string list;
  for (const FormatRow& row : kFormats) {
    if (row.name == word) return row.format;
    names.push_back(row.name);
    if (!list.empty()) list += &row == std::end(kFormats) - 1 ? " or " : ", ";
    list += row.name;
  }
  return fail(Errc::Invalid,
              "unknown alert format \"" + escape_controls(word) + "\": " + list + suggestion(word, names));
}

std::string format_alert(Format format, const pb::Alert& alert) { return row_of(format).record(alert); }

std::string_view file_header(Format format) { return row_of(format).header(); }

std::string_view content_type(Format format) { return row_of(format).content_type; }

}  // namespace de::sink
