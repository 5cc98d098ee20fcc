// The reading of `processes.events`.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "ingest/stored_pages.h"
#include "ingest/stored_rows.h"

namespace de::ingest {
namespace {

constexpr std::size_t kFirstPageRows = 32;  // Many a statement stops early.
constexpr std::int64_t kHourMs = 3'600'000;

std::string identity(const std::string& collector, const pb::ProcessEvent& event) {
  return collector + ' ' + std::to_string(event.sequence()) + ' ' + std::to_string(event.event_type()) + ' ' +
         event.process().process_uid();
}

class EventPages {
 public:
  EventPages(const store::Store& store, const mirror::StoredQuery& query, TimeSpan kept)
      : store_(store), query_(query), kept_(kept), left_{query.from_ms, query.to_ms} {}

  Result<std::span<const mirror::StoredRow>> next() {
    page_.clear();
    bytes_ = 0;
    while (page_.empty() && left_.from_ms < left_.to_ms) DE_CHECK(read_slice(next_slice()));
    remember_edge();
    page_rows_ = std::min(page_rows_ * 4, StoredRows::kPageRows);
    rows_.clear();
    for (const auto& [collector, event] : page_) rows_.push_back({collector, &event});
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  // The store looks for a type alone by reading everything, and the clock is only looked at between slices: an hour is
  // short enough. Everything else has an index, or hands out most of what it reads.
  TimeSpan next_slice() const {
    const bool has_index = query_.pid || query_.ppid || !query_.process_uid.empty() || !query_.name.empty() ||
                           !query_.executable_hash.empty();
    if (!query_.type || has_index) return left_;
    TimeSpan slice = left_;
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

  Result<> read_slice(TimeSpan slice) {
    if (is_late()) return fail(Errc::Timeout, "read events");
    auto filter = filter_of<store::EventFilter>(query_, slice);
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

  bool take(std::string collector, const pb::ProcessEvent& event) {
    if (event.event_time_ms() == edge_ms_ && at_edge_.contains(identity(collector, event))) return true;
    if (page_.size() >= page_rows_ || bytes_ >= StoredRows::kPageBytes) return false;
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
  const mirror::StoredQuery query_;
  const TimeSpan kept_;  // Where events can be expected.
  TimeSpan left_;
  std::size_t page_rows_ = kFirstPageRows;
  std::vector<std::pair<std::string, pb::ProcessEvent>> page_;
  std::size_t bytes_ = 0;
  std::vector<mirror::StoredRow> rows_;
  std::int64_t edge_ms_ = mirror::kNoStartMs;
  std::set<std::string> at_edge_;
};

}  // namespace

mirror::NextRows read_stored_events(const store::Store& store, const mirror::StoredQuery& query, TimeSpan kept) {
  // Shared because a function object must be copyable; nobody copies it.
  auto pages = std::make_shared<EventPages>(store, query, kept);
  return [pages] { return pages->next(); };
}

}  // namespace de::ingest
