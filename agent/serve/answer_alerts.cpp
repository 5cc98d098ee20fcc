#include <array>
#include <optional>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "ingest/evidence.h"
#include "serve/answers.h"
#include "sink/process_facts.h"

namespace de::serve {
namespace {

constexpr std::uint32_t kDefaultLimit = 100;
constexpr std::uint32_t kMaxLimit = 10'000;
constexpr std::array<std::string_view, 4> kSeverities = {"low", "medium", "high", "critical"};

Result<store::AlertFilter> to_filter(const pb::AlertsListRequest& request) {
  store::AlertFilter filter;
  filter.limit = request.limit() == 0 ? kDefaultLimit : std::min(request.limit(), kMaxLimit);
  filter.rule_id = request.rule_id();
  if (request.severity().empty()) return filter;
  for (std::size_t i = 0; i < kSeverities.size(); ++i)
    if (kSeverities[i] == request.severity()) filter.severity = static_cast<pb::Severity>(i + 1);
  if (!filter.severity)
    return fail(Errc::Invalid, "severity must be low, medium, high or critical, not " +
                                   escape_controls(request.severity()) + suggestion(request.severity(), kSeverities));
  return filter;
}

void describe(Answer& answer, const pb::Alert& alert) {
  const auto add = [&](std::string_view field, std::string_view value) {
    answer.rows.add(row_of({text_value(field), text_value(value)}));
  };
  add("id", alert.id());
  add("title", alert.title());
  add("description", alert.description());
  add("severity", schema::to_text(alert.severity()));
  add("state", schema::to_text(alert.state()));
  add("rule", alert.rule_id());
  add("rule_generation", std::to_string(alert.rule_generation()));
  add("time", to_iso8601(alert.alert_time_ms()).text);
  add("first_seen", to_iso8601(alert.first_seen_ms()).text);
  add("last_seen", to_iso8601(alert.last_seen_ms()).text);
  add("count", std::to_string(alert.count()));
  add("host", alert.host());
  if (alert.has_scan_id()) add("scan_id", std::to_string(alert.scan_id()));
  if (alert.has_event())
    add("event", alert.event().type() + " at " + to_iso8601(alert.event().time_ms()).text + ", sequence " +
                     std::to_string(alert.event().sequence()) + " of " + alert.event().collector());
  add("process_uid", alert.process_uid());
  for (const pb::AlertField& field : alert.data()) add("data." + field.column(), sink::plain_text(field.value()));
  std::string line;
  for (const pb::Ancestor& ancestor : alert.ancestry())
    line += (line.empty() ? "" : " <- ") + ancestor.name() + "(" + std::to_string(ancestor.pid()) + ")";
  add("ancestry", line);
  add("correlation_id", alert.correlation_id());
  add("completeness", alert.completeness().complete() ? "complete" : "degraded");
  for (const pb::Reason& reason : alert.completeness().reasons())
    add("degraded_by", reason.reason() + " " + reason.collector() + " " + reason.detail());
}

void add_evidence(Answer& answer, const ingest::Evidence& found) {
  const auto add = [&](std::string_view field, std::string_view value) {
    answer.rows.add(row_of({text_value(field), text_value(value)}));
  };
  add("evidence", found.verdict);
  if (!found.sql.empty()) add("evidence.sql", found.sql);
  for (std::size_t i = 0; found.row && i < found.columns.size(); ++i) {
    const pb::Value& value = found.row->values(static_cast<int>(i));
    if (value.kind_case() != pb::Value::KIND_NOT_SET) add("evidence." + found.columns[i], sink::plain_text(value));
  }
  for (const pb::Reason& reason : found.missing) {
    answer.trailer.mutable_completeness()->set_complete(false);
    *answer.trailer.mutable_completeness()->add_reasons() = reason;
  }
}

}  // namespace

link::Task<Answer> answer_alerts_list(Context& context, pb::AlertsListRequest request) {
  DE_CO_TRY(filter, to_filter(request));
  auto job = [&context, &filter] { return context.store.list_alerts(filter); };
  DE_CO_TRY(alerts, co_await link::run_on(context.readers, std::move(job)));
  Answer answer(complete(), context.file_dir);
  answer.columns = {"id", "time", "severity", "state", "count", "rule", "title"};
  for (const pb::Alert& alert : alerts)
    answer.rows.add(row_of({text_value(alert.id()), text_value(to_iso8601(alert.alert_time_ms()).text),
                            text_value(schema::to_text(alert.severity())), text_value(schema::to_text(alert.state())),
                            int_value(static_cast<std::int64_t>(alert.count())), text_value(alert.rule_id()),
                            text_value(alert.title())}));
  co_return answer;
}

link::Task<Answer> answer_alert_show(Context& context, pb::AlertShowRequest request, Unwanted is_unwanted) {
  struct Found {
    pb::Alert alert;
    std::vector<pb::Delivery> deliveries;
    std::optional<ingest::Evidence> evidence;
  };
  if (request.evidence()) {
    auto settled = co_await context.settle();
    (void)settled;  // Never fails; what could not be stored is not found.
  }
  const auto report = context.detector.report();
  mirror::Budget budget = context.backtest.run;
  budget.is_unwanted = is_unwanted.get();
  auto job = [&context, &request, &report, &budget]() -> Result<Found> {
    Found found;
    DE_TRY(alert, context.store.find_alert(request.alert_id()));
    DE_TRY(deliveries, context.store.deliveries(alert.sequence()));
    found.deliveries = std::move(deliveries);
    if (request.evidence()) {
      const ingest::EvidenceSources sources{context.store, context.stored, context.host};
      const detect::Rule* rule = report->rules->find(alert.rule_id());
      DE_TRY(evidence, ingest::find_evidence(sources, alert, rule, budget, context.clock));
      found.evidence = std::move(evidence);
    }
    found.alert = std::move(alert);
    return found;
  };
  DE_CO_TRY(found, co_await link::run_on(context.readers, std::move(job)));
  Answer answer(complete());
  answer.columns = {"field", "value"};
  describe(answer, found.alert);
  for (const pb::Delivery& delivery : found.deliveries) {
    std::string text = delivery.has_delivered_ms()
                           ? std::string("delivered ") + to_iso8601(delivery.delivered_ms()).text
                           : std::string("pending");
    if (!delivery.last_error().empty()) text += ", last error: " + delivery.last_error();
    answer.rows.add(row_of({text_value("delivery." + delivery.sink()), text_value(text)}));
  }
  if (found.evidence) add_evidence(answer, *found.evidence);
  co_return answer;
}

}  // namespace de::serve
