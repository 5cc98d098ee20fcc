#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "serve/answers.h"

namespace de::serve {
namespace {

using detect::Rule;

constexpr std::size_t kMaxMessageBytes = 16'384;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string health_text(const ingest::RuleReport& report, const Rule& rule) {
  if (const auto never = report.why_never->find(rule.id); never != report.why_never->end())
    return "can never match: " + never->second;
  if (!rule.unready.empty()) return "unhealthy: " + rule.unready;
  const auto found = report.health.find(rule.id);
  if (found == report.health.end()) return "not run yet";
  return found->second.healthy ? "healthy" : "unhealthy: " + found->second.reason;
}

std::string_view enabled_text(const Rule& rule) {
  if (rule.switched) return rule.enabled ? "yes, by command" : "no, by command";
  return rule.enabled ? "yes" : "no";
}

void add_test_rows(Answer& answer, const Rule& rule, const Result<detect::TestReport>& report) {
  if (!report) {
    answer.rows.add(
        row_of({text_value(rule.id), text_value("failed"), text_value(""), text_value(report.error().message())}));
    answer.trailer.set_status(pb::STATUS_UNHEALTHY);
    return;
  }
  for (const detect::TestFailure& failure : report->failures) {
    answer.rows.add(
        row_of({text_value(rule.id), text_value("failed"), text_value(failure.test), text_value(failure.message)}));
    answer.trailer.set_status(pb::STATUS_UNHEALTHY);
  }
  if (report->failures.empty())
    answer.rows.add(row_of({text_value(rule.id), text_value(rule.tests.empty() ? "no tests" : "passed"), text_value(""),
                            text_value(std::to_string(report->passed) + " passed")}));
}

// As far as the file alone says.
Result<std::string> why_never(detect::CheckSessions& sessions, const Rule& rule) {
  if (!rule.runs_on_event()) return std::string();
  DE_TRY(statement, sessions.batch->add(rule.statement()));
  return std::string(detect::why_never(sessions.batch->prospect(statement), true));
}

Result<std::shared_ptr<Answer>> check_text(const pb::RuleCheckRequest& request, const Clock& clock,
                                           const std::shared_ptr<const mirror::ForeignTables>& tables,
                                           const detect::RuleSet& loaded) {
  auto answer = std::make_shared<Answer>(complete());
  answer->columns = {"rule", "result", "test", "detail"};
  DE_TRY(rules, detect::parse_rule_text(request.file_name(), request.text()));
  DE_TRY(sessions, detect::CheckSessions::create(clock, tables));
  for (Rule& rule : rules) {
    DE_TRY(statement, detect::check_rule(sessions, rule));
    if (request.run_tests()) {
      add_test_rows(*answer, rule, detect::test_rule(rule, clock, tables));
    } else {
      if (!rule.unready.empty()) {
        answer->rows.add(
            row_of({text_value(rule.id), text_value("valid, waits"), text_value(""), text_value(rule.unready)}));
        continue;
      }
      DE_TRY(never, why_never(sessions, rule));
      answer->rows.add(row_of({text_value(rule.id), text_value(never.empty() ? "valid" : "can never match"),
                               text_value(""), text_value(never.empty() ? joined(statement.tables) : never)}));
      if (!never.empty()) answer->trailer.set_status(pb::STATUS_UNHEALTHY);
    }
  }
  DE_CHECK(detect::check_traces(rules, loaded));
  return answer;
}

}  // namespace

Result<std::shared_ptr<const Rule>> find_rule(const detect::RuleSet& rules, const std::string& id) {
  if (std::ranges::find(rules.deleted, id) != rules.deleted.end())
    return fail(Errc::NotFound, "rule " + id + " was deleted by command; `rules enable " + id + "` brings it back");
  std::vector<std::string_view> ids;
  for (const auto& rule : rules.rules) {
    if (rule->id == id) return rule;
    ids.push_back(rule->id);
  }
  return fail(Errc::NotFound, "no rule " + escape_controls(id) + suggestion(id, ids));
}

link::Task<Answer> answer_rules_list(Context& context) {
  const auto report = context.detector.report();
  Answer answer(complete());
  answer.columns = {"id", "severity", "enabled", "on", "health", "runs", "matches", "failures", "last_ms", "name"};
  for (const auto& rule : report->rules->rules) {
    const auto health = report->health.find(rule->id);
    pb::Row row;
    *row.add_values() = text_value(rule->id);
    *row.add_values() = text_value(schema::to_text(rule->severity));
    *row.add_values() = text_value(enabled_text(*rule));
    *row.add_values() = text_value(detect::to_text(rule->on));
    *row.add_values() = text_value(health_text(*report, *rule));
    if (health == report->health.end()) {
      for (int i = 0; i < 4; ++i) row.add_values();
    } else {
      *row.add_values() = int_value(static_cast<std::int64_t>(health->second.runs));
      *row.add_values() = int_value(static_cast<std::int64_t>(health->second.matches));
      *row.add_values() = int_value(static_cast<std::int64_t>(health->second.failures));
      row.add_values()->set_real(static_cast<double>(health->second.last_us) / 1000.0);
    }
    *row.add_values() = text_value(rule->name);
    answer.rows.add(row);
  }
  if (!report->rules->errors.empty()) {
    answer.trailer.set_status(pb::STATUS_UNHEALTHY);
    std::string message;
    for (const detect::FileError& error : report->rules->errors)
      message += (message.empty() ? "" : "\n") + error.message + (error.last_good_kept ? " (older rules kept)" : "");
    answer.trailer.set_message(message.substr(0, kMaxMessageBytes));
  }
  co_return answer;
}

link::Task<Answer> answer_rule_show(Context& context, pb::RuleShowRequest request) {
  const auto report = context.detector.report();
  DE_CO_TRY(rule, find_rule(*report->rules, request.rule_id()));
  Answer answer(complete());
  answer.columns = {"field", "value"};
  const auto add = [&](std::string_view field, std::string_view value) {
    answer.rows.add(row_of({text_value(field), text_value(value)}));
  };
  add("id", rule->id);
  add("name", rule->name);
  add("description", rule->description);
  add("severity", schema::to_text(rule->severity));
  add("category", rule->category);
  add("tags", joined(rule->tags));
  add("author", rule->author);
  add("license", rule->license);
  add("source", rule->source);
  add("version", rule->version);
  add("enabled", enabled_text(*rule));
  add("on", detect::to_text(rule->on));
  add("health", health_text(*report, *rule));
  add("tables", joined(rule->tables));
  if (rule->window_ms != 0) add("window", std::to_string(rule->window_ms / 1000) + "s");
  if (rule->trace) add("trace", detect::to_text(*rule->trace));
  add("priority", std::to_string(rule->priority));
  add("dedup_keys", joined(rule->dedup.keys));
  add("dedup_seconds", rule->dedup.seconds ? std::to_string(*rule->dedup.seconds) : "as alerts.dedup_seconds says");
  add("tests", std::to_string(rule->tests.size()));
  add("file", rule->place.file + ":" + std::to_string(rule->place.line));
  if (rule->is_of_osquery) add("dialect", "osquery");
  add("sql", rule->sql);
  co_return answer;
}

link::Task<Answer> answer_rule_check(Context& context, pb::RuleCheckRequest request) {
  auto job = [&context, &request, tables = tables_of(context), loaded = context.detector.report()->rules] {
    return check_text(request, context.clock, tables, *loaded);
  };
  DE_CO_TRY(answer, co_await link::run_on(context.readers, std::move(job)));
  co_return std::move(*answer);
}

link::Task<Answer> answer_rule_test(Context& context, pb::RuleTestRequest request) {
  const auto report = context.detector.report();
  std::vector<std::shared_ptr<const Rule>> chosen = report->rules->rules;
  std::vector<detect::FileError> errors = report->rules->errors;  // A file whose tests fail is one of them.
  if (!request.rule_id().empty()) {
    DE_CO_TRY(only, find_rule(*report->rules, request.rule_id()));
    chosen.assign(1, only);
    errors.clear();
  }
  auto job = [&context, &chosen, &errors, tables = tables_of(context)]() -> Result<std::shared_ptr<Answer>> {
    auto answer = std::make_shared<Answer>(complete());
    answer->columns = {"rule", "result", "test", "detail"};
    for (const auto& rule : chosen) add_test_rows(*answer, *rule, detect::test_rule(*rule, context.clock, tables));
    for (const detect::FileError& error : errors) {
      answer->rows.add(
          row_of({text_value(error.file), text_value("refused"), text_value(""), text_value(error.message)}));
      answer->trailer.set_status(pb::STATUS_UNHEALTHY);
    }
    return answer;
  };
  DE_CO_TRY(answer, co_await link::run_on(context.readers, std::move(job)));
  co_return std::move(*answer);
}

}  // namespace de::serve
