#include "ingest/backtest.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "alert/raise.h"
#include "detect/runner.h"
#include "ingest/reason.h"
#include "ingest/standing_matches.h"
#include "mirror/as_of.h"
#include "mirror/batch_session.h"
#include "mirror/mirror.h"
#include "mirror/stored_row.h"

namespace de::ingest {
namespace {

constexpr std::uint64_t kEventsPerLook = 512;  // At the clock.
constexpr std::uint64_t kTextsPerLook = 1'024;
constexpr std::size_t kReasons = 16;

class Tester {
 public:
  Tester(const store::Store& store, const mirror::StoredSource& stored, const detect::Rule& rule,
         const BacktestOptions& options, const Clock& clock)
      : store_(store),
        stored_(stored),
        rule_(rule),
        options_(options),
        clock_(clock),
        deadline_ns_(clock.steady_ns() + options.time_ms * 1'000'000),
        window_ms_(std::int64_t{rule.dedup.seconds.value_or(options.dedup_seconds)} * 1'000) {}

  Result<Backtest> run() {
    DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock_, &stored_, options_.host_source));
    session_ = std::move(session);
    lineage_.emplace(*session_);
    if (rule_.runs_on_event()) DE_CHECK(over_events());
    if (rule_.runs_on_snapshot()) DE_CHECK(reads_snapshots() ? over_snapshots() : over_moments());
    fold();
    DE_CHECK(add_missing());
    if (out_.events + out_.snapshots == 0 && out_.reasons.empty())
      note("CollectorUnavailable", "nothing is stored of that time: nobody looked");
    return std::move(out_);
  }

 private:
  bool is_unwanted() const {
    return options_.is_unwanted != nullptr && options_.is_unwanted->load(std::memory_order_relaxed);
  }
  bool is_late() const { return clock_.steady_ns() >= deadline_ns_; }

  // Before the next run of the rule. Errors: Cancelled.
  Result<bool> may_go_on(std::int64_t at_ms, const char* what) {
    if (is_unwanted()) return fail(Errc::Cancelled, "nobody waits for the answer any more");
    if (!is_late()) return true;
    note("ResourceLimit", "out of time: " + std::string(what) + " were looked at until " +
                              std::string(to_iso8601(at_ms).text) + "; give it more (--timeout) or a shorter time");
    return false;
  }

  Result<> over_events() {
    DE_TRY(batch, mirror::BatchSession::create(clock_, {}));
    DE_TRY(statement, batch->add(rule_.statement()));
    store::EventFilter filter;
    filter.from_ms = options_.from_ms;
    filter.to_ms = options_.to_ms;
    DE_CHECK(find_oldest(filter));
    DE_TRY(test, batch->text_test(statement));
    // Where no text passes nobody would look at the clock: when it is time to end, one passes.
    if (test)
      filter.any_text = [this, test, texts = std::uint64_t{0}](std::string_view text) mutable {
        return test(text) || (++texts % kTextsPerLook == 0 && (is_unwanted() || is_late()));
      };
    Result<bool> going = true;
    std::uint64_t looks = 0;
    DE_TRY(outcome, store_.find_events(filter, [&](std::string_view collector, const pb::ProcessEvent& event) {
      if (looks++ % kEventsPerLook == 0 || test) going = may_go_on(event.event_time_ms(), "events");
      if (!going || !*going) return false;
      ask(*batch, statement, {collector, &event});
      return true;
    }));
    // Days that are left out are told by add_missing().
    out_.events += outcome.passed_over;
    if (!going) return fail(std::move(going).error());
    return {};
  }

  Result<> find_oldest(const store::EventFilter& filter) {
    DE_TRY(outcome, store_.find_events(filter, [this](std::string_view, const pb::ProcessEvent& event) {
      looked_at(event.event_time_ms());
      return false;
    }));
    (void)outcome;
    return {};
  }

  // One at a time: an event that is copied costs more than the rule.
  void ask(mirror::BatchSession& batch, std::size_t statement, const mirror::EventRow& row) {
    ++out_.events;
    const std::span rows(&row, 1);
    batch.load(rows);
    if (batch.events_for(statement) > 0) {
      const mirror::AsOf then(row.event->event_time_ms());
      alert::Context context;
      context.events = rows;
      take(detect::run_rule(batch, statement, rule_, options_.budget), context);
    }
    batch.load({});
  }

  bool reads_snapshots() const {
    return std::ranges::any_of(rule_.tables, [](const std::string& table) {
      return std::ranges::find(mirror::kStoredTableNames, table, &mirror::StoredTableName::public_name) ==
             mirror::kStoredTableNames.end();
    });
  }

  // A rule that reads only what is stored needs to know when it would have looked, not what the snapshots were.
  Result<> over_moments() {
    std::vector<store::ScanMeta> scans;
    DE_TRY(outcome,
           store_.list_scans(options_.from_ms, options_.to_ms, [&scans](const store::ScanMeta& meta, std::uint64_t) {
             scans.push_back(meta);
             return true;
           }));
    (void)outcome;  // Days that are left out are told by add_missing().
    for (const store::ScanMeta& scan : scans) {
      DE_TRY(going, ask(scan));
      if (!going) break;
    }
    return {};
  }

  Result<> over_snapshots() {
    store::HistoryFilter filter;
    filter.from_ms = options_.from_ms;
    filter.to_ms = options_.to_ms;
    const auto reading = store_.read_history(filter);
    DE_TRY(mirror, mirror::Mirror::create());
    std::optional<store::ScanMeta> open;
    bool going = true;
    for (bool more = true; more && going;) {
      Result<> taken;
      bool next_scan = false;
      // A scan without a process comes with no row: it has nothing that a rule could match.
      DE_TRY(left, reading->next([&](const store::ScanMeta& meta, std::uint64_t, const pb::ProcessRecord& record) {
        if (!open) {
          open = meta;
          taken = mirror->begin_scan(meta.scan_id, meta.time_ms);
        }
        next_scan = open->scan_id != meta.scan_id || open->collector != meta.collector || open->time_ms != meta.time_ms;
        if (next_scan || !taken) return false;
        taken = mirror->upsert(record, record.SerializeAsString());
        return taken.has_value();
      }));
      DE_CHECK(std::move(taken));
      more = left;
      if (!open || (!next_scan && more)) continue;
      DE_TRY(asked, ask(*mirror, *open));
      going = asked;
      open.reset();
    }
    return {};
  }

  Result<bool> ask(mirror::Mirror& mirror, const store::ScanMeta& scan) {
    DE_TRY(image, mirror.finish_scan());
    DE_CHECK(session_->load(std::move(image)));
    return ask(scan);
  }

  Result<bool> ask(const store::ScanMeta& scan) {
    DE_TRY(going, may_go_on(scan.time_ms, "snapshots"));
    if (!going) return false;
    ++out_.snapshots;
    looked_at(scan.time_ms);
    session_->see_stored(rule_.window_ms == 0 ? mirror::kNoStartMs : scan.time_ms - rule_.window_ms, scan.time_ms + 1);
    const mirror::AsOf then(scan.time_ms);
    alert::Context context;
    context.scan_id = scan.scan_id;
    context.scan_time_ms = scan.time_ms;
    take(detect::run_rule(*session_, rule_, options_.budget), context);
    return true;
  }

  void looked_at(std::int64_t at_ms) { out_.oldest_ms = std::min(out_.oldest_ms.value_or(at_ms), at_ms); }

  void take(const Result<detect::Matches>& matches, alert::Context& context) {
    if (!matches) return note("ExecutionError", matches.error().message());
    if (matches->truncated)
      note("ResultCapped", "a run matched more than " + std::to_string(matches->rows.size()) + " rows");
    for (const pb::Reason& reason : matches->missing) note(reason);
    if (matches->rows.empty()) {
      if (rule_.aggregates) standing_.take(rule_, {}, true);
      return;
    }
    context.completeness.set_complete(true);
    context.max_alerts_per_run = matches->rows.size();
    out_.matches += matches->rows.size();
    std::vector<pb::Alert> alerts = alert::raise(rule_, *matches, context, *lineage_, clock_);
    std::vector<bool> stood(alerts.size());
    if (rule_.aggregates) stood = standing_.take(rule_, alerts, !matches->truncated);
    for (std::size_t i = 0; i < alerts.size(); ++i) {
      const std::int64_t at_ms = alerts[i].has_event() ? alerts[i].event().time_ms() : context.scan_time_ms;
      out_.first_ms = std::min(out_.first_ms.value_or(at_ms), at_ms);
      out_.last_ms = std::max(out_.last_ms.value_or(at_ms), at_ms);
      if (!stood[i]) count(at_ms, std::move(alerts[i]));
    }
  }

  // What the store does with alerts as they come: the window begins anew with each that is stored.
  void count(std::int64_t at_ms, pb::Alert alert) {
    if (kept_ == Backtest::kMaxFolded) {
      out_.alerts_at_least = true;
      return;
    }
    ++kept_;
    std::vector<std::int64_t>& times = times_[alert.dedupe_key()];
    // Samples are the first of their kind: they need no look at the others.
    if (times.empty() && out_.samples.size() < Backtest::kSamples) out_.samples.push_back({at_ms, std::move(alert)});
    times.push_back(at_ms);
  }

  void fold() {
    for (auto& [key, times] : times_) {
      std::ranges::sort(times);
      std::optional<std::int64_t> last;
      for (const std::int64_t at_ms : times) {
        if (last && at_ms - *last < window_ms_) continue;
        last = at_ms;
        ++out_.alerts;
      }
    }
    std::ranges::stable_sort(out_.samples, {}, &BacktestMatch::time_ms);
  }

  Result<> add_missing() {
    const auto add = [this](mirror::StoredTable table) -> Result<> {
      DE_TRY(missing, stored_.missing(table, options_.from_ms, options_.to_ms));
      for (const pb::Reason& reason : missing) note(reason);
      return {};
    };
    if (rule_.runs_on_event()) DE_CHECK(add(mirror::StoredTable::Events));
    if (rule_.runs_on_snapshot()) DE_CHECK(add(mirror::StoredTable::History));
    return {};
  }

  void note(const char* reason, std::string detail) { note(make_reason(reason, std::move(detail))); }
  void note(const pb::Reason& reason) {
    const auto is_known = [&](const pb::Reason& known) {
      return known.reason() == reason.reason() && known.detail() == reason.detail();
    };
    if (out_.reasons.size() < kReasons && std::ranges::none_of(out_.reasons, is_known)) out_.reasons.push_back(reason);
  }

  const store::Store& store_;
  const mirror::StoredSource& stored_;
  const detect::Rule& rule_;
  const BacktestOptions options_;
  const Clock& clock_;
  const std::int64_t deadline_ns_;
  const std::int64_t window_ms_;
  std::unique_ptr<mirror::Session> session_;
  std::optional<alert::Lineage> lineage_;
  std::unordered_map<std::string, std::vector<std::int64_t>> times_;  // By dedupe key.
  std::size_t kept_ = 0;
  StandingMatches standing_;
  Backtest out_;
};

}  // namespace

Result<Backtest> backtest(const store::Store& store, const mirror::StoredSource& stored, const detect::Rule& rule,
                          const BacktestOptions& options, const Clock& clock) {
  return Tester(store, stored, rule, options, clock).run();
}

}  // namespace de::ingest
