#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

constexpr std::string_view kHeader =
    "id,sequence,alert_time,severity,rule_id,rule_generation,title,description,category,tags,host,state,process_uid,"
    "process_count,affected_processes,count,first_seen,last_seen,scan_id,completeness,ancestry,data,rule_author,"
    "rule_license,dedupe_key,correlation_id,rule_source\r\n";

// Line feeds may stay inside quotes; everything else a terminal acts on is escaped.
std::string escape_cell(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += escape_controls(text.substr(0, end));
    if (end == text.size()) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

// Text a spreadsheet would run: =cmd|..., +1, -1, @SUM. The apostrophe makes it text there. Leading white space does
// not stop a spreadsheet, so it does not stop this.
bool is_formula(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \n\t\r");
  return first != text.npos && std::string_view("=+-@").find(text[first]) != std::string_view::npos;
}

class CsvRow {
 public:
  void text(std::string_view value) {
    std::string cell = escape_cell(value);
    if (is_formula(cell)) cell.insert(0, 1, '\'');
    plain(cell);
  }
  template <class Int>
  void number(Int value) {
    plain(std::to_string(value));
  }
  void time(std::int64_t unix_ms) { text(to_iso8601(unix_ms).text); }
  std::string take() && { return std::move(out_) + "\r\n"; }

 private:
  void plain(std::string_view cell) {
    if (!first_) out_ += ',';
    first_ = false;
    if (cell.find_first_of(",\"\n ") == cell.npos) {
      out_ += cell;
      return;
    }
    out_ += '"';
    for (const char c : cell) {
      if (c == '"') out_ += '"';
      out_ += c;
    }
    out_ += '"';
  }

  std::string out_;
  bool first_ = true;
};

template <class Items, class Text>
std::string joined(const Items& items, const Text& text) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ';';
    out += text(item);
  }
  return out;
}

}  // namespace

std::string_view csv_header() { return kHeader; }

std::string csv_record(const pb::Alert& alert) {
  CsvRow row;
  row.text(alert.id());
  row.number(alert.sequence());
  row.time(alert.alert_time_ms());
  row.text(schema::to_text(alert.severity()));
  row.text(alert.rule_id());
  row.number(alert.rule_generation());
  row.text(alert.title());
  row.text(alert.description());
  row.text(alert.category());
  row.text(joined(alert.tags(), [](const std::string& tag) { return tag; }));
  row.text(alert.host());
  row.text(schema::to_text(alert.state()));
  row.text(alert.process_uid());
  row.number(alert.process_count());
  row.text(joined(alert.affected_processes(), [](std::uint32_t pid) { return std::to_string(pid); }));
  row.number(alert.count());
  row.time(alert.first_seen_ms());
  row.time(alert.last_seen_ms());
  row.text(alert.has_scan_id() ? std::to_string(alert.scan_id()) : "");
  row.text(completeness_text(alert.completeness()));
  row.text(ancestry_text(alert));
  row.text(json_data(alert));
  row.text(alert.rule_author());
  row.text(alert.rule_license());
  row.text(alert.dedupe_key());
  row.text(alert.correlation_id());
  row.text(alert.rule_source());
  return std::move(row).take();
}

}  // namespace de::sink
