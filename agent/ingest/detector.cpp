#include "ingest/detector.h"

namespace de::ingest {

Detector::Detector(DetectorOptions options, const Clock& clock, std::unique_ptr<detect::RuleBook> book,
                   std::unique_ptr<mirror::Session> session)
    : options_(std::move(options)),
      clock_(clock),
      book_(std::move(book)),
      session_(std::move(session)),
      lineage_(*session_) {}

Result<std::unique_ptr<Detector>> Detector::open(DetectorOptions options, const Clock& clock) {
  DE_TRY(book, detect::RuleBook::open(options.rules_dirs, clock));
  DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock));
  return std::unique_ptr<Detector>(new Detector(std::move(options), clock, std::move(book), std::move(session)));
}

Result<bool> Detector::reload() {
  DE_TRY(changed, book_->reload());
  if (changed) health_.keep_only(book_->snapshot()->rules);
  return bool{changed};
}

Round Detector::run(std::shared_ptr<const mirror::Image> image, const pb::Completeness& completeness) {
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
    pb::Reason& reason = round.reasons.emplace_back();
    reason.set_reason("ExecutionError");
    reason.set_detail(loaded.error().message());
    return round;
  }
  for (const auto& rule : rules->rules) {
    if (!rule->enabled || !rule->runs_on_snapshot()) continue;
    const auto matches = detect::run_rule(*session_, *rule, options_.budget);
    health_.record(*rule, matches);
    ++round.rules_run;
    if (!matches) {
      pb::Reason& reason = round.reasons.emplace_back();
      reason.set_reason(matches.error().code() == Errc::Timeout || matches.error().code() == Errc::Exhausted
                            ? "ResourceLimit"
                            : "ExecutionError");
      reason.set_detail(matches.error().message());
      continue;
    }
    for (pb::Alert& alert : alert::raise(*rule, *matches, context, lineage_, clock_))
      round.alerts.push_back({std::move(alert), static_cast<std::int64_t>(rule->dedup.seconds) * 1000});
  }
  round.elapsed_us = static_cast<std::uint64_t>((clock_.steady_ns() - begin_ns) / 1000);
  return round;
}

RuleReport Detector::report() const {
  RuleReport report;
  report.rules = book_->snapshot();
  for (const auto& rule : report.rules->rules)
    if (const detect::RuleHealth* health = health_.find(rule->id)) report.health[rule->id] = *health;
  return report;
}

}  // namespace de::ingest
