#include "ingest/evidence.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "alert/raise.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/table.h"
#include "detect/runner.h"
#include "ingest/past_snapshot.h"
#include "mirror/as_of.h"
#include "mirror/batch_session.h"
#include "mirror/proto_value.h"

namespace de::ingest {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string source_sql(const pb::Alert& alert) {
  if (alert.has_event())
    return "SELECT * FROM processes.events WHERE event_time_ms = " + std::to_string(alert.event().time_ms()) +
           " AND sequence = " + std::to_string(alert.event().sequence()) +
           " AND collector = " + quoted(alert.event().collector());
  if (!alert.has_scan_id()) return {};
  const std::string of_scan = " WHERE collection_time_ms = " + std::to_string(alert.first_seen_ms()) +
                              " AND scan_id = " + std::to_string(alert.scan_id());
  if (alert.process_uid().empty()) return "SELECT * FROM scans" + of_scan;
  return "SELECT * FROM processes.history" + of_scan + " AND process_uid = " + quoted(alert.process_uid());
}

class Search {
 public:
  Search(const EvidenceSources& sources, const pb::Alert& alert, const detect::Rule* rule, const mirror::Budget& budget,
         const Clock& clock)
      : sources_(sources), alert_(alert), rule_(rule), budget_(budget), clock_(clock) {}

  Result<Evidence> run() {
    DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock_, &sources_.stored, sources_.host));
    session_ = std::move(session);
    out_.sql = source_sql(alert_);
    if (out_.sql.empty()) return concluded("the agent raised it about itself: there is no row behind it");
    DE_CHECK(find_row());
    if (!out_.row) return concluded("what it was raised about is not stored any more");
    if (rule_ == nullptr) return concluded("the rule is not there any more");
    if (rule_->digest != alert_.rule_digest()) return concluded("the rule was changed since");
    const auto is_not_kept = [](const std::string& table) { return schema::find_table(table) == nullptr; };
    if (rule_->is_live || std::ranges::any_of(rule_->tables, is_not_kept))
      return concluded(
          "what the rule read from processes or from other collectors is not kept: it cannot be asked again");
    const mirror::AsOf then(alert_.alert_time_ms());
    if (alert_.has_event()) return ask_of_event();
    return ask_of_snapshot();
  }

 private:
  Result<Evidence> concluded(std::string verdict) {
    out_.verdict = std::move(verdict);
    return std::move(out_);
  }

  Result<> find_row() {
    auto looked = session_->run(
        out_.sql, {}, budget_,
        [this](std::span<const std::string> names) { out_.columns.assign(names.begin(), names.end()); },
        [this](std::span<const mirror::Value> values) {
          out_.row.emplace();
          for (const mirror::Value& value : values) mirror::put(*out_.row->add_values(), value);
          return false;  // There is only one.
        });
    if (!looked) return fail(std::move(looked).error());
    out_.missing = std::move(looked->missing);
    return {};
  }

  Result<Evidence> ask_of_event() {
    store::EventFilter filter;
    filter.from_ms = alert_.event().time_ms();
    filter.to_ms = filter.from_ms + 1;
    std::optional<pb::ProcessEvent> event;
    DE_TRY(outcome, sources_.store.find_events(filter, [&](std::string_view collector, const pb::ProcessEvent& one) {
      if (one.sequence() != alert_.event().sequence() || collector != alert_.event().collector()) return true;
      event = one;
      return false;
    }));
    (void)outcome;  // What may be missing is known.
    if (!event) return concluded("what it was raised about is not stored any more");
    DE_TRY(batch, mirror::BatchSession::create(clock_, {}));
    DE_TRY(statement, batch->add(rule_->statement()));
    const mirror::EventRow row{alert_.event().collector(), &*event};
    batch->load(std::span(&row, 1));
    alert::Context context;
    context.events = std::span(&row, 1);
    if (batch->events_for(statement) == 0) return compare(detect::Matches(), context);
    return compare(detect::run_rule(*batch, statement, *rule_, budget_), context);
  }

  Result<Evidence> ask_of_snapshot() {
    auto past = past_snapshot(sources_.store, alert_.first_seen_ms());
    if (!past && past.error().code() != Errc::NotFound) return fail(std::move(past).error());
    if (!past || past->image->scan_id != alert_.scan_id())
      return concluded("the snapshot it was found in is not stored any more");
    DE_CHECK(session_->load(past->image));
    const std::int64_t then_ms = alert_.first_seen_ms();
    session_->see_stored(rule_->window_ms == 0 ? mirror::kNoStartMs : then_ms - rule_->window_ms, then_ms + 1);
    alert::Context context;
    context.scan_id = alert_.scan_id();
    context.scan_time_ms = then_ms;
    return compare(detect::run_rule(*session_, *rule_, budget_), context);
  }

  Result<Evidence> compare(const Result<detect::Matches>& matches, alert::Context& context) {
    if (!matches) return concluded("the rule cannot be asked again: " + matches.error().message());
    context.host = alert_.host();
    context.max_alerts_per_run = std::max<std::size_t>(matches->rows.size(), 1);
    alert::Lineage lineage(*session_);
    bool is_other = false;
    for (const pb::Alert& again : alert::raise(*rule_, *matches, context, lineage, clock_)) {
      if (again.dedupe_key() != alert_.dedupe_key()) continue;
      out_.is_reproduced = std::ranges::equal(again.data(), alert_.data(), [](const auto& a, const auto& b) {
        return a.SerializeAsString() == b.SerializeAsString();
      });
      is_other = !out_.is_reproduced;
      if (out_.is_reproduced) break;
    }
    return concluded(out_.is_reproduced ? "the rule, asked again, has the same match"
                     : is_other         ? "the rule, asked again, has the match with other values"
                                        : "the rule, asked again, has no such match");
  }

  const EvidenceSources sources_;
  const pb::Alert& alert_;
  const detect::Rule* const rule_;
  const mirror::Budget budget_;
  const Clock& clock_;
  std::unique_ptr<mirror::Session> session_;
  Evidence out_;
};

}  // namespace

Result<Evidence> find_evidence(const EvidenceSources& sources, const pb::Alert& alert, const detect::Rule* rule,
                               const mirror::Budget& budget, const Clock& clock) {
  return Search(sources, alert, rule, budget, clock).run();
}

}  // namespace de::ingest
