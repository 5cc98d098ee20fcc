#include "alert/raise.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "alert/dedupe_key.h"
#include "daemoneye/base/text.h"
#include "daemoneye/crypto/uuid.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::alert {
namespace {

using Parts = std::vector<std::optional<std::string_view>>;

std::optional<std::string_view> text_of(const pb::Value* value) {
  if (value == nullptr || value->kind_case() != pb::Value::kText) return std::nullopt;
  return value->text();
}

std::optional<std::int64_t> integer_of(const pb::Value* value) {
  if (value == nullptr || value->kind_case() != pb::Value::kInteger) return std::nullopt;
  return value->integer();
}

// What a value contributes to a key; nothing for NULL.
std::optional<std::string> key_text(const pb::Value* value) {
  if (value == nullptr) return std::nullopt;
  switch (value->kind_case()) {
    case pb::Value::kInteger:
      return std::to_string(value->integer());
    case pb::Value::kReal: {
      std::string out;
      append_json_number(out, value->real());
      return out;
    }
    case pb::Value::kText:
      return value->text();
    case pb::Value::kBlob:
      return value->blob();
    case pb::Value::KIND_NOT_SET:
      break;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> pid_of(const detect::Matches& matches, const pb::Row& row) {
  const auto number = integer_of(matches.find(row, "pid"));
  if (!number || *number <= 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

// Everything about one matching row that an alert needs, from the row first and the snapshot second.
struct Subject {
  std::optional<std::uint32_t> pid;
  std::optional<std::string> name;
  std::optional<std::string> executable_path;
  std::optional<std::string> user;
  std::string process_uid;
  std::vector<pb::Ancestor> ancestry;
  std::string problem;  // Why the snapshot could not be asked.
};

bool is_same_process(const detect::Matches& matches, const pb::Row& row, const Facts& facts) {
  const auto uid = text_of(matches.find(row, "process_uid"));
  if (uid && !uid->empty() && !facts.process_uid.empty()) return *uid == facts.process_uid;
  auto start = integer_of(matches.find(row, "start_time_ms"));
  if (!start) start = integer_of(matches.find(row, "start_time"));
  return !start || !facts.start_time_ms || *start == *facts.start_time_ms;
}

void fill_gaps(Subject& subject, const Facts& facts) {
  const auto fill = [](std::optional<std::string>& slot, const std::string& value) {
    if (!slot && !value.empty()) slot = value;
  };
  fill(subject.name, facts.name);
  fill(subject.executable_path, facts.executable_path);
  fill(subject.user, facts.user_id);
  if (subject.process_uid.empty()) subject.process_uid = facts.process_uid;
}

void add_from_snapshot(Subject& subject, const detect::Matches& matches, const pb::Row& row, Lineage& lineage) {
  if (!subject.pid) return;
  Result<std::optional<Facts>> facts = lineage.find(*subject.pid);
  if (!facts) {
    subject.problem = facts.error().message();
    return;
  }
  if (!*facts || !is_same_process(matches, row, **facts)) return;
  fill_gaps(subject, **facts);
  Result<std::vector<pb::Ancestor>> ancestry = lineage.ancestors(**facts);
  if (ancestry) {
    subject.ancestry = std::move(*ancestry);
  } else {
    subject.problem = ancestry.error().message();
  }
}

Facts to_facts(const pb::ProcessRecord& process) {
  Facts facts;
  facts.pid = process.pid();
  if (process.has_ppid()) facts.ppid = process.ppid();
  facts.name = process.name();
  facts.executable_path = process.executable_path();
  facts.user_id = process.user_id();
  facts.process_uid = schema::uid_text(process.process_uid());
  facts.parent_uid = schema::uid_text(process.parent_uid());
  if (process.has_start_time_ms()) facts.start_time_ms = process.start_time_ms();
  return facts;
}

// The same values as the next snapshot would give, so that both make one alert.
void add_from_event(Subject& subject, const pb::ProcessEvent& event, Lineage& lineage) {
  const Facts facts = to_facts(event.process());
  fill_gaps(subject, facts);
  if (event.has_ancestry()) {
    auto ancestry = read_ancestry(event.ancestry());
    if (ancestry) {
      subject.ancestry = std::move(*ancestry);
      return;
    }
    subject.problem = ancestry.error().message();
  }
  auto ancestry = lineage.ancestors(facts);
  if (ancestry)
    subject.ancestry = std::move(*ancestry);
  else
    subject.problem = ancestry.error().message();
}

Subject describe(const detect::Matches& matches, const pb::Row& row, const pb::ProcessEvent* event, Lineage& lineage) {
  Subject subject;
  subject.pid = pid_of(matches, row);
  subject.name = key_text(matches.find(row, "name"));
  subject.executable_path = key_text(matches.find(row, "executable_path"));
  for (const std::string_view column : {"user_id", "uid", "user_name"})
    if (!subject.user) subject.user = key_text(matches.find(row, column));
  if (const auto uid = text_of(matches.find(row, "process_uid"))) subject.process_uid = escape_controls(*uid);
  // A row may be about another process than its event: a rule can call the parent's number pid.
  if (event != nullptr && subject.pid == event->process().pid())
    add_from_event(subject, *event, lineage);
  else
    add_from_snapshot(subject, matches, row, lineage);
  return subject;
}

std::string make_key(const detect::Rule& rule, const detect::Matches& matches, const pb::Row& row,
                     const Subject& subject) {
  std::vector<std::optional<std::string>> values;
  const auto has_column = [&](const std::string& key) { return std::ranges::count(matches.columns, key) > 0; };
  if (std::ranges::any_of(rule.dedup.keys, has_column)) {
    for (const std::string& key : rule.dedup.keys) values.push_back(key_text(matches.find(row, key)));
  } else if (subject.pid || subject.name || subject.executable_path) {
    values = {subject.name, subject.executable_path, subject.user};
    // A process nothing else is known of: without its number all such processes would be one alert.
    if (!subject.name && !subject.executable_path) values.emplace_back(std::to_string(*subject.pid));
  } else {
    // No process: an aggregate, say. Texts tell such rows apart; numbers differ at every run.
    for (const pb::Value& value : row.values())
      values.push_back(value.kind_case() == pb::Value::kText ? std::optional(value.text()) : std::nullopt);
  }
  Parts parts{rule.id};
  for (const auto& value : values) parts.push_back(value ? std::optional<std::string_view>(*value) : std::nullopt);
  return dedupe_key(parts);
}

// Keeps the beginning and says how much is missing: silence would look like the whole.
void keep_bytes(std::string& bytes, std::size_t& room) {
  const std::size_t limit = std::min(kMaxValueBytes, room);
  if (bytes.size() > limit) {
    const std::size_t cut = bytes.size() - limit;
    bytes.resize(limit);
    bytes += "...(" + std::to_string(cut) + " bytes more)";
  }
  room -= std::min(room, bytes.size());
}

void add_data(pb::Alert& alert, const detect::Matches& matches, const pb::Row& row) {
  std::size_t room = kMaxDataBytes;
  const int columns = static_cast<int>(std::min<std::size_t>(matches.columns.size(), 2'000));  // SQLite's own limit.
  for (int i = 0; i < columns && i < row.values_size(); ++i) {
    pb::AlertField& field = *alert.add_data();
    field.set_column(escape_controls(matches.columns[static_cast<std::size_t>(i)]));
    *field.mutable_value() = row.values(i);
    if (field.value().kind_case() == pb::Value::kText) keep_bytes(*field.mutable_value()->mutable_text(), room);
    if (field.value().kind_case() == pb::Value::kBlob) keep_bytes(*field.mutable_value()->mutable_blob(), room);
  }
}

void degrade(pb::Alert& alert, std::string_view reason, std::string_view detail) {
  alert.mutable_completeness()->set_complete(false);
  pb::Reason& added = *alert.mutable_completeness()->add_reasons();
  added.set_reason(std::string(reason));
  added.set_detail(escape_controls(detail));
}

// What all alerts of one run share.
pb::Alert make_frame(const detect::Rule& rule, const detect::Matches& matches, const Context& context,
                     const Clock& clock) {
  pb::Alert alert;
  const std::int64_t now = clock.unix_ms();
  const std::int64_t seen = context.scan_time_ms != 0 ? context.scan_time_ms : now;
  alert.set_alert_time_ms(now);
  alert.set_first_seen_ms(seen);
  alert.set_last_seen_ms(seen);
  alert.set_rule_id(escape_controls(rule.id));
  alert.set_description(rule.description);
  alert.set_severity(rule.severity);
  alert.set_category(rule.category);
  for (const std::string& tag : rule.tags) alert.add_tags(tag);
  alert.set_rule_author(rule.author);
  alert.set_rule_license(rule.license);
  alert.set_rule_source(rule.source);
  alert.set_rule_generation(context.generation);
  alert.set_rule_digest(rule.digest);
  alert.set_rule_execution_time_us(matches.elapsed_us);
  if (context.scan_id) alert.set_scan_id(*context.scan_id);
  alert.set_host(escape_controls(context.host));
  alert.set_correlation_id(context.correlation_id.empty() ? crypto::uuid_v4() : context.correlation_id);
  alert.set_state(pb::ALERT_OPEN);
  alert.set_count(1);
  *alert.mutable_completeness() = context.completeness;
  if (!context.completeness.has_complete())
    degrade(alert, "ExecutionError", "nothing was said about the completeness of the data");
  for (const pb::Reason& reason : matches.missing) {
    alert.mutable_completeness()->set_complete(false);
    *alert.mutable_completeness()->add_reasons() = reason;
  }
  if (matches.truncated) degrade(alert, "ResultCapped", "the rule matched more rows than one run may return");
  return alert;
}

const std::string& rule_name(const detect::Rule& rule) { return rule.name.empty() ? rule.id : rule.name; }

void set_event(pb::Alert& alert, const mirror::EventRow& row) {
  pb::AlertEvent& event = *alert.mutable_event();
  event.set_type(std::string(schema::to_text(row.event->event_type())));
  event.set_time_ms(row.event->event_time_ms());
  event.set_sequence(row.event->sequence());
  event.set_collector(escape_controls(row.collector));
  alert.set_first_seen_ms(event.time_ms());
  alert.set_last_seen_ms(event.time_ms());
}

pb::Alert make_alert(const pb::Alert& frame, const detect::Rule& rule, const detect::Matches& matches,
                     const pb::Row& row, const mirror::EventRow* event, Lineage& lineage) {
  pb::Alert alert = frame;
  alert.set_id(crypto::uuid_v4());
  Subject subject = describe(matches, row, event == nullptr ? nullptr : event->event, lineage);
  if (event != nullptr) set_event(alert, *event);
  std::string title = rule_name(rule);
  if (subject.name) title += ": " + subject.name->substr(0, 256);
  if (subject.pid) title += " (pid " + std::to_string(*subject.pid) + ")";
  // Escaped: the name is the process's own choice, and the field must be valid UTF-8.
  alert.set_title(escape_controls(title));
  if (subject.pid) alert.add_affected_processes(*subject.pid);
  alert.set_process_count(subject.pid ? 1 : 0);
  alert.set_process_uid(subject.process_uid);
  alert.set_dedupe_key(make_key(rule, matches, row, subject));
  for (pb::Ancestor& ancestor : subject.ancestry) *alert.add_ancestry() = std::move(ancestor);
  add_data(alert, matches, row);
  if (!subject.problem.empty()) degrade(alert, "ExecutionError", "ancestors are missing: " + subject.problem);
  return alert;
}

pb::Alert make_summary(const pb::Alert& frame, const detect::Rule& rule, const detect::Matches& matches,
                       std::size_t listed) {
  const std::size_t rest = matches.rows.size() - listed;
  const std::string at_least = matches.truncated ? "at least " : "";
  pb::Alert alert = frame;
  alert.set_id(crypto::uuid_v4());
  alert.set_title(escape_controls(rule_name(rule) + ": " + at_least + std::to_string(rest) + " more matches"));
  alert.set_description("The rule matched " + at_least + std::to_string(matches.rows.size()) +
                        " rows in one run. Only the first " + std::to_string(listed) +
                        " have an alert of their own; this one stands for the others.");
  std::set<std::uint32_t> pids;
  for (std::size_t i = listed; i < matches.rows.size(); ++i) {
    const auto pid = pid_of(matches, matches.rows[i]);
    if (!pid) continue;
    if (pids.insert(*pid).second && pids.size() <= kMaxAffected) alert.add_affected_processes(*pid);
  }
  alert.set_process_count(static_cast<std::uint32_t>(pids.size()));
  alert.set_count(rest);
  alert.set_dedupe_key(dedupe_key(Parts{rule.id, std::nullopt, std::nullopt, std::nullopt, "more matches"}));
  degrade(alert, "ResultCapped", std::to_string(rest) + " matches were not listed one by one");
  return alert;
}

}  // namespace

std::vector<pb::Alert> raise(const detect::Rule& rule, const detect::Matches& matches, const Context& context,
                             Lineage& lineage, const Clock& clock) {
  std::vector<pb::Alert> alerts;
  if (matches.rows.empty()) return alerts;
  const pb::Alert frame = make_frame(rule, matches, context, clock);
  const std::size_t listed = std::min(matches.rows.size(), context.max_alerts_per_run);
  for (std::size_t i = 0; i < listed; ++i) {
    const bool has_event = i < matches.events.size() && matches.events[i] < context.events.size();
    const mirror::EventRow* event = has_event ? &context.events[matches.events[i]] : nullptr;
    alerts.push_back(make_alert(frame, rule, matches, matches.rows[i], event, lineage));
  }
  if (listed < matches.rows.size()) alerts.push_back(make_summary(frame, rule, matches, listed));
  return alerts;
}

}  // namespace de::alert
