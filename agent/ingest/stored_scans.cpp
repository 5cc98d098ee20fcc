// Readings of `processes.history`, `scans`, `alerts` and `traces`.
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "ingest/stored_pages.h"
#include "ingest/stored_rows.h"
#include "mirror/charge.h"

namespace de::ingest {
namespace {

constexpr std::uint32_t kAlertsPerPage = 64;  // An alert can be large.

// Made anew with each page; the elements keep their memory.
class HistoryPages {
 public:
  HistoryPages(const store::Store& store, const mirror::StoredQuery& query) {
    auto filter = filter_of<store::HistoryFilter>(query);
    filter.scan_id = query.scan_id;
    reading_ = store.read_history(filter);
  }

  Result<std::span<const mirror::StoredRow>> next() {
    rows_.clear();
    scans_.clear();
    bytes_ = 0;
    while (rows_.empty() && more_) {
      if (is_late()) return fail(Errc::Timeout, "read history");
      DE_TRY(more, reading_->next([this](const auto& meta, std::uint64_t rows, const pb::ProcessRecord& record) {
        return take(meta, rows, record);
      }));
      more_ = more;
    }
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  bool take(const store::ScanMeta& meta, std::uint64_t rows, const pb::ProcessRecord& record) {
    if (rows_.size() == StoredRows::kPageRows || bytes_ >= StoredRows::kPageBytes) return false;
    bytes_ += record.ByteSizeLong();
    if (rows_.size() == records_.size()) records_.emplace_back();
    pb::ProcessRecord& kept = records_[rows_.size()];
    kept = record;
    if (scans_.empty() || scans_.back().time_ms != meta.time_ms || scans_.back().scan_id != meta.scan_id ||
        scans_.back().collector != meta.collector)
      scans_.push_back({meta.collector, meta.scan_id, meta.time_ms, rows, meta.summary});
    mirror::StoredRow& row = rows_.emplace_back();
    row.process = &kept;
    row.scan = &scans_.back();
    return true;
  }

  std::unique_ptr<store::HistoryReading> reading_;
  bool more_ = true;
  std::deque<pb::ProcessRecord> records_;  // Rows keep pointers to both.
  std::deque<schema::ScanRow> scans_;
  std::vector<mirror::StoredRow> rows_;
  std::size_t bytes_ = 0;
};

// A header is small, and there are a few thousand a day: all of them at once.
Result<std::vector<schema::ScanRow>> list_scans(const store::Store& store, const mirror::StoredQuery& query) {
  std::vector<schema::ScanRow> out;
  bool late = false;
  DE_TRY(outcome, store.list_scans(query.from_ms, query.to_ms, [&](const store::ScanMeta& meta, std::uint64_t rows) {
    late = is_late();
    if (!query.scan_id || *query.scan_id == meta.scan_id)
      out.push_back({meta.collector, meta.scan_id, meta.time_ms, rows, meta.summary});
    return !late;
  }));
  (void)outcome;  // Days that are left out are told by missing().
  if (late) return fail(Errc::Timeout, "read scans");
  return out;
}

class ScanPages {
 public:
  ScanPages(const store::Store& store, mirror::StoredQuery query) : store_(store), query_(std::move(query)) {}

  Result<std::span<const mirror::StoredRow>> next() {
    rows_.clear();
    if (std::exchange(done_, true)) return std::span<const mirror::StoredRow>();
    DE_TRY(scans, list_scans(store_, query_));
    scans_ = std::move(scans);
    for (const schema::ScanRow& scan : scans_) rows_.emplace_back().scan = &scan;
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  const store::Store& store_;
  const mirror::StoredQuery query_;
  bool done_ = false;
  std::vector<schema::ScanRow> scans_;
  std::vector<mirror::StoredRow> rows_;
};

class AlertPages {
 public:
  AlertPages(const store::Store& store, mirror::StoredQuery query) : store_(store), query_(std::move(query)) {}

  Result<std::span<const mirror::StoredRow>> next() {
    rows_.clear();
    while (rows_.empty() && !done_) DE_CHECK(read());
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  Result<> read() {
    if (is_late()) return fail(Errc::Timeout, "read alerts");
    store::AlertFilter filter;
    filter.limit = kAlertsPerPage;
    filter.rule_id = query_.rule_id;
    filter.before = before_;
    DE_TRY(alerts, store_.list_alerts(filter));
    alerts_ = std::move(alerts);
    done_ = alerts_.size() < kAlertsPerPage || alerts_.back().sequence() <= 1;
    for (const pb::Alert& alert : alerts_) {
      before_ = alert.sequence();
      if (alert.alert_time_ms() >= query_.from_ms && alert.alert_time_ms() < query_.to_ms)
        rows_.emplace_back().alert = &alert;
    }
    return {};
  }

  const store::Store& store_;
  const mirror::StoredQuery query_;
  std::uint64_t before_ = 0;
  bool done_ = false;
  std::vector<pb::Alert> alerts_;
  std::vector<mirror::StoredRow> rows_;
};

class TracePages {
 public:
  TracePages(const store::Store& store, const mirror::StoredQuery& query) : store_(store) {
    filter_.from_ms = query.from_ms;
    filter_.to_ms = query.to_ms;
    filter_.rule_id = query.rule_id;
    filter_.pid = query.pid;
  }

  Result<std::span<const mirror::StoredRow>> next() {
    parts_.clear();
    rows_.clear();
    while (parts_.empty() && !done_) {
      if (is_late()) return fail(Errc::Timeout, "read traces");
      DE_TRY(page, store_.read_captures(filter_));
      page_ = std::move(page);
      filter_.after = page_.after;
      done_ = page_.after.empty();
      for (const pb::Capture& capture : page_.captures) add(capture);
    }
    for (const schema::TraceRow& part : parts_) rows_.emplace_back().trace = &part;
    return std::span<const mirror::StoredRow>(rows_);
  }

 private:
  void add(const pb::Capture& capture) {
    std::uint32_t place = 0;
    for (const pb::CapturedItem& item : capture.items()) parts_.push_back({&capture, &item, place++});
    if (capture.items().empty()) parts_.push_back({&capture, nullptr, 0});
  }

  const store::Store& store_;
  store::CaptureFilter filter_;
  bool done_ = false;
  store::CapturePage page_;
  std::vector<schema::TraceRow> parts_;
  std::vector<mirror::StoredRow> rows_;
};

// Shared because a function object must be copyable; nobody copies it.
template <class Pages>
mirror::NextRows pages_of(const store::Store& store, const mirror::StoredQuery& query) {
  auto pages = std::make_shared<Pages>(store, query);
  return [pages] { return pages->next(); };
}

}  // namespace

bool is_late() {
  mirror::Charge* charge = mirror::current_charge();
  return charge != nullptr && charge->is_late();
}

mirror::NextRows read_stored_history(const store::Store& store, const mirror::StoredQuery& query) {
  return pages_of<HistoryPages>(store, query);
}
mirror::NextRows read_stored_scans(const store::Store& store, const mirror::StoredQuery& query) {
  return pages_of<ScanPages>(store, query);
}
mirror::NextRows read_stored_alerts(const store::Store& store, const mirror::StoredQuery& query) {
  return pages_of<AlertPages>(store, query);
}
mirror::NextRows read_stored_traces(const store::Store& store, const mirror::StoredQuery& query) {
  return pages_of<TracePages>(store, query);
}

}  // namespace de::ingest
