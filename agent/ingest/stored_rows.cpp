#include "ingest/stored_rows.h"

#include <utility>

#include "ingest/reason.h"
#include "ingest/stored_pages.h"
#include "mirror/stored_row.h"
#include "store/keys.h"

namespace de::ingest {
namespace {

Result<> add_gaps(const store::Store& store, std::int64_t from_ms, std::int64_t to_ms, std::vector<pb::Reason>& out) {
  DE_TRY(gaps, store.list_gaps(from_ms, to_ms));
  std::uint64_t more = 0, more_events = 0;
  for (const store::StoredGap& gap : gaps) {
    if (out.size() < StoredRows::kMaxReasons) {
      out.push_back(reason_of(gap.collector, gap.gap));
      continue;
    }
    ++more;
    more_events += events_in(gap.gap);
  }
  if (more > 0)
    out.push_back(make_reason("EventsShed",
                              std::to_string(more_events) + " events lost in " + std::to_string(more) + " more gaps"));
  return {};
}

Result<> add_days(const store::Store& store, mirror::StoredTable table, std::int64_t from_ms, std::int64_t to_ms,
                  std::vector<pb::Reason>& out) {
  const std::string what = table == mirror::StoredTable::Events ? "the events of " : "the snapshots of ";
  // The cheapest read that names the days which are set aside.
  DE_TRY(outcome, store.list_scans(from_ms, to_ms, [](const store::ScanMeta&, std::uint64_t) { return false; }));
  std::size_t days = 0;
  for (const store::DayProblem& day : outcome.excluded) {
    if (++days > StoredRows::kMaxReasons) break;
    out.push_back(make_reason("ExecutionError", what + day.day + " cannot be read: " + day.reason));
  }
  if (outcome.excluded.size() > StoredRows::kMaxReasons)
    out.push_back(make_reason(
        "ExecutionError",
        what + std::to_string(outcome.excluded.size() - StoredRows::kMaxReasons) + " more days cannot be read"));
  return {};
}

}  // namespace

pb::Reason reason_of(const std::string& collector, const pb::Gap& gap) {
  const std::string events = events_in(gap) == 1 ? " event" : " events";
  pb::Reason out = make_reason(gap.reason() == kSequenceJump ? "SequenceGap" : "EventsShed",
                               (gap.at_most() ? "at most " : "") + std::to_string(events_in(gap)) + events +
                                   " lost, sequences " + std::to_string(gap.first_sequence()) + " to " +
                                   std::to_string(gap.last_sequence()) + " (" + gap.reason() + ")");
  out.set_collector(collector);
  return out;
}

mirror::NextRows StoredRows::read(const mirror::StoredQuery& query) const {
  // Nothing that is stored has another uid than one.
  if (!query.process_uid.empty() && query.process_uid.size() != store::kUidBytes)
    return [] { return std::span<const mirror::StoredRow>(); };
  switch (query.table) {
    case mirror::StoredTable::Events:
      return read_stored_events(store_, query);
    case mirror::StoredTable::History:
      return read_stored_history(store_, query);
    case mirror::StoredTable::Scans:
      return read_stored_scans(store_, query);
    case mirror::StoredTable::Alerts:
      return read_stored_alerts(store_, query);
    case mirror::StoredTable::Traces:
      return read_stored_traces(store_, query);
  }
  return {};
}

Result<std::vector<pb::Reason>> StoredRows::missing(mirror::StoredTable table, std::int64_t from_ms,
                                                    std::int64_t to_ms) const {
  std::vector<pb::Reason> out;
  if (table == mirror::StoredTable::Alerts || table == mirror::StoredTable::Traces) return out;  // Not in the days.
  if (table == mirror::StoredTable::Events) DE_CHECK(add_gaps(store_, from_ms, to_ms, out));
  DE_CHECK(add_days(store_, table, from_ms, to_ms, out));
  return out;
}

}  // namespace de::ingest
