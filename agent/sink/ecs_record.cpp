// Elastic Common Schema 8, one JSON object a line. What it has no field for is below "daemoneye".
//
// Columns of the row are values there, not names of fields: rules name them, and an index refuses a document in which
// "a" is both a text and an object, or in which a field is of another type than in the document before.
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/json_object.h"
#include "sink/process_facts.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

constexpr std::string_view kEcsVersion = "8.11.0";

// The numbers that Elastic's own rules have for the four words.
int ecs_severity(pb::Severity severity) {
  switch (severity) {
    case pb::SEVERITY_LOW:
      return 21;
    case pb::SEVERITY_MEDIUM:
      return 47;
    case pb::SEVERITY_HIGH:
      return 73;
    case pb::SEVERITY_CRITICAL:
      return 99;
    default:
      return 0;
  }
}

std::string_view ecs_event_type(const pb::Alert& alert) {
  const std::string& type = alert.event().type();
  if (type == "exec" || type == "start") return "start";
  return type == "exit" ? "end" : "info";
}

void write_ecs_event(JsonObject& event, const pb::Alert& alert) {
  event.text("kind", "alert");
  event.key("category") += "[\"process\"]";
  event.key("type") += "[\"" + std::string(ecs_event_type(alert)) + "\"]";
  event.text_if("action", alert.event().type());
  event.text("module", "daemoneye");
  event.text("dataset", "daemoneye.alert");
  event.text_if("id", alert.id());
  event.number("sequence", alert.sequence());
  event.number("severity", ecs_severity(alert.severity()));
  event.time("created", printable_ms(alert.alert_time_ms()));
  if (alert.first_seen_ms() > 0) event.time("start", printable_ms(alert.first_seen_ms()));
  if (alert.last_seen_ms() > 0) event.time("end", printable_ms(alert.last_seen_ms()));
  event.text_if("reason", alert.description());
}

void write_ecs_rule(JsonObject& rule, const pb::Alert& alert) {
  rule.text("id", alert.rule_id());
  rule.text("name", alert.rule_id());
  rule.text_if("category", alert.category());
  rule.text("version", std::to_string(alert.rule_generation()));
  if (!alert.rule_author().empty()) append_json_texts(rule.key("author"), std::vector{alert.rule_author()});
  rule.text_if("license", alert.rule_license());
  rule.text_if("reference", alert.rule_source());
}

void write_ecs_parent(JsonObject& parent, const pb::Ancestor& ancestor) {
  parent.number("pid", ancestor.pid());
  parent.text_if("entity_id", uid_of(ancestor));
  parent.text_if("name", ancestor.name());
  parent.text_if("executable", ancestor.executable_path());
}

void write_ecs_user(JsonObject& user, const ProcessFacts& facts) {
  user.text_if("id", facts.user_id);
  user.text_if("name", facts.user_name);
}

void write_ecs_process(JsonObject& process, const pb::Alert& alert, const ProcessFacts& facts) {
  if (facts.pid) process.number("pid", *facts.pid);
  process.text_if("entity_id", facts.uid);
  process.text_if("name", facts.name);
  process.text_if("executable", facts.executable_path);
  process.text_if("command_line", facts.command_line);
  process.text_if("working_directory", facts.cwd);
  if (facts.start_ms) process.time("start", *facts.start_ms);
  if (!facts.sha256.empty()) process.object("hash", [&](JsonObject& hash) { hash.text("sha256", facts.sha256); });
  if (alert.ancestry_size() > 0)
    process.object("parent", [&](JsonObject& parent) { write_ecs_parent(parent, alert.ancestry(0)); });
}

void write_ecs_subjects(JsonObject& record, const pb::Alert& alert) {
  const ProcessFacts facts = process_facts(alert);
  if (facts.is_known) record.object("process", [&](JsonObject& process) { write_ecs_process(process, alert, facts); });
  if (!facts.user_id.empty() || !facts.user_name.empty())
    record.object("user", [&](JsonObject& user) { write_ecs_user(user, facts); });
  if (!facts.container_id.empty())
    record.object("container", [&](JsonObject& container) {
      container.text("id", facts.container_id);
      container.text_if("runtime", facts.container_runtime);
    });
  record.object("related", [&](JsonObject& related) {
    if (!alert.host().empty()) append_json_texts(related.key("hosts"), std::vector{alert.host()});
    if (!facts.user_name.empty()) append_json_texts(related.key("user"), std::vector{facts.user_name});
    if (!facts.sha256.empty()) append_json_texts(related.key("hash"), std::vector{facts.sha256});
  });
}

void write_ecs_row(std::string& out, const pb::Alert& alert) {
  append_json_array(out, alert.data(), [&](const pb::AlertField& field) {
    JsonObject entry(out);
    entry.text("column", field.column());
    if (field.value().kind_case() == pb::Value::KIND_NOT_SET) {
      entry.key("value") += "null";
    } else {
      entry.text("value", plain_text(field.value()));
    }
    entry.close();
  });
}

void write_ecs_own(JsonObject& own, const pb::Alert& alert) {
  own.text("severity", schema::to_text(alert.severity()));
  own.text("state", schema::to_text(alert.state()));
  own.number("count", alert.count());
  own.number("process_count", alert.process_count());
  own.text_if("dedupe_key", alert.dedupe_key());
  own.text_if("correlation_id", alert.correlation_id());
  own.text_if("rule_digest", alert.rule_digest());
  own.text("completeness", completeness_text(alert.completeness()));
  own.text_if("ancestry", ancestry_text(alert));
  write_ecs_row(own.key("data"), alert);
}

}  // namespace

std::string ecs_record(const pb::Alert& alert) {
  std::string out;
  JsonObject record(out);
  record.time("@timestamp", printable_ms(alert.alert_time_ms()));
  record.object("ecs", [](JsonObject& ecs) { ecs.text("version", kEcsVersion); });
  record.text("message", alert.title());
  append_json_texts(record.key("tags"), alert.tags());
  record.object("event", [&](JsonObject& event) { write_ecs_event(event, alert); });
  record.object("rule", [&](JsonObject& rule) { write_ecs_rule(rule, alert); });
  if (!alert.host().empty())
    record.object("host", [&](JsonObject& host) {
      host.text("name", alert.host());
      host.text("hostname", alert.host());
    });
  record.object("agent", [](JsonObject& agent) {
    agent.text("type", "daemoneye");
    agent.text("version", DE_VERSION);
  });
  write_ecs_subjects(record, alert);
  record.object("daemoneye", [&](JsonObject& own) { write_ecs_own(own, alert); });
  record.close();
  return out += '\n';
}

}  // namespace de::sink
