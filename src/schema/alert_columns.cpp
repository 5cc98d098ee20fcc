#include "daemoneye/schema/alert_columns.h"

#include "daemoneye/base/text.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

using A = pb::Alert;
using enum SqlType;

Cell whole(std::uint64_t value) { return static_cast<std::int64_t>(value); }
Cell given(const std::string& text) { return text.empty() ? Cell{} : Cell{std::string_view(text)}; }

void append_data_value(std::string& out, const pb::Value& value) {
  if (value.kind_case() == pb::Value::kInteger) {
    out += std::to_string(value.integer());
  } else if (value.kind_case() == pb::Value::kReal) {
    append_json_number(out, value.real());
  } else if (value.kind_case() == pb::Value::kText) {
    append_json_string(out, std::string_view(value.text()).substr(0, kSqlTextBytes));
  } else if (value.kind_case() == pb::Value::kBlob) {
    out += '"' + to_hex(value.blob()) + '"';
  } else {
    out += "null";
  }
}

// Of columns with the same name, json_extract() finds the first.
Cell data_json(const A& a) {
  std::string out = "{";
  for (const pb::AlertField& field : a.data()) {
    if (out.size() >= kSqlTextBytes) break;
    if (out.size() > 1) out += ',';
    append_json_string(out, field.column());
    out += ':';
    append_data_value(out, field.value());
  }
  return out + '}';
}

Cell tags_json(const A& a) {
  std::string out = "[";
  for (const std::string& tag : a.tags()) {
    if (out.size() > 1) out += ',';
    append_json_string(out, tag);
  }
  return out + ']';
}

Cell pids_json(const A& a) {
  std::string out = "[";
  for (const std::uint32_t pid : a.affected_processes()) {
    if (out.size() > 1) out += ',';
    out += std::to_string(pid);
  }
  return out + ']';
}

Cell alert_ancestry_json(const A& a) {
  std::string out = "[";
  for (const pb::Ancestor& one : a.ancestry()) {
    if (out.size() >= kSqlTextBytes) break;
    out += (out.size() > 1 ? ",{\"pid\":" : "{\"pid\":") + std::to_string(one.pid()) + ",\"name\":";
    append_json_string(out, one.name());
    out += ",\"executable_path\":";
    append_json_string(out, one.executable_path());
    out += '}';
  }
  return out + ']';
}

#define DE_TEXT(field) [](const A& a) -> Cell { return given(a.field()); }
#define DE_NUMBER(field) [](const A& a) -> Cell { return whole(static_cast<std::uint64_t>(a.field())); }
#define DE_OF_EVENT(value) [](const A& a) -> Cell { return a.has_event() ? (value) : Cell{}; }

// clang-format off
constexpr Column<A> kAlertColumns[] = {
    // name, type, unit, change, index, help, getter
    {"id", Text, Unit::None, Change::Static, Index::No, "What `alerts show` takes", DE_TEXT(id)},
    {"sequence", Integer, Unit::None, Change::Static, Index::No, "Order of storing", DE_NUMBER(sequence)},
    {"alert_time_ms", Integer, Unit::UnixMs, Change::Static, Index::Yes, "When it was raised", DE_NUMBER(alert_time_ms)},
    {"severity", Text, Unit::None, Change::Static, Index::No, "low, medium, high or critical", [](const A& a) -> Cell { return to_text(a.severity()); }},
    {"state", Text, Unit::None, Change::Static, Index::No, "open, acknowledged or closed", [](const A& a) -> Cell { return to_text(a.state()); }},
    {"rule_id", Text, Unit::None, Change::Static, Index::Yes, "The rule that matched", DE_TEXT(rule_id)},
    {"rule_generation", Integer, Unit::None, Change::Static, Index::No, "Generation of the rules it was raised by", DE_NUMBER(rule_generation)},
    {"rule_digest", Text, Unit::None, Change::Static, Index::No, "Digest of the rule as it was then", DE_TEXT(rule_digest)},
    {"rule_author", Text, Unit::None, Change::Static, Index::No, "Who wrote the rule", DE_TEXT(rule_author)},
    {"rule_license", Text, Unit::None, Change::Static, Index::No, "Licence of the rule", DE_TEXT(rule_license)},
    {"rule_source", Text, Unit::None, Change::Static, Index::No, "Where the rule was taken from", DE_TEXT(rule_source)},
    {"title", Text, Unit::None, Change::Static, Index::No, "Name of the rule", DE_TEXT(title)},
    {"description", Text, Unit::None, Change::Static, Index::No, "What it means and what to check", DE_TEXT(description)},
    {"category", Text, Unit::None, Change::Static, Index::No, "Category of the rule", DE_TEXT(category)},
    {"tags", Text, Unit::None, Change::Static, Index::No, "Tags of the rule as a JSON array", tags_json},
    {"host", Text, Unit::None, Change::Static, Index::No, "Where it happened", DE_TEXT(host)},
    {"process_uid", Text, Unit::None, Change::Static, Index::No, "The process it is about", DE_TEXT(process_uid)},
    {"process_count", Integer, Unit::None, Change::Static, Index::No, "How many processes it is about", DE_NUMBER(process_count)},
    {"affected_processes", Text, Unit::None, Change::Static, Index::No, "Their pids as a JSON array", pids_json},
    {"count", Integer, Unit::None, Change::Static, Index::No, "Matches that were folded into it, itself included", DE_NUMBER(count)},
    {"first_seen_ms", Integer, Unit::UnixMs, Change::Static, Index::No, "First of these matches", DE_NUMBER(first_seen_ms)},
    {"last_seen_ms", Integer, Unit::UnixMs, Change::Static, Index::No, "Last of these matches", DE_NUMBER(last_seen_ms)},
    {"scan_id", Integer, Unit::None, Change::Static, Index::No, "The snapshot it was found in", [](const A& a) -> Cell { return a.has_scan_id() ? whole(a.scan_id()) : Cell{}; }},
    {"event_type", Text, Unit::None, Change::Static, Index::No, "Type of the event it is about; NULL when a snapshot showed it", DE_OF_EVENT(std::string_view(a.event().type()))},
    {"event_time_ms", Integer, Unit::UnixMs, Change::Static, Index::No, "Time of that event", DE_OF_EVENT(std::int64_t{a.event().time_ms()})},
    {"event_sequence", Integer, Unit::None, Change::Static, Index::No, "Sequence of that event", DE_OF_EVENT(whole(a.event().sequence()))},
    {"data", Text, Unit::None, Change::Static, Index::No, "The row that matched as a JSON object", data_json},
    {"ancestry", Text, Unit::None, Change::Static, Index::No, "Parents of the process as a JSON array, nearest first", alert_ancestry_json},
    {"complete", Integer, Unit::None, Change::Static, Index::No, "0 when something was missing where the rule looked", [](const A& a) -> Cell { return std::int64_t{a.completeness().complete() ? 1 : 0}; }},
    {"dedupe_key", Text, Unit::None, Change::Static, Index::No, "What folds matches into one alert", DE_TEXT(dedupe_key)},
    {"correlation_id", Text, Unit::None, Change::Static, Index::No, "The same from the event to the delivery", DE_TEXT(correlation_id)},
};
// clang-format on
#undef DE_TEXT
#undef DE_NUMBER
#undef DE_OF_EVENT

}  // namespace

std::span<const Column<pb::Alert>> alert_columns() { return kAlertColumns; }

std::string_view to_text(pb::Severity severity) {
  switch (static_cast<int>(severity)) {  // Not the enum: a message may carry any number.
    case pb::SEVERITY_LOW:
      return "low";
    case pb::SEVERITY_MEDIUM:
      return "medium";
    case pb::SEVERITY_HIGH:
      return "high";
    case pb::SEVERITY_CRITICAL:
      return "critical";
    default:
      return "unknown";
  }
}

std::string_view to_text(pb::AlertState state) {
  switch (static_cast<int>(state)) {
    case pb::ALERT_OPEN:
      return "open";
    case pb::ALERT_ACKNOWLEDGED:
      return "acknowledged";
    case pb::ALERT_CLOSED:
      return "closed";
    default:
      return "unknown";
  }
}

}  // namespace de::schema
