#include "ingest/past_snapshot.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemoneye/base/clock.h"
#include "ingest/reason.h"
#include "ingest/scan_books.h"
#include "mirror/mirror.h"

namespace de::ingest {
namespace {

// How far back it looks, one after the other.
constexpr std::int64_t kReachesMs[] = {3'600'000, 86'400'000, INT64_MAX};
constexpr std::int64_t kLeastIntervalMs = 30'000;
constexpr std::int64_t kMissedScans = 3;

struct Found {
  std::optional<store::ScanMeta> last;
  std::uint64_t rows = 0;
  std::int64_t interval_ms = kLeastIntervalMs;  // To the one before.
  std::vector<store::DayProblem> excluded;
};

Result<Found> find_last(const store::Store& store, std::int64_t at_ms) {
  Found found;
  for (const std::int64_t reach : kReachesMs) {
    const std::int64_t from_ms = reach > at_ms ? 0 : at_ms - reach;
    DE_TRY(outcome, store.list_scans(from_ms, at_ms + 1, [&](const store::ScanMeta& meta, std::uint64_t rows) {
      if (found.last) found.interval_ms = std::max(kLeastIntervalMs, meta.time_ms - found.last->time_ms);
      found.last = meta;
      found.rows = rows;
      return true;
    }));
    found.excluded = std::move(outcome.excluded);
    if (found.last) break;
  }
  return found;
}

Result<std::string> oldest_scan(const store::Store& store) {
  std::string out = "none is stored";
  DE_TRY(outcome, store.list_scans(0, INT64_MAX, [&](const store::ScanMeta& meta, std::uint64_t) {
    out = "the oldest is of " + std::string(to_iso8601(meta.time_ms).text);
    return false;
  }));
  (void)outcome;
  return out;
}

}  // namespace

Result<PastSnapshot> past_snapshot(const store::Store& store, std::int64_t at_ms) {
  at_ms = std::clamp<std::int64_t>(at_ms, 0, INT64_MAX - 1);
  DE_TRY(found, find_last(store, at_ms));
  if (!found.last) {
    DE_TRY(oldest, oldest_scan(store));
    return fail(Errc::NotFound, "no snapshot of " + std::string(to_iso8601(at_ms).text) + " or before; " + oldest);
  }
  const store::ScanMeta& meta = *found.last;
  DE_TRY(mirror, mirror::Mirror::create());
  DE_CHECK(mirror->begin_scan(meta.scan_id, meta.time_ms));
  Result<> taken;
  std::uint64_t rows = 0;
  DE_TRY(outcome, store.read_scans(meta.time_ms, meta.time_ms + 1, [&](const store::ScanMeta& one, const auto& record) {
    if (one.scan_id != meta.scan_id || one.collector != meta.collector) return true;
    ++rows;
    taken = mirror->upsert(record, record.SerializeAsString());
    return taken.has_value();
  }));
  (void)outcome;  // Days that are left out were named above.
  DE_CHECK(std::move(taken));
  PastSnapshot past;
  DE_TRY(image, mirror->finish_scan());
  past.image = std::move(image);

  const auto add = [&past](pb::Reason reason) { *past.completeness.add_reasons() = std::move(reason); };
  for (pb::Reason& reason : reasons_of(meta.collector, meta.summary, {found.rows, rows, 0, rows, rows})) add(reason);
  for (const store::DayProblem& day : found.excluded)
    add(make_reason("ExecutionError", "the snapshots of " + day.day + " cannot be read: " + day.reason));
  if (at_ms - meta.time_ms > kMissedScans * found.interval_ms)
    add(make_reason("CollectorUnavailable",
                    "the last snapshot before is of " + std::string(to_iso8601(meta.time_ms).text) + ", " +
                        std::to_string((at_ms - meta.time_ms) / 1'000) + " s earlier",
                    meta.collector));
  past.completeness.set_complete(past.completeness.reasons_size() == 0);
  return past;
}

}  // namespace de::ingest
