#include "ingest/detector.h"

#include <algorithm>
#include <limits>

#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"
#include "ingest/reason.h"

namespace de::ingest {
namespace {

constexpr std::int64_t kReportEveryNs = 500'000'000;

// Those that were not there before.
void log_errors(const std::vector<detect::FileError>& before, const std::vector<detect::FileError>& now) {
  for (const detect::FileError& error : now) {
    const auto is_same = [&](const detect::FileError& known) { return known.message == error.message; };
    if (std::ranges::any_of(before, is_same)) continue;
    log::warn(
        "rules", "rule file refused",
        {log::field("reason", error.message), log::field("older_rules_kept", error.last_good_kept ? "yes" : "no")});
  }
}

}  // namespace

Detector::Detector(DetectorOptions options, const Clock& clock, std::unique_ptr<detect::RuleBook> book,
                   std::unique_ptr<mirror::Session> session, std::unique_ptr<mirror::BatchSession> batch)
    : options_(std::move(options)),
      clock_(clock),
      book_(std::move(book)),
      session_(std::move(session)),
      batch_(std::move(batch)),
      lineage_(*session_),
      health_(options_.max_cpu_percent),
      live_budget_(options_.max_live_reads) {}

Result<std::unique_ptr<Detector>> Detector::open(DetectorOptions options, const Clock& clock,
                                                 const mirror::StoredSource* stored) {
  DE_TRY(book, detect::RuleBook::open(options.rules_dirs, clock, options.switches));
  DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock, stored, options.host_source));
  DE_TRY(batch, mirror::BatchSession::create(clock, options.batch));
  std::unique_ptr<Detector> detector(
      new Detector(std::move(options), clock, std::move(book), std::move(session), std::move(batch)));
  log_errors({}, detector->book_->snapshot()->errors);
  detector->prepare_event_rules();
  detector->publish_report();
  return detector;
}

Result<std::optional<RuleChanges>> Detector::reload() {
  const auto before = book_->snapshot();
  DE_TRY(changed, book_->reload());
  if (!changed) return std::optional<RuleChanges>();
  log_errors(before->errors, book_->snapshot()->errors);
  return std::optional<RuleChanges>(take_over_from(*before));
}

RuleChanges Detector::take_over_from(const detect::RuleSet& before) {
  const auto now = book_->snapshot();
  health_.keep_only(now->rules);
  standing_.keep_only(now->rules);
  prepare_event_rules();
  log_prepared();
  publish_report();
  return compare(digests_of(before), *now);
}

Result<std::optional<RuleChanges>> Detector::set_tables(std::shared_ptr<const mirror::ForeignTables> tables) {
  const auto before = book_->snapshot();
  has_environment_ = !tables || !tables->is_untold("processes.events.environment");
  DE_TRY(changed, book_->set_tables(std::move(tables)));
  if (!changed) {
    find_hopeless();
    publish_report();
    return std::optional<RuleChanges>();
  }
  log_errors(before->errors, book_->snapshot()->errors);
  return std::optional<RuleChanges>(take_over_from(*before));
}

Result<detect::RuleSwitches> Detector::switches_with(const std::string& rule_id, detect::RuleSwitch position) const {
  const auto rules = book_->snapshot();
  detect::RuleSwitches switches = book_->switches();
  std::vector<std::string_view> ids(rules->deleted.begin(), rules->deleted.end());
  for (const auto& rule : rules->rules) ids.push_back(rule->id);
  if (std::ranges::find(ids, rule_id) == ids.end() && !switches.contains(rule_id))
    return fail(Errc::NotFound, "no rule " + escape_controls(rule_id) + suggestion(rule_id, ids));
  switches.insert_or_assign(rule_id, position);
  if (switches.size() > detect::kMaxRules)
    return fail(Errc::Exhausted, "more than " + std::to_string(detect::kMaxRules) + " rules are switched by command");
  return switches;
}

RuleChanges Detector::set_switches(detect::RuleSwitches switches) {
  const auto before = book_->snapshot();
  book_->set_switches(std::move(switches));
  return take_over_from(*before);
}

Round Detector::run(std::shared_ptr<const mirror::Image> image, const pb::Completeness& completeness) {
  return run_rules(std::move(image), nullptr, completeness);
}

Round Detector::run_over(std::shared_ptr<const mirror::Image> image, const std::set<std::string>& tables,
                         const pb::Completeness& completeness) {
  return run_rules(std::move(image), &tables, completeness);
}

Round Detector::run_rules(std::shared_ptr<const mirror::Image> image, const std::set<std::string>* tables,
                          const pb::Completeness& completeness) {
  Round round;
  const std::int64_t begin_ns = clock_.steady_ns();
  const auto rules = book_->snapshot();
  alert::Context context;
  context.scan_id = image->scan_id;
  context.scan_time_ms = image->scan_time_ms;
  context.completeness = completeness;
  context.host = options_.host;
  context.generation = rules->generation;
  if (auto loaded = session_->load(std::move(image)); !loaded) {
    round.reasons.push_back(make_reason("ExecutionError", loaded.error().message()));
    return round;
  }
  const auto is_wanted = [tables](const detect::Rule& rule) {
    return tables == nullptr ||
           std::ranges::any_of(rule.tables, [&](const auto& name) { return tables->contains(name); });
  };
  for (const auto& rule : rules->rules) {
    if (!rule->enabled || !rule->unready.empty() || !rule->runs_on_snapshot() || !is_wanted(*rule)) continue;
    if (passes_over(*rule, 1, round)) continue;
    if (rule->is_live) {
      round.live.push_back({rule, mirror::kNoStartMs, mirror::kNoEndMs});
      continue;
    }
    const std::int64_t rule_ns = clock_.steady_ns();
    session_->see_stored(rule->window_ms == 0 ? mirror::kNoStartMs : clock_.unix_ms() - rule->window_ms);
    const auto matches = detect::run_rule(*session_, *rule, options_.budget);
    session_->see_stored();
    take_over(*rule, matches, rule_ns, context, round);
  }
  publish_report();
  round.elapsed_us = static_cast<std::uint64_t>((clock_.steady_ns() - begin_ns) / 1000);
  return round;
}

Round Detector::run_live(const LiveJob& job, std::shared_ptr<const mirror::Image> image,
                         std::shared_ptr<const mirror::LiveRows> rows, bool is_last,
                         const pb::Completeness& completeness, std::vector<mirror::LiveKey>& wanted) {
  Round round;
  wanted.clear();
  alert::Context context;
  context.scan_id = image->scan_id;
  context.scan_time_ms = image->scan_time_ms;
  context.completeness = completeness;
  context.host = options_.host;
  context.generation = book_->snapshot()->generation;
  if (auto loaded = session_->load(std::move(image)); !loaded) {
    round.reasons.push_back(make_reason("ExecutionError", loaded.error().message()));
    return round;
  }
  const std::int64_t begin_ns = clock_.steady_ns();
  const std::size_t read = rows->rows.size();
  const bool is_of_events = job.from_ms != mirror::kNoStartMs;
  const std::int64_t window_ms = job.rule->window_ms;
  if (is_of_events)
    session_->see_stored(job.from_ms, job.to_ms);
  else if (window_ms != 0)
    session_->see_stored(clock_.unix_ms() - window_ms);
  session_->see_live(std::move(rows), read + (is_last ? 0 : live_budget_.left(job.rule->id, begin_ns)));
  auto matches = detect::run_rule(*session_, *job.rule, options_.budget);
  session_->see_stored();
  session_->see_live();
  if (matches && !matches->wanted.empty()) {
    live_budget_.spend(job.rule->id, matches->wanted.size());
    wanted = std::move(matches->wanted);
    return round;
  }
  take_over(*job.rule, matches, begin_ns, context, round);
  for (const pb::Reason& reason : matches ? matches->missing : std::vector<pb::Reason>())
    round.reasons.push_back(make_reason(reason.reason().c_str(), "rule " + job.rule->id + ": " + reason.detail()));
  publish_report();
  return round;
}

bool Detector::passes_over(const detect::Rule& rule, std::uint64_t asked, Round& round) {
  if (health_.may_run(rule, clock_.steady_ns())) return false;
  health_.pass_over(rule, asked);
  round.reasons.push_back(
      make_reason("ResourceLimit", "rule " + rule.id +
                                       " takes more of the time than rules.max_cpu_percent lets it: it was not asked "
                                       "of all events and snapshots"));
  return true;
}

void Detector::take_over(const detect::Rule& rule, const Result<detect::Matches>& matches, std::int64_t begin_ns,
                         const alert::Context& context, Round& round) {
  health_.record(rule, matches, static_cast<std::uint64_t>((clock_.steady_ns() - begin_ns) / 1000));
  ++round.rules_run;
  if (!matches) {
    const Errc code = matches.error().code();
    round.reasons.push_back(make_reason(code == Errc::Timeout || code == Errc::Exhausted ? "ResourceLimit"
                                        : code == Errc::NotFound                         ? "SchemaUnavailable"
                                                                                         : "ExecutionError",
                                        matches.error().message()));
    return;
  }
  for (RaisedAlert& raised : raise(rule, *matches, context)) round.alerts.push_back(std::move(raised));
}

std::vector<RaisedAlert> Detector::raise(const detect::Rule& rule, const detect::Matches& matches,
                                         const alert::Context& context) {
  std::vector<pb::Alert> alerts = alert::raise(rule, matches, context, lineage_, clock_);
  std::vector<bool> stood(alerts.size());
  if (rule.aggregates && options_.folds)
    stood = standing_.take(rule, alerts, !matches.truncated && matches.rows.size() == alerts.size());
  const std::int64_t window_ms =
      options_.folds ? std::int64_t{rule.dedup.seconds.value_or(options_.dedup_seconds)} * 1000 : 0;
  std::vector<RaisedAlert> out;
  for (std::size_t i = 0; i < alerts.size(); ++i)
    out.push_back({std::move(alerts[i]), stood[i] ? std::numeric_limits<std::int64_t>::max() : window_ms});
  return out;
}

void Detector::prepare_event_rules() {
  event_rules_.clear();
  unprepared_.clear();
  batch_->clear();
  for (const auto& rule : book_->snapshot()->rules) {
    if (!rule->enabled || !rule->unready.empty() || !rule->runs_on_event()) continue;
    const auto statement = batch_->add(rule->is_live ? rule->trigger : rule->statement());
    if (statement)
      event_rules_.push_back(rule);
    else
      unprepared_.push_back(make_reason("ExecutionError", "rule " + rule->id + ": " + statement.error().message()));
  }
  find_hopeless();
  batch_->load({});  // Lays out what the first events would otherwise wait for.
}

void Detector::find_hopeless() {
  auto found = std::make_shared<WhyNever>();
  for (std::size_t i = 0; i < event_rules_.size(); ++i) {
    const mirror::Prospect prospect = batch_->prospect(i);
    if (const auto why = detect::why_never(prospect, has_environment_); !why.empty())
      found->emplace(event_rules_[i]->id, why);
  }
  if (*found == *why_never_) return;
  for (const auto& [id, why] : *found)
    if (!why_never_->contains(id))
      log::warn("rules", "a rule can never match on this host", {log::field("rule", id), log::field("reason", why)});
  why_never_ = std::move(found);
}

void Detector::log_prepared() const {
  const mirror::PrefilterSize size = batch_->prefilter_size();
  log::info("rules", "rules for new events prepared",
            {log::field("rules", size.statements), log::field("asked_of_every_event", size.always),
             log::field("literals_without_room", size.no_room)});
}

Round Detector::run_events(std::span<const NewEvent> events, const pb::Completeness& completeness) {
  Round round;
  const std::int64_t begin_ns = clock_.steady_ns();
  round.reasons = unprepared_;
  rows_.clear();
  for (const NewEvent& event : events) rows_.push_back({*event.collector, event.event.get()});
  batch_->load(rows_);
  alert::Context context;
  context.completeness = completeness;
  context.host = options_.host;
  context.generation = book_->snapshot()->generation;
  context.events = rows_;
  if (!options_.folds) context.max_alerts_per_run = rows_.size();
  for (const std::uint32_t statement : batch_->asked()) {
    const detect::Rule& rule = *event_rules_[statement];
    if (passes_over(rule, batch_->events_for(statement), round)) continue;
    const std::int64_t rule_ns = clock_.steady_ns();
    auto matches = detect::run_rule(*batch_, statement, rule, options_.budget);
    if (rule.is_live && matches) {
      for (const std::size_t event : matches->events)
        round.live.push_back(
            {event_rules_[statement], rows_[event].event->event_time_ms(), rows_[event].event->event_time_ms() + 1});
      ++round.rules_run;
      continue;
    }
    take_over(rule, matches, rule_ns, context, round);
  }
  batch_->load({});
  const std::int64_t now_ns = clock_.steady_ns();
  // Who asks wants to see what just happened; copying the books for every batch would cost more than the rules do.
  if (!round.alerts.empty() || !round.reasons.empty() || now_ns - reported_ns_ > kReportEveryNs) publish_report();
  round.elapsed_us = static_cast<std::uint64_t>((now_ns - begin_ns) / 1000);
  return round;
}

void Detector::publish_report() {
  reported_ns_ = clock_.steady_ns();
  auto report = std::make_shared<RuleReport>();
  report->rules = book_->snapshot();
  report->why_never = why_never_;
  for (const auto& rule : report->rules->rules)
    if (const detect::RuleHealth* health = health_.find(rule->id)) report->health[rule->id] = *health;
  const std::lock_guard lock(report_mutex_);
  report_ = std::move(report);
}

std::shared_ptr<const RuleReport> Detector::report() const {
  const std::lock_guard lock(report_mutex_);
  return report_;
}

}  // namespace de::ingest
