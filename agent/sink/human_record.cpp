#include <algorithm>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

constexpr std::size_t kMaxShown = 512;  // Bytes of one value; the other formats carry the whole.
constexpr std::size_t kLabelWidth = 11;

std::string shown(std::string_view text) {
  std::string out = escape_controls(text.substr(0, kMaxShown));
  if (text.size() > kMaxShown) out += "...(" + std::to_string(text.size() - kMaxShown) + " bytes more)";
  return out;
}

// `value` is already safe to print.
void append_line(std::string& out, std::string_view label, std::string_view value) {
  out += "  ";
  out += label;
  out.append(label.size() < kLabelWidth ? kLabelWidth - label.size() : 1, ' ');
  out += value;
  out += '\n';
}

std::string value_text(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      return std::to_string(value.integer());
    case pb::Value::kReal: {
      std::string out;
      append_json_number(out, value.real());
      return out;
    }
    case pb::Value::kText:
      return shown(value.text());
    case pb::Value::kBlob:
      return "x'" + shown(to_hex(value.blob())) + "'";
    case pb::Value::KIND_NOT_SET:
      break;
  }
  return "NULL";
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

void append_data_lines(std::string& out, const pb::Alert& alert) {
  std::size_t width = 0;
  for (const pb::AlertField& field : alert.data()) width = std::max(width, shown(field.column()).size());
  width = std::min<std::size_t>(width, 32);
  std::string_view label = "data";
  for (const pb::AlertField& field : alert.data()) {
    std::string line = shown(field.column());
    if (line.size() < width) line.append(width - line.size(), ' ');
    append_line(out, label, line + " = " + value_text(field.value()));
    label = "";
  }
}

std::string rule_text(const pb::Alert& alert) {
  std::string out = shown(alert.rule_id()) + " (generation " + std::to_string(alert.rule_generation());
  if (!alert.rule_author().empty()) out += ", by " + shown(alert.rule_author());
  if (!alert.rule_license().empty()) out += ", " + shown(alert.rule_license());
  if (!alert.rule_source().empty()) out += ", " + shown(alert.rule_source());
  return out + ")";
}

}  // namespace

std::string ancestry_text(const pb::Alert& alert) {
  std::string out;
  for (int i = alert.ancestry_size() - 1; i >= 0; --i) {
    const pb::Ancestor& ancestor = alert.ancestry(i);
    if (!out.empty()) out += " > ";
    out += shown(ancestor.name()) + "(" + std::to_string(ancestor.pid()) + ")";
  }
  return out;
}

std::string completeness_text(const pb::Completeness& completeness) {
  if (completeness.complete()) return "complete";
  std::string out = "degraded";
  std::string_view separator = ": ";
  for (const pb::Reason& reason : completeness.reasons()) {
    out += separator;
    out += shown(reason.reason());
    std::string detail = shown(reason.collector());
    if (!detail.empty() && !reason.detail().empty()) detail += ", ";
    detail += shown(reason.detail());
    if (!detail.empty()) out += " (" + detail + ")";
    separator = "; ";
  }
  return out;
}

std::string human_record(const pb::Alert& alert) {
  std::string out = "[" + upper(schema::to_text(alert.severity())) + "] " + shown(alert.title()) + "\n";
  append_line(out, "time", to_iso8601(alert.alert_time_ms()).text);
  append_line(out, "host", shown(alert.host()));
  append_line(out, "rule", rule_text(alert));
  if (!alert.description().empty()) append_line(out, "about", shown(alert.description()));
  std::string tags;
  for (const std::string& tag : alert.tags()) tags += (tags.empty() ? "" : ", ") + shown(tag);
  if (!tags.empty()) append_line(out, "tags", tags);
  if (const std::string ancestry = ancestry_text(alert); !ancestry.empty()) append_line(out, "ancestry", ancestry);
  append_data_lines(out, alert);
  if (alert.count() > 1)
    append_line(out, "seen",
                std::to_string(alert.count()) + " times, " + to_iso8601(alert.first_seen_ms()).text + " to " +
                    to_iso8601(alert.last_seen_ms()).text);
  append_line(out, "data is", completeness_text(alert.completeness()));
  append_line(out, "id", shown(alert.id()));
  return out += '\n';
}

}  // namespace de::sink
