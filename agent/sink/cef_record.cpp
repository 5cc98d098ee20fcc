// Common Event Format, version 0: one line, seven header fields between bars, then key=value pairs.
//
// Someone who names a process "a|b cat=x\nCEF:0|..." is to get one field with that text in it. What the format has no
// escape for (other control characters, bytes that are no UTF-8) is written as \xNN.
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/process_facts.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

void append_cef_escaped(std::string& out, std::string_view safe, std::string_view special) {
  for (const char c : safe) {
    if (special.find(c) != special.npos) out += '\\';
    out += c;
  }
}

// A header field has no escape for the end of a line.
void append_cef_header(std::string& out, std::string_view text) {
  append_cef_escaped(out, escape_controls(text), "\\|");
  out += '|';
}

void append_cef_value(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t end = std::min(text.find_first_of("\n\r"), text.size());
    append_cef_escaped(out, escape_controls(text.substr(0, end)), "\\=");
    if (end == text.size()) return;
    out += text[end] == '\n' ? "\\n" : "\\r";
    text.remove_prefix(end + 1);
  }
}

class CefExtension {
 public:
  explicit CefExtension(std::string& out) : out_(out) {}

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    if (!first_) out_ += ' ';
    first_ = false;
    out_ += key;
    out_ += '=';
    append_cef_value(out_, value);
  }
  // One of the fields that are the producer's to name.
  void labelled(const std::string& key, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    text(key + "Label", label);
    text(key, value);
  }

 private:
  std::string& out_;
  bool first_ = true;
};

// 0 to 3 is low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
std::string_view cef_severity(pb::Severity severity) {
  switch (severity) {
    case pb::SEVERITY_LOW:
      return "3";
    case pb::SEVERITY_MEDIUM:
      return "5";
    case pb::SEVERITY_HIGH:
      return "8";
    case pb::SEVERITY_CRITICAL:
      return "10";
    default:
      return "Unknown";
  }
}

}  // namespace

std::string cef_record(const pb::Alert& alert) {
  std::string out = "CEF:0|DaemonEye|DaemonEye|" DE_VERSION "|";
  append_cef_header(out, alert.rule_id());
  append_cef_header(out, alert.title());
  append_cef_header(out, cef_severity(alert.severity()));
  CefExtension fields(out);
  const auto ms = [](std::int64_t unix_ms) { return std::to_string(printable_ms(unix_ms)); };
  fields.text("rt", ms(alert.alert_time_ms()));
  if (alert.first_seen_ms() > 0) fields.text("start", ms(alert.first_seen_ms()));
  if (alert.last_seen_ms() > 0) fields.text("end", ms(alert.last_seen_ms()));
  fields.text("cnt", std::to_string(alert.count()));
  fields.text("externalId", alert.id());
  fields.text("dvchost", alert.host());
  fields.text("cat", alert.category());
  fields.text("msg", alert.description());
  const ProcessFacts process = process_facts(alert);
  fields.text("sproc", process.name);
  if (process.pid) fields.text("spid", std::to_string(*process.pid));
  fields.text("suser", process.user_name);
  fields.text("suid", process.user_id);
  fields.text("filePath", process.executable_path);
  fields.text("fname", file_name(process.executable_path));
  fields.text("fileHash", process.sha256);
  fields.labelled("cs1", "commandLine", process.command_line);
  fields.labelled("cs2", "ancestry", ancestry_text(alert));
  std::string tags;
  for (const std::string& tag : alert.tags()) tags += (tags.empty() ? "" : ",") + tag;
  fields.labelled("cs3", "tags", tags);
  fields.labelled("cs4", "completeness", completeness_text(alert.completeness()));
  fields.labelled("cs5", "processUid", process.uid);
  fields.labelled("cs6", "data", alert.data_size() == 0 ? std::string() : json_data(alert));
  fields.labelled("cn1", "sequence", std::to_string(alert.sequence()));
  return out += '\n';
}

}  // namespace de::sink
