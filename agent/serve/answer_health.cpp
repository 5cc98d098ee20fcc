#include "serve/answers.h"

namespace de::serve {
namespace {

// One line of the report. `level`: 0 ok, 1 degraded, 2 failed.
struct Line {
  std::string component;
  int level = 0;
  std::string detail;
};

constexpr std::string_view kLevels[] = {"ok", "degraded", "failed"};

void add_collectors(std::vector<Line>& lines, const Context& context) {
  for (const auto& [id, collector] : context.registry.collectors()) {
    Line line{"collector." + id, 0, {}};
    line.detail = std::string(bus::to_text(collector.state)) + " since " + to_iso8601(collector.since_ms).text;
    if (collector.state != bus::CollectorState::Connected) {
      line.level = 2;
    } else {
      line.detail += ", pid " + std::to_string(collector.pid) + ", uid " + std::to_string(collector.uid) +
                     ", version " + collector.version;
      for (const pb::Trouble& trouble : collector.troubles) {
        line.level = 1;
        line.detail += ", " + trouble.detail();
      }
    }
    if (collector.held_back > 0)
      line.detail += ", says more than it may: held back " + std::to_string(collector.held_back) + " times";
    if (collector.violations > 0) line.detail += ", " + std::to_string(collector.violations) + " protocol violations";
    lines.push_back(std::move(line));
    lines.push_back(
        {"collector." + id + ".acknowledged", 0, std::to_string(context.store.acked_sequence(id, collector.spool_id))});
    for (const pb::Finding& finding : collector.findings)
      lines.push_back(
          {"collector." + id + "." + finding.component(), static_cast<int>(finding.level()), finding.detail()});
    for (const auto& [name, value] : collector.counters)
      lines.push_back({"collector." + id + "." + name, 0, std::to_string(value)});
  }
  if (context.registry.refused() > 0)
    lines.push_back({"collectors.refused", 0, std::to_string(context.registry.refused()) + " connections refused"});
}

void add_ingest(std::vector<Line>& lines, const Context& context) {
  const ingest::Counts& c = context.intake.counts();
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  const std::uint64_t open = c.records_received - c.records_stored - c.records_rejected;
  const bool events_balance = c.events_received == c.events_stored + c.events_duplicate + c.events_in_flight;
  lines.push_back({"ingest.records", c.records_rejected > 0 ? 1 : 0,
                   "received " + number(c.records_received) + " = stored " + number(c.records_stored) + " + rejected " +
                       number(c.records_rejected) + " + in flight or abandoned " + number(open)});
  lines.push_back({"ingest.events", events_balance ? 0 : 1,
                   "received " + number(c.events_received) + " = stored " + number(c.events_stored) + " + duplicate " +
                       number(c.events_duplicate) + " + in flight " + number(c.events_in_flight) + "; lost in gaps " +
                       number(c.events_lost)});
  lines.push_back({"ingest.lost", c.records_lost.total() > 0 ? 1 : 0, c.records_lost.to_text()});
  lines.push_back({"ingest.scans", 0, number(c.scans) + " committed, " + number(c.scans_abandoned) + " abandoned"});
  for (const pb::Reason& reason : context.intake.reasons())
    lines.push_back({"ingest", 1, reason.reason() + ": " + reason.detail()});
}

void add_store(std::vector<Line>& lines, const Result<store::StoreStats>& stats) {
  if (!stats) {
    lines.push_back({"store", 2, stats.error().message()});
    return;
  }
  lines.push_back({"store", 0,
                   std::to_string(stats->bytes) + " bytes, " + std::to_string(stats->days.size()) + " days, " +
                       std::to_string(stats->scans) + " scans, " + std::to_string(stats->records) + " records, " +
                       std::to_string(stats->events) + " events, " + std::to_string(stats->gaps) + " gaps"});
  lines.push_back({"alerts", 0,
                   std::to_string(stats->alerts_open) + " open, " + std::to_string(stats->deliveries_pending) +
                       " deliveries pending"});
  for (const store::DayProblem& day : stats->quarantined)
    lines.push_back({"store.day." + day.day, 2, "quarantined: " + day.reason});
}

void add_sinks(std::vector<Line>& lines, const Context& context) {
  for (const auto& sink : context.sinks) {
    const sink::DeliveryCounts counts = sink->counts();
    Line line{"sink." + std::string(sink->name()), counts.failures_in_row > 0 ? 1 : 0,
              std::to_string(counts.delivered) + " delivered, " + std::to_string(counts.failures) + " failures"};
    if (counts.failures_in_row > 0) line.detail += ", last: " + counts.last_error;
    lines.push_back(std::move(line));
  }
}

void add_rules(std::vector<Line>& lines, const ingest::RuleReport& report) {
  std::size_t enabled = 0, switched = 0, waiting = 0;
  for (const auto& rule : report.rules->rules) {
    if (rule->enabled && !rule->unready.empty()) ++waiting;
    if (rule->enabled) ++enabled;
    if (rule->switched) ++switched;
  }
  std::string more;
  if (!report.why_never->empty()) more += ", " + std::to_string(report.why_never->size()) + " can never match";
  if (waiting > 0) more += ", " + std::to_string(waiting) + " wait for tables of collectors that are not here";
  if (switched > 0) more += ", " + std::to_string(switched) + " switched by command";
  if (!report.rules->deleted.empty())
    more += ", " + std::to_string(report.rules->deleted.size()) + " deleted by command";
  lines.push_back({"rules", enabled == 0 ? 1 : 0,
                   std::to_string(report.rules->rules.size()) + " loaded, " + std::to_string(enabled) +
                       " enabled, generation " + std::to_string(report.rules->generation) + more});
  for (const auto& [id, health] : report.health)
    if (!health.healthy) lines.push_back({"rule." + id, 1, health.reason});
  for (const detect::FileError& error : report.rules->errors) lines.push_back({"rules.file", 1, error.message});
}

void add_new_events(std::vector<Line>& lines, const ingest::EventQueueCounts& counts) {
  const std::uint64_t waiting = counts.pushed - counts.popped - counts.skipped;
  lines.push_back({"rules.events", counts.skipped > 0 ? 1 : 0,
                   "new " + std::to_string(counts.pushed) + " = looked at " + std::to_string(counts.popped) +
                       " + passed over " + std::to_string(counts.skipped) + " + waiting " + std::to_string(waiting)});
}

void add_tables(std::vector<Line>& lines, const Context& context) {
  const catalog::Counts& c = context.catalog.counts();
  for (const mirror::ForeignTable& table : context.catalog.tables()->tables)
    lines.push_back({"table." + table.info->name, table.rows ? 0 : 1,
                     "collector " + table.info->collector + ", " +
                         (table.rows ? std::to_string(table.rows->rows.size()) + " rows of " +
                                           std::string(to_iso8601(table.rows->time_ms).text)
                                     : std::string("nothing told yet"))});
  for (const mirror::GoneTable& gone : context.catalog.tables()->gone)
    lines.push_back({"table." + gone.name, 1,
                     "collector " + gone.collector + " has been gone since " + to_iso8601(gone.since_ms).text});
  if (c.tellings + c.shed > 0)
    lines.push_back({"tables", c.shed > 0 ? 1 : 0,
                     std::to_string(c.tellings) + " tellings, " + std::to_string(c.rows) + " rows, " +
                         std::to_string(c.shed) + " shed, " + std::to_string(c.bytes) + " bytes held"});
  std::string untold;
  for (const std::string& column : context.catalog.tables()->untold)
    if (column.starts_with("processes.") && column.find('.', 10) == std::string::npos)
      untold += (untold.empty() ? "" : ", ") + column.substr(10);
  if (!untold.empty()) lines.push_back({"columns.not_told", 0, untold});
  const catalog::DemandCounts& d = context.demand.counts();
  for (const std::string& plan : context.demand.plans()) lines.push_back({"columns.on_demand", 0, plan});
  lines.push_back({"columns.plans", d.refused > 0 ? 1 : 0,
                   std::to_string(d.sent) + " sent, " + std::to_string(d.renewed) + " renewed, " +
                       std::to_string(d.revoked) + " revoked, " + std::to_string(d.refused) + " refused, " +
                       std::to_string(d.shed) +
                       " shed; operations left to the collector: " + std::to_string(context.demand.conforming())});
}

void add_traces(std::vector<Line>& lines, trace::Tracer& tracer, const Result<store::StoreStats>& stats) {
  const std::size_t active = tracer.active();
  const trace::Counts& c = tracer.counts();
  const bool is_less = c.refused + c.shed + c.unknown + c.unstored > 0;
  lines.push_back(
      {"traces", is_less ? 1 : 0,
       std::to_string(active) + " run, " + std::to_string(c.begun) + " begun, " + std::to_string(c.same) +
           " matches on what was traced already, " + std::to_string(c.refused) + " refused, " +
           std::to_string(c.unknown) + " about no process that is known; " + std::to_string(c.readings) +
           " readings, " + std::to_string(c.shed) + " shed, " + std::to_string(c.unstored) + " not stored; " +
           (stats
                ? std::to_string(stats->captures) + " stored, " + std::to_string(stats->captures_removed) + " made room"
                : stats.error().message())});
}

void add_supervisors(std::vector<Line>& lines, const Context& context) {
  for (const auto& [id, supervisor] : context.supervisors) {
    const supervise::SupervisorCounts counts = supervisor->counts();
    Line line{"supervisor." + id, counts.running ? (counts.flapping ? 1 : 0) : 2, {}};
    line.detail = counts.running ? "running" : "not running";
    line.detail += ", " + std::to_string(counts.starts) + " starts, " + std::to_string(counts.ends) + " ends";
    if (!counts.last_end.empty()) line.detail += ", last: " + counts.last_end;
    lines.push_back(std::move(line));
  }
}

void add_canary(std::vector<Line>& lines, const integrity::Canary& canary) {
  lines.push_back({"canary", canary.is_unseen() ? 2 : 0, canary.describe()});
}

void add_ledger(std::vector<Line>& lines, const LedgerBacklog& backlog) {
  lines.push_back(
      {"ledger", backlog.lost > 0 ? 1 : 0,
       std::to_string(backlog.waiting) + " entries wait for procmond, " + std::to_string(backlog.lost) + " lost"});
}

void add_settings(std::vector<Line>& lines, const SettingsState& settings) {
  Line line{"settings", settings.refused.empty() ? 0 : 1, "in force as they were read"};
  std::string waiting;
  for (const std::string& key : settings.waiting) waiting += (waiting.empty() ? "" : ", ") + key;
  if (!waiting.empty()) line.detail = "a restart is needed for " + waiting;
  if (!settings.refused.empty()) line.detail = "the latest reload changed nothing: " + settings.refused;
  lines.push_back(std::move(line));
}

void add_control(std::vector<Line>& lines, const ControlCounts& counts) {
  lines.push_back({"control", counts.violations + counts.turned_away > 0 ? 1 : 0,
                   std::to_string(counts.requests) + " requests, " + std::to_string(counts.denied) + " denied, " +
                       std::to_string(counts.violations) + " malformed, " + std::to_string(counts.turned_away) +
                       " turned away, " + std::to_string(counts.abandoned) + " left before their answer"});
}

bool is_wanted(const std::string& component, const std::string& wanted) {
  return wanted.empty() || component == wanted || component.starts_with(wanted + ".");
}

}  // namespace

link::Task<Answer> answer_health(Context& context, ControlCounts control, pb::HealthRequest request) {
  auto stats_job = [&context] { return context.store.stats(); };
  auto stats = co_await link::run_on(context.readers, std::move(stats_job));

  std::vector<Line> lines;
  const std::string state = context.state();
  lines.push_back({"agent", state == "SteadyState" ? 0 : state == "StartupFailed" ? 2 : 1, state});
  add_collectors(lines, context);
  add_ingest(lines, context);
  add_store(lines, stats);
  add_rules(lines, *context.detector.report());
  add_new_events(lines, context.new_events());
  add_tables(lines, context);
  add_traces(lines, context.tracer, stats);
  add_supervisors(lines, context);
  add_canary(lines, context.canary);
  add_ledger(lines, context.ledger());
  add_sinks(lines, context);
  add_settings(lines, context.settings);
  add_control(lines, control);

  Answer answer(context.completeness());
  answer.columns = {"component", "status", "detail"};
  int worst = 0;
  for (const Line& line : lines) {
    if (!is_wanted(line.component, request.component())) continue;
    worst = std::max(worst, line.level);
    answer.rows.add(row_of({text_value(line.component), text_value(kLevels[line.level]), text_value(line.detail)}));
  }
  if (answer.rows.empty()) co_return fail(Errc::NotFound, "no component of that name; health without a name lists all");
  if (worst == 2) answer.trailer.set_status(pb::STATUS_UNHEALTHY);
  co_return answer;
}

}  // namespace de::serve
