// The reading half of Store: every read goes day by day, and a damaged day is taken out and named.
#include <algorithm>
#include <limits>

#include "store/event_parts.h"
#include "store/event_reader.h"
#include "store/event_reading.h"
#include "store/history.h"
#include "store/life_reader.h"
#include "store/scan_reader.h"
#include "store/store_impl.h"

namespace de::store {
namespace {

constexpr std::uint64_t kLargeScanRows = 10'000;  // From here on the pages a read touched are given back.

using ReadDay = std::function<Result<>(const Day&, std::uint64_t from_ms, std::uint64_t to_ms, ReadOutcome&)>;

Result<> check(const EventFilter& filter) {
  if (filter.process_uid.empty() || filter.process_uid.size() == kUidBytes) return {};
  return fail(Errc::Invalid, "find events: a process uid has 16 bytes");
}

Result<ReadOutcome> read_days(DaySet& days, std::int64_t from_ms, std::int64_t to_ms, bool newest_first,
                              const ReadDay& read) {
  ReadOutcome outcome;
  from_ms = std::clamp<std::int64_t>(from_ms, 0, kEndOfTimeMs);
  to_ms = std::clamp<std::int64_t>(to_ms, 0, kEndOfTimeMs);
  if (from_ms >= to_ms) return outcome;
  std::vector<std::shared_ptr<Day>> chosen = days.between(from_ms, to_ms);
  if (newest_first) std::reverse(chosen.begin(), chosen.end());
  for (const std::shared_ptr<Day>& day : chosen) {
    const std::uint64_t rows_before = outcome.rows;
    auto done = read(*day, static_cast<std::uint64_t>(from_ms), static_cast<std::uint64_t>(to_ms), outcome);
    if (!done && done.error().code() != Errc::Corrupt) return fail(std::move(done).error().during(day->name()));
    if (!done) days.quarantine(day, done.error().message());
    if (outcome.rows - rows_before >= kLargeScanRows) day->env().forget_pages();
    if (outcome.stopped) break;
  }
  outcome.excluded = days.quarantined_between(from_ms, to_ms);
  return outcome;
}

}  // namespace

Result<ReadOutcome> Store::read_scans(std::int64_t from_ms, std::int64_t to_ms, const ScanFn& fn) const {
  return read_days(impl_->days, from_ms, to_ms, false,
                   [&fn](const Day& day, std::uint64_t from, std::uint64_t to, ReadOutcome& outcome) {
                     return ScanReader(day).rows(from, to, fn, outcome);
                   });
}

Result<ReadOutcome> Store::list_scans(std::int64_t from_ms, std::int64_t to_ms, const ScanMetaFn& fn) const {
  return read_days(impl_->days, from_ms, to_ms, false,
                   [&fn](const Day& day, std::uint64_t from, std::uint64_t to, ReadOutcome& outcome) {
                     return ScanReader(day).headers(from, to, fn, outcome);
                   });
}

Result<ReadOutcome> Store::read_events(std::int64_t from_ms, std::int64_t to_ms, const EventFn& fn) const {
  EventFilter filter;
  filter.from_ms = from_ms;
  filter.to_ms = to_ms;
  return find_events(filter, fn);
}

Result<ReadOutcome> Store::find_events(const EventFilter& filter, const EventFn& fn) const {
  DE_CHECK(check(filter));
  // What is committed from here on is not looked at, so that the answer is of one moment.
  const std::uint64_t upto = impl_->position;
  EventFilter ranged = filter;
  DE_TRY(outcome, read_days(impl_->days, filter.from_ms, filter.to_ms, filter.newest_first,
                            [&](const Day& day, std::uint64_t from, std::uint64_t to, ReadOutcome& out) -> Result<> {
                              if (filter.after >= upto) return {};  // The usual answer to whoever follows.
                              ranged.from_ms = static_cast<std::int64_t>(from);
                              ranged.to_ms = static_cast<std::int64_t>(to);
                              EventReader reader(day, ranged, upto);
                              for (bool done = false; !done && !out.stopped;) {
                                DE_TRY(at_end, reader.page(fn, out));
                                done = at_end;
                              }
                              return {};
                            }));
  outcome.position = upto;
  return std::move(outcome);
}

Result<std::unique_ptr<EventReading>> Store::read_events(const EventFilter& filter) const {
  DE_CHECK(check(filter));
  return std::make_unique<DayEvents>(impl_->days, filter, impl_->position);
}

Result<ReadOutcome> Store::find_lives(const LifeFilter& filter, std::int64_t from_ms, std::int64_t to_ms,
                                      const LifeFn& fn) const {
  DE_CHECK(check(filter));
  return read_days(impl_->days, from_ms, to_ms, false,
                   [&](const Day& day, std::uint64_t from, std::uint64_t to, ReadOutcome& outcome) {
                     return read_lives(day, filter, from, to, fn, outcome);
                   });
}

std::unique_ptr<HistoryReading> Store::read_history(const HistoryFilter& filter) const {
  return std::make_unique<DayHistory>(impl_->days, filter);
}

Result<StoreStats> Store::stats() const {
  StoreStats stats;
  for (const std::shared_ptr<Day>& day : impl_->days.all()) {
    DE_TRY(txn, Txn::begin(day->env(), Txn::Kind::Read));
    auto counts = day->counts(txn);
    if (!counts && counts.error().code() != Errc::Corrupt) return fail(std::move(counts).error());
    if (!counts) {
      impl_->days.quarantine(day, counts.error().message());
      continue;
    }
    stats.days.push_back({day->name(), day->env().disk_bytes(), counts->records, counts->events, counts->scans});
    stats.records += counts->records;
    stats.events += counts->events;
    stats.scans += counts->scans;
  }
  stats.quarantined = impl_->days.quarantined();
  stats.bytes = disk_bytes_below(impl_->directory.path());
  DE_TRY(txn, Txn::begin(impl_->state->env(), Txn::Kind::Read));
  DE_TRY(counts, impl_->state->counts(txn));
  stats.gaps = counts.gaps;
  stats.gaps_removed = counts.gaps_removed;
  stats.alerts_open = counts.open;
  stats.alerts_acknowledged = counts.acknowledged;
  stats.alerts_closed = counts.closed;
  stats.alerts_removed = counts.alerts_removed;
  DE_TRY(captures, impl_->captures->count());
  stats.captures = captures;
  stats.captures_removed = impl_->captures->removed();
  stats.deliveries_pending = counts.deliveries_pending;
  stats.reserve_held = impl_->directory.holds_reserve();
  return stats;
}

}  // namespace de::store
