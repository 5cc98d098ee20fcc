#include <algorithm>
#include <cmath>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/table.h"
#include "ingest/backtest.h"
#include "serve/answers.h"

namespace de::serve {
namespace {

constexpr double kDayMs = 86'400'000;
constexpr std::int64_t kLeastForARateMs = 3'600'000;

using Rules = std::vector<std::shared_ptr<const detect::Rule>>;

// Errors: Unsupported.
Result<> check_stored(const detect::Rule& rule) {
  for (const std::string& name : rule.tables)
    if (schema::find_table(name) == nullptr || schema::find_live_table(name) != nullptr)
      return fail(Errc::Unsupported, "rule " + rule.id + " reads " + name +
                                         ", of which nothing is stored: it cannot be tried on the past");
  return {};
}

Result<Rules> rules_of(Context& context, const pb::RuleBacktestRequest& request,
                       const std::shared_ptr<const mirror::ForeignTables>& tables) {
  if (request.text().empty()) {
    DE_TRY(rule, find_rule(*context.detector.report()->rules, request.rule_id()));
    DE_CHECK(check_stored(*rule));
    return Rules{std::move(rule)};
  }
  DE_TRY(rules, detect::parse_rule_text(request.file_name(), request.text()));
  DE_TRY(sessions, detect::CheckSessions::create(context.clock, tables));
  Rules out;
  for (detect::Rule& rule : rules) {
    DE_CHECK(detect::check_rule(sessions, rule));
    DE_CHECK(check_stored(rule));
    out.push_back(std::make_shared<const detect::Rule>(std::move(rule)));
  }
  return out;
}

std::string per_day(std::uint64_t alerts, std::int64_t time_ms) {
  std::string out;
  append_json_number(out, std::round(static_cast<double>(alerts) * kDayMs * 10 / static_cast<double>(time_ms)) / 10);
  return out;
}

std::string sample_text(const pb::Alert& alert) {
  for (const auto& column : schema::alert_columns()) {
    if (column.name != "data") continue;
    const schema::Cell cell = column.read(alert);
    if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  }
  return {};
}

void add_rows(Answer& answer, const detect::Rule& rule, const ingest::Backtest& found,
              const ingest::BacktestOptions& options) {
  const auto add = [&](std::string_view what, std::string_view value) {
    answer.rows.add(row_of({text_value(rule.id), text_value(what), text_value(value)}));
  };
  const auto moment = [](std::int64_t ms) { return std::string(to_iso8601(ms).text); };
  const std::int64_t from_ms = found.oldest_ms.value_or(options.from_ms);
  add("from", moment(from_ms));
  add("to", moment(options.to_ms));
  if (rule.runs_on_event()) add("events", std::to_string(found.events));
  if (rule.runs_on_snapshot()) add("snapshots", std::to_string(found.snapshots));
  add("matches", std::to_string(found.matches));
  add("alerts", (found.alerts_at_least ? "at least " : "") + std::to_string(found.alerts));
  if (const std::int64_t time_ms = options.to_ms - from_ms; time_ms >= kLeastForARateMs)
    add("alerts a day", per_day(found.alerts, time_ms));
  if (found.first_ms) add("first match", moment(*found.first_ms));
  if (found.last_ms) add("last match", moment(*found.last_ms));
  for (const ingest::BacktestMatch& match : found.samples) add(moment(match.time_ms), sample_text(match.alert));
  for (const pb::Reason& reason : found.reasons) {
    answer.trailer.mutable_completeness()->set_complete(false);
    *answer.trailer.mutable_completeness()->add_reasons() = reason;
  }
}

}  // namespace

link::Task<Answer> answer_rule_backtest(Context& context, pb::RuleBacktestRequest request, Unwanted is_unwanted) {
  ingest::BacktestOptions options;
  options.host_source = context.host;
  options.from_ms = request.from_ms();
  options.to_ms = request.has_to_ms() ? request.to_ms() : context.clock.unix_ms();
  options.budget = context.backtest.run;
  options.budget.is_unwanted = is_unwanted.get();
  options.dedup_seconds = context.backtest.dedup_seconds;
  options.is_unwanted = is_unwanted.get();
  if (options.from_ms >= options.to_ms)
    co_return fail(Errc::Invalid, "the time to look at is empty: it ends before it begins");
  const std::int64_t limit_ms = context.backtest.time_ms;
  options.time_ms = request.timeout_ms() == 0 ? limit_ms : std::min<std::int64_t>(request.timeout_ms(), limit_ms);
  auto settled = co_await context.settle();
  (void)settled;  // Never fails; what could not be stored is not looked at.
  auto job = [&context, &request, &options, tables = tables_of(context)]() -> Result<std::shared_ptr<Answer>> {
    const std::int64_t end_ns = context.clock.steady_ns() + options.time_ms * 1'000'000;
    DE_TRY(rules, rules_of(context, request, tables));
    auto answer = std::make_shared<Answer>(complete(), context.file_dir);
    answer->columns = {"rule", "what", "value"};
    for (const auto& rule : rules) {
      options.time_ms = std::max<std::int64_t>(0, (end_ns - context.clock.steady_ns()) / 1'000'000);
      DE_TRY(found, ingest::backtest(context.store, context.stored, *rule, options, context.clock));
      add_rows(*answer, *rule, found, options);
    }
    return answer;
  };
  DE_CO_TRY(answer, co_await link::run_on(context.readers, std::move(job)));
  co_return std::move(*answer);
}

}  // namespace de::serve
