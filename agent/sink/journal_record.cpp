#include "daemoneye/schema/alert_columns.h"
#include "sink/log_record.h"
#include "sink/process_facts.h"
#include "sink/severity_code.h"

namespace de::sink {
namespace {

// Of all messages that are alerts: journalctl MESSAGE_ID=...
constexpr std::string_view kAlertMessageId = "5b1f0c6a9a7e4b0f8f0d6c1e2a3b4c5d";

// NAME=value and a line feed; a value that has one itself comes behind its length, 64 bits little-endian.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += name;
  if (value.find('\n') == value.npos) {
    out += '=';
  } else {
    out += '\n';
    for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>(value.size() >> shift & 0xFF);
  }
  out += value;
  out += '\n';
}

}  // namespace

std::string journal_record(Format format, const pb::Alert& alert) {
  std::string out;
  append_field(out, "MESSAGE", alert.title().empty() ? alert.rule_id() : alert.title());
  append_field(out, "MESSAGE_ID", kAlertMessageId);
  append_field(out, "PRIORITY", std::to_string(severity_code(alert.severity())));
  append_field(out, "SYSLOG_IDENTIFIER", "daemoneye");
  append_field(out, "DAEMONEYE_ID", alert.id());
  append_field(out, "DAEMONEYE_SEQUENCE", std::to_string(alert.sequence()));
  append_field(out, "DAEMONEYE_SEVERITY", schema::to_text(alert.severity()));
  append_field(out, "DAEMONEYE_RULE", alert.rule_id());
  append_field(out, "DAEMONEYE_CATEGORY", alert.category());
  append_field(out, "DAEMONEYE_DESCRIPTION", alert.description());
  const ProcessFacts process = process_facts(alert);
  append_field(out, "DAEMONEYE_PROCESS_UID", process.uid);
  if (process.pid) append_field(out, "DAEMONEYE_PID", std::to_string(*process.pid));
  append_field(out, "DAEMONEYE_NAME", process.name);
  append_field(out, "DAEMONEYE_EXECUTABLE", process.executable_path);
  append_field(out, "DAEMONEYE_COMMAND_LINE", process.command_line);
  std::string record = std::string(file_header(format)) + format_alert(format, alert);
  while (record.ends_with('\n')) record.pop_back();
  append_field(out, "DAEMONEYE_ALERT", record);
  return out;
}

}  // namespace de::sink
