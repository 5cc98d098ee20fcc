#include <map>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/json_object.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

void append_value(std::string& out, const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      out += std::to_string(value.integer());
      return;
    case pb::Value::kReal:
      append_json_number(out, value.real());
      return;
    case pb::Value::kText:
      append_json_text(out, value.text());
      return;
    case pb::Value::kBlob:
      out += "{\"hex\":\"" + to_hex(value.blob()) + "\"}";
      return;
    case pb::Value::KIND_NOT_SET:
      break;
  }
  out += "null";
}

void append_data(std::string& out, const pb::Alert& alert) {
  JsonObject object(out);
  std::map<std::string, int, std::less<>> used;
  for (const pb::AlertField& field : alert.data()) {
    std::string name = field.column();
    // A name made unique can itself be taken: SELECT 1 AS a, 2 AS a, 3 AS a_2.
    for (int number = 2; !used.emplace(name, 0).second; ++number) name = field.column() + "_" + std::to_string(number);
    append_value(object.key(name), field.value());
  }
  object.close();
}

void append_completeness(std::string& out, const pb::Completeness& completeness) {
  JsonObject object(out);
  object.text("status", completeness.complete() ? "complete" : "degraded");
  append_json_array(object.key("reasons"), completeness.reasons(), [&](const pb::Reason& reason) {
    JsonObject entry(out);
    entry.text("reason", reason.reason());
    entry.text("collector", reason.collector());
    entry.text("detail", reason.detail());
    entry.close();
  });
  object.close();
}

void append_event(std::string& out, const pb::AlertEvent& event) {
  JsonObject object(out);
  object.text("type", event.type());
  object.number("time_ms", event.time_ms());
  object.number("sequence", event.sequence());
  object.text("collector", event.collector());
  object.close();
}

void append_ancestry(std::string& out, const pb::Alert& alert) {
  append_json_array(out, alert.ancestry(), [&](const pb::Ancestor& ancestor) {
    JsonObject entry(out);
    entry.number("pid", ancestor.pid());
    entry.text("name", ancestor.name());
    entry.text("executable_path", ancestor.executable_path());
    entry.close();
  });
}

void append_rule(JsonObject& object, const pb::Alert& alert) {
  object.text("rule_id", alert.rule_id());
  object.number("rule_generation", alert.rule_generation());
  object.text("rule_author", alert.rule_author());
  object.text("rule_license", alert.rule_license());
  object.text("rule_source", alert.rule_source());
  if (alert.has_rule_execution_time_us()) object.number("rule_execution_time_us", alert.rule_execution_time_us());
}

}  // namespace

std::string json_data(const pb::Alert& alert) {
  std::string out;
  append_data(out, alert);
  return out;
}

std::string json_record(const pb::Alert& alert) {
  std::string out;
  JsonObject object(out);
  object.text("schema", kAlertSchema);
  object.text("id", alert.id());
  object.number("sequence", alert.sequence());
  object.number("alert_time_ms", alert.alert_time_ms());
  object.time("alert_time", alert.alert_time_ms());
  object.text("severity", schema::to_text(alert.severity()));
  object.text("title", alert.title());
  object.text("description", alert.description());
  append_rule(object, alert);
  object.text("category", alert.category());
  append_json_array(object.key("tags"), alert.tags(), [&](const std::string& tag) { append_json_text(out, tag); });
  object.text("host", alert.host());
  object.text("state", schema::to_text(alert.state()));
  if (alert.has_scan_id()) object.number("scan_id", alert.scan_id());
  if (alert.has_event()) append_event(object.key("event"), alert.event());
  object.text("process_uid", alert.process_uid());
  object.number("process_count", alert.process_count());
  append_json_array(object.key("affected_processes"), alert.affected_processes(),
                    [&](std::uint32_t pid) { out += std::to_string(pid); });
  append_data(object.key("data"), alert);
  append_ancestry(object.key("ancestry"), alert);
  object.number("count", alert.count());
  object.number("first_seen_ms", alert.first_seen_ms());
  object.number("last_seen_ms", alert.last_seen_ms());
  object.text("dedupe_key", alert.dedupe_key());
  object.text("correlation_id", alert.correlation_id());
  append_completeness(object.key("completeness"), alert.completeness());
  object.close();
  return out += '\n';
}

}  // namespace de::sink
