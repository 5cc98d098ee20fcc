// Open Cybersecurity Schema Framework 1.4: a Detection Finding, one JSON object a line. Times are milliseconds. What it
// has no attribute for is in "unmapped".
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/json_object.h"
#include "sink/process_facts.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

constexpr std::string_view kOcsfVersion = "1.4.0";
constexpr int kFindings = 2;
constexpr int kDetectionFinding = 2004;
constexpr int kCreate = 1;
constexpr int kRegularFile = 1;
constexpr int kSha256Id = 3;
constexpr int kRuleAnalytic = 1;

struct OcsfWord {
  int id;
  std::string_view caption;
};

OcsfWord ocsf_severity(pb::Severity severity) {
  switch (severity) {
    case pb::SEVERITY_LOW:
      return {2, "Low"};
    case pb::SEVERITY_MEDIUM:
      return {3, "Medium"};
    case pb::SEVERITY_HIGH:
      return {4, "High"};
    case pb::SEVERITY_CRITICAL:
      return {5, "Critical"};
    default:
      return {0, "Unknown"};
  }
}

OcsfWord ocsf_status(pb::AlertState state) {
  if (state == pb::ALERT_ACKNOWLEDGED) return {2, "In Progress"};
  return state == pb::ALERT_CLOSED ? OcsfWord{4, "Resolved"} : OcsfWord{1, "New"};
}

void write_ocsf_word(JsonObject& record, const std::string& name, const OcsfWord& word) {
  record.number(name + "_id", word.id);
  record.text(name, word.caption);
}

void write_ocsf_metadata(JsonObject& metadata, const pb::Alert& alert, const ProcessFacts& facts) {
  metadata.text("version", kOcsfVersion);
  metadata.object("product", [](JsonObject& product) {
    product.text("name", "DaemonEye");
    product.text("vendor_name", "DaemonEye");
    product.text("version", DE_VERSION);
  });
  std::vector<std::string> profiles = {"host"};
  if (!facts.container_id.empty()) profiles.emplace_back("container");
  append_json_texts(metadata.key("profiles"), profiles);
  metadata.text_if("uid", alert.id());
  metadata.text_if("correlation_uid", alert.correlation_id());
  metadata.number("sequence", alert.sequence());
  if (alert.tags_size() > 0) append_json_texts(metadata.key("labels"), alert.tags());
}

void write_ocsf_finding(JsonObject& finding, const pb::Alert& alert) {
  finding.text("uid", alert.id());
  finding.text("title", alert.title());
  finding.text_if("desc", alert.description());
  if (!alert.category().empty()) append_json_texts(finding.key("types"), std::vector{alert.category()});
  finding.number("created_time", printable_ms(alert.alert_time_ms()));
  if (alert.first_seen_ms() > 0) finding.number("first_seen_time", printable_ms(alert.first_seen_ms()));
  if (alert.last_seen_ms() > 0) finding.number("last_seen_time", printable_ms(alert.last_seen_ms()));
  finding.object("analytic", [&](JsonObject& analytic) {
    analytic.text("uid", alert.rule_id());
    analytic.text("name", alert.rule_id());
    analytic.number("type_id", kRuleAnalytic);
    analytic.text("type", "Rule");
    analytic.text("version", std::to_string(alert.rule_generation()));
  });
}

void write_ocsf_file(JsonObject& process, const std::string& path, const std::string& sha256) {
  const std::string_view name = file_name(path);
  if (name.empty()) return;  // It is required.
  process.object("file", [&](JsonObject& file) {
    file.text("name", name);
    file.text("path", path);
    file.number("type_id", kRegularFile);
    if (sha256.empty()) return;
    std::string& out = file.key("fingerprints");
    out += '[';
    JsonObject fingerprint(out);
    fingerprint.number("algorithm_id", kSha256Id);
    fingerprint.text("algorithm", "SHA-256");
    fingerprint.text("value", sha256);
    fingerprint.close();
    out += ']';
  });
}

void write_ocsf_ancestor(JsonObject& process, const pb::Ancestor& ancestor) {
  process.number("pid", ancestor.pid());
  process.text_if("uid", uid_of(ancestor));
  process.text_if("name", ancestor.name());
}

void write_ocsf_lineage(JsonObject& process, const pb::Alert& alert) {
  if (alert.ancestry_size() == 0) return;
  process.object("parent_process", [&](JsonObject& parent) {
    write_ocsf_ancestor(parent, alert.ancestry(0));
    write_ocsf_file(parent, alert.ancestry(0).executable_path(), {});
  });
  std::string& out = process.key("ancestry");
  append_json_array(out, alert.ancestry(), [&](const pb::Ancestor& ancestor) {
    JsonObject entry(out);
    write_ocsf_ancestor(entry, ancestor);
    entry.text_if("path", ancestor.executable_path());
    entry.close();
  });
}

void write_ocsf_process(JsonObject& process, const pb::Alert& alert, const ProcessFacts& facts) {
  if (facts.pid) process.number("pid", *facts.pid);
  process.text_if("uid", facts.uid);
  process.text_if("name", facts.name);
  process.text_if("cmd_line", facts.command_line);
  process.text_if("working_directory", facts.cwd);
  if (facts.start_ms) process.number("created_time", *facts.start_ms);
  write_ocsf_file(process, facts.executable_path, facts.sha256);
  if (!facts.user_id.empty() || !facts.user_name.empty())
    process.object("user", [&](JsonObject& user) {
      user.text_if("uid", facts.user_id);
      user.text_if("name", facts.user_name);
    });
  if (!facts.container_id.empty())
    process.object("container", [&](JsonObject& container) {
      container.text("uid", facts.container_id);
      container.text_if("runtime", facts.container_runtime);
    });
  write_ocsf_lineage(process, alert);
}

void write_ocsf_unmapped(JsonObject& unmapped, const pb::Alert& alert) {
  unmapped.key("data") += json_data(alert);
  unmapped.text("completeness", completeness_text(alert.completeness()));
  unmapped.number("process_count", alert.process_count());
  unmapped.text_if("dedupe_key", alert.dedupe_key());
  unmapped.text_if("rule_author", alert.rule_author());
  unmapped.text_if("rule_license", alert.rule_license());
  unmapped.text_if("rule_source", alert.rule_source());
  unmapped.text_if("rule_digest", alert.rule_digest());
}

}  // namespace

std::string ocsf_record(const pb::Alert& alert) {
  const ProcessFacts facts = process_facts(alert);
  std::string out;
  JsonObject record(out);
  record.number("class_uid", kDetectionFinding);
  record.text("class_name", "Detection Finding");
  record.number("category_uid", kFindings);
  record.text("category_name", "Findings");
  record.number("activity_id", kCreate);
  record.text("activity_name", "Create");
  record.number("type_uid", kDetectionFinding * 100 + kCreate);
  record.text("type_name", "Detection Finding: Create");
  record.number("time", printable_ms(alert.alert_time_ms()));
  write_ocsf_word(record, "severity", ocsf_severity(alert.severity()));
  write_ocsf_word(record, "status", ocsf_status(alert.state()));
  record.truth("is_alert", true);
  record.text("message", alert.title());
  if (alert.count() > 0) record.number("count", alert.count());
  record.object("metadata", [&](JsonObject& metadata) { write_ocsf_metadata(metadata, alert, facts); });
  record.object("finding_info", [&](JsonObject& finding) { write_ocsf_finding(finding, alert); });
  if (!alert.host().empty())
    record.object("device", [&](JsonObject& device) {
      device.text("hostname", alert.host());
      device.number("type_id", 0);
    });
  if (facts.is_known) {
    record.key("evidences") += '[';
    JsonObject evidence(out);
    evidence.object("process", [&](JsonObject& process) { write_ocsf_process(process, alert, facts); });
    evidence.close();
    out += ']';
  }
  record.object("unmapped", [&](JsonObject& unmapped) { write_ocsf_unmapped(unmapped, alert); });
  record.close();
  return out += '\n';
}

}  // namespace de::sink
