#include "ingest/stored_events.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "ingest/reason.h"
#include "mirror/charge.h"

namespace de::ingest {
namespace {

constexpr std::size_t kFirstPageRows = 32;  // Many a statement stops early.
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;

std::string identity(const std::string& collector, const pb::ProcessEvent& event) {
  return collector + ' ' + std::to_string(event.sequence()) + ' ' + std::to_string(event.event_type()) + ' ' +
         event.process().process_uid();
}

struct Span {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
};

class Reading {
 public:
  Reading(const store::Store& store, const mirror::EventQuery& query, Span kept)
      : store_(store), query_(query), kept_(kept), left_{query.from_ms, query.to_ms} {}

  Result<std::span<const mirror::EventRow>> next() {
    page_.clear();
    bytes_ = 0;
    while (page_.empty() && left_.from_ms < left_.to_ms) DE_CHECK(read_slice(next_slice()));
    remember_edge();
    page_rows_ = std::min(page_rows_ * 4, StoredEvents::kPageRows);
    rows_.clear();
    for (const auto& [collector, event] : page_) rows_.push_back({collector, &event, {}});
    return std::span<const mirror::EventRow>(rows_);
  }

 private:
  // The store looks for a type alone by reading everything, and the clock is only looked at between slices: an hour is
  // short enough. Everything else has an index, or hands out most of what it reads.
  Span next_slice() const {
    const bool has_index = query_.pid || query_.ppid || !query_.process_uid.empty() || !query_.name.empty() ||
                           !query_.executable_hash.empty();
    if (!query_.type || has_index) return left_;
    Span slice = left_;
    if (query_.newest_first) {
      if (left_.to_ms > kept_.to_ms)
        slice.from_ms = std::max(left_.from_ms, kept_.to_ms);
      else if (left_.to_ms > kept_.from_ms)
        slice.from_ms = std::max(left_.from_ms, left_.to_ms - kHourMs);
    } else {
      if (left_.from_ms < kept_.from_ms)
        slice.to_ms = std::min(left_.to_ms, kept_.from_ms);
      else if (left_.from_ms < kept_.to_ms)
        slice.to_ms = std::min(left_.to_ms, left_.from_ms + kHourMs);
    }
    return slice;
  }

  Result<> read_slice(Span slice) {
    if (is_late()) return fail(Errc::Timeout, "read events");
    store::EventFilter filter;
    filter.from_ms = slice.from_ms;
    filter.to_ms = slice.to_ms;
    filter.pid = query_.pid;
    filter.ppid = query_.ppid;
    filter.process_uid = query_.process_uid;
    filter.name = query_.name;
    filter.executable_hash = query_.executable_hash;
    filter.type = query_.type;
    filter.newest_first = query_.newest_first;
    bool late = false;
    DE_TRY(outcome, store_.find_events(filter, [&](std::string_view collector, const pb::ProcessEvent& event) {
      late = is_late();
      return !late && take(std::string(collector), event);
    }));
    if (late) return fail(Errc::Timeout, "read events");
    if (outcome.stopped && !page_.empty()) {
      const std::int64_t last_ms = page_.back().second.event_time_ms();
      (query_.newest_first ? left_.to_ms : left_.from_ms) = query_.newest_first ? last_ms + 1 : last_ms;
    } else {
      (query_.newest_first ? left_.to_ms : left_.from_ms) = query_.newest_first ? slice.from_ms : slice.to_ms;
    }
    return {};
  }

  static bool is_late() {
    mirror::Charge* charge = mirror::current_charge();
    return charge != nullptr && charge->is_late();
  }

  bool take(std::string collector, const pb::ProcessEvent& event) {
    if (event.event_time_ms() == edge_ms_ && at_edge_.contains(identity(collector, event))) return true;
    if (page_.size() >= page_rows_ || bytes_ >= StoredEvents::kPageBytes) return false;
    bytes_ += event.ByteSizeLong();
    page_.emplace_back(std::move(collector), event);
    return true;
  }

  void remember_edge() {
    if (page_.empty()) return;
    const std::int64_t last_ms = page_.back().second.event_time_ms();
    if (last_ms != edge_ms_) at_edge_.clear();
    edge_ms_ = last_ms;
    for (auto row = page_.rbegin(); row != page_.rend() && row->second.event_time_ms() == last_ms; ++row)
      at_edge_.insert(identity(row->first, row->second));
  }

  const store::Store& store_;
  const mirror::EventQuery query_;
  const Span kept_;  // Where events can be expected.
  Span left_;
  std::size_t page_rows_ = kFirstPageRows;
  std::vector<std::pair<std::string, pb::ProcessEvent>> page_;
  std::size_t bytes_ = 0;
  std::vector<mirror::EventRow> rows_;
  std::int64_t edge_ms_ = mirror::kNoStartMs;
  std::set<std::string> at_edge_;
};

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

mirror::NextEvents StoredEvents::read(const mirror::EventQuery& query) const {
  const std::int64_t now_ms = clock_.unix_ms();
  const Span kept{now_ms - (static_cast<std::int64_t>(retention_days_.load()) + 1) * kDayMs, now_ms + kDayMs};
  // Shared because a function object must be copyable; nobody copies it.
  auto reading = std::make_shared<Reading>(store_, query, kept);
  return [reading] { return reading->next(); };
}

Result<std::vector<pb::Reason>> StoredEvents::missing(std::int64_t from_ms, std::int64_t to_ms) const {
  std::vector<pb::Reason> out;
  DE_TRY(gaps, store_.list_gaps(from_ms, to_ms));
  std::uint64_t more = 0, more_events = 0;
  for (const store::StoredGap& gap : gaps) {
    if (out.size() < kMaxReasons) {
      out.push_back(reason_of(gap.collector, gap.gap));
      continue;
    }
    ++more;
    more_events += events_in(gap.gap);
  }
  if (more > 0)
    out.push_back(make_reason("EventsShed",
                              std::to_string(more_events) + " events lost in " + std::to_string(more) + " more gaps"));
  // The cheapest read that names the days which are set aside.
  DE_TRY(outcome, store_.list_scans(from_ms, to_ms, [](const store::ScanMeta&, std::uint64_t) { return false; }));
  std::size_t days = 0;
  for (const store::DayProblem& day : outcome.excluded) {
    if (++days > kMaxReasons) break;
    out.push_back(make_reason("ExecutionError", "the events of " + day.day + " cannot be read: " + day.reason));
  }
  if (outcome.excluded.size() > kMaxReasons)
    out.push_back(make_reason(
        "ExecutionError",
        "the events of " + std::to_string(outcome.excluded.size() - kMaxReasons) + " more days cannot be read"));
  return out;
}

}  // namespace de::ingest
