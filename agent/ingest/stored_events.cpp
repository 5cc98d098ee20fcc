// The reading of `processes.events`.
#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <utility>

#include "ingest/stored_pages.h"
#include "ingest/stored_rows.h"

namespace de::ingest {
namespace {

constexpr std::size_t kFirstPageRows = 32;  // Many a statement stops early.

// Made anew with each page; the events keep their memory.
class EventPages {
 public:
  explicit EventPages(std::unique_ptr<store::EventReading> reading) : reading_(std::move(reading)) {}

  Result<std::span<const mirror::StoredRow>> next() {
    rows_.clear();
    collectors_.clear();
    bytes_ = 0;
    while (rows_.empty() && more_) {
      if (is_late()) return fail(Errc::Timeout, "read events");
      bool late = false;
      DE_TRY(more, reading_->next([&](std::string_view collector, const pb::ProcessEvent& event) {
        late = is_late();
        return !late && take(collector, event);
      }));
      if (late) return fail(Errc::Timeout, "read events");
      more_ = more;
    }
    page_rows_ = std::min(page_rows_ * 4, StoredRows::kPageRows);
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  bool take(std::string_view collector, const pb::ProcessEvent& event) {
    if (rows_.size() >= page_rows_ || bytes_ >= StoredRows::kPageBytes) return false;
    bytes_ += event.ByteSizeLong();
    if (rows_.size() == events_.size()) events_.emplace_back();
    pb::ProcessEvent& kept = events_[rows_.size()];
    kept = event;
    if (rows_.empty() || rows_.back().collector != collector)
      collector = *collectors_.emplace(collector).first;
    else
      collector = rows_.back().collector;
    mirror::StoredRow& row = rows_.emplace_back();
    row.collector = collector;
    row.event = &kept;
    return true;
  }

  const std::unique_ptr<store::EventReading> reading_;
  bool more_ = true;
  std::size_t page_rows_ = kFirstPageRows;
  std::deque<pb::ProcessEvent> events_;  // Rows keep pointers to both.
  std::set<std::string, std::less<>> collectors_;
  std::vector<mirror::StoredRow> rows_;
  std::size_t bytes_ = 0;
};

}  // namespace

mirror::NextRows read_stored_events(const store::Store& store, const mirror::StoredQuery& query) {
  auto filter = filter_of<store::EventFilter>(query);
  filter.type = query.type;
  filter.newest_first = query.newest_first;
  filter.parts = query.parts;
  auto reading = store.read_events(filter);
  if (!reading) return [why = reading.error()] { return fail(Error(why)); };
  // Shared because a function object must be copyable; nobody copies it.
  auto pages = std::make_shared<EventPages>(std::move(*reading));
  return [pages] { return pages->next(); };
}

}  // namespace de::ingest
