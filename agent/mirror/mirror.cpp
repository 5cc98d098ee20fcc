#include "mirror/mirror.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemoneye/base/fault.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/database.h"
#include "mirror/fingerprint.h"
#include "mirror/snapshot_schema.h"

namespace de::mirror {
namespace {

using schema::Cell;
using schema::Change;

// Whoever can start processes can fill their arguments. Up to here every text keeps what the schema promises; a
// snapshot above it keeps less of each long text, so that memory stays bounded and no process goes missing.
constexpr std::size_t kRoomyBytes = 32UL << 20;
constexpr std::size_t kTightBytes = 64UL << 20;
constexpr std::size_t kRoomyTextCap = schema::kSqlTextBytes;
constexpr std::size_t kTightTextCap = 4UL << 10;
constexpr std::size_t kScarceTextCap = 256;

// Free pages stay in every image; more than this share of them, and enough to matter, is given back.
constexpr std::int64_t kFreePagesToVacuum = 256;

struct Entry {
  Fingerprint print;
  std::uint64_t seen_in = 0;  // The number of the scan that reported it last.
  std::size_t text_bytes = 0;
};

std::size_t stored_text(const Cell& cell, std::size_t cap) {
  std::size_t bytes = 0;
  if (const auto* view = std::get_if<std::string_view>(&cell)) bytes = view->size();
  if (const auto* text = std::get_if<std::string>(&cell)) bytes = text->size();
  return std::min(bytes, cap);
}

}  // namespace

class Mirror::Impl {
 public:
  Result<> open();
  Result<> begin_scan(std::uint64_t scan_id, std::int64_t scan_time_ms);
  Result<> upsert(const pb::ProcessRecord& record, std::string_view bytes);
  Result<std::shared_ptr<const Image>> finish_scan();
  void abandon_scan();

  std::shared_ptr<const Image> image;
  MirrorCounts finished;
  std::unordered_map<std::int64_t, Entry> entries;

 private:
  Result<> attach(Db db);
  Result<> restore();
  Result<> write_row(const pb::ProcessRecord& record, std::size_t& text_bytes);
  Result<> write_metrics(const pb::ProcessRecord& record);
  Result<> remove_gone();
  Result<std::shared_ptr<const Image>> make_image();
  void remember(std::int64_t pid, const Entry* before);
  std::size_t text_cap() const;

  Db db_;
  Stmt insert_, metrics_, delete_, delete_metrics_;
  Fingerprinter fingerprint_;
  bool open_scan_ = false;
  bool stale_ = false;  // An abandoned scan left its rows in db_.
  std::uint64_t scan_number_ = 0;
  std::uint64_t scan_id_ = 0;
  std::int64_t scan_time_ms_ = 0;
  MirrorCounts counts_;
  std::size_t text_bytes_ = 0;
  std::size_t text_bytes_before_ = 0;
  // What to put back when the scan is abandoned; nothing means that the pid was not there.
  std::vector<std::pair<std::int64_t, std::optional<Entry>>> undo_;
};

Result<> Mirror::Impl::attach(Db db) {
  DE_TRY(insert, prepare_own(db.get(), insert_row_sql()));
  DE_TRY(metrics, prepare_own(db.get(), insert_metrics_sql()));
  DE_TRY(remove, prepare_own(db.get(), "DELETE FROM " + std::string(kRowsTable) + " WHERE \"pid\"=?"));
  DE_TRY(remove_metrics, prepare_own(db.get(), "DELETE FROM " + std::string(kMetricsTable) + " WHERE \"pid\"=?"));
  insert_ = std::move(insert);
  metrics_ = std::move(metrics);
  delete_ = std::move(remove);
  delete_metrics_ = std::move(remove_metrics);
  db_ = std::move(db);
  return {};
}

Result<> Mirror::Impl::open() {
  DE_TRY(db, open_memory_db());
  DE_CHECK(create_snapshot_schema(db.get()));
  DE_CHECK(attach(std::move(db)));
  DE_TRY(empty, publish(db_.get(), {}));
  image = std::move(empty);
  return {};
}

// The latest image is the state before the scan that was abandoned, so no scan needs a journal.
Result<> Mirror::Impl::restore() {
  insert_.reset();
  metrics_.reset();
  delete_.reset();
  delete_metrics_.reset();
  db_.reset();  // First: memory may be why the scan was abandoned.
  DE_TRY(db, copy_of(*image));
  DE_CHECK(attach(std::move(db)));
  stale_ = false;
  return {};
}

Result<> Mirror::Impl::begin_scan(std::uint64_t scan_id, std::int64_t scan_time_ms) {
  if (open_scan_) {
    abandon_scan();
    return fail(Errc::Conflict, "begin scan: one is open already; it was abandoned");
  }
  if (stale_) DE_CHECK(restore());
  DE_CHECK(exec(db_.get(), "BEGIN"));
  open_scan_ = true;
  ++scan_number_;
  scan_id_ = scan_id;
  scan_time_ms_ = scan_time_ms;
  counts_ = {};
  text_bytes_before_ = text_bytes_;
  undo_.clear();
  return {};
}

std::size_t Mirror::Impl::text_cap() const {
  if (text_bytes_ < kRoomyBytes) return kRoomyTextCap;
  return text_bytes_ < kTightBytes ? kTightTextCap : kScarceTextCap;
}

void Mirror::Impl::remember(std::int64_t pid, const Entry* before) {
  undo_.emplace_back(pid, before == nullptr ? std::nullopt : std::optional<Entry>(*before));
}

Result<> Mirror::Impl::upsert(const pb::ProcessRecord& record, std::string_view bytes) {
  if (!open_scan_) return fail(Errc::Conflict, "add to scan: none is open");
  if (fault::drops("mirror")) return {};
  const std::int64_t pid = record.pid();
  Entry now{fingerprint_(bytes), scan_number_, 0};
  const auto found = entries.find(pid);
  const Entry* before = found == entries.end() ? nullptr : &found->second;
  if (before != nullptr) now.text_bytes = before->text_bytes;  // A row that is not rewritten keeps its text.
  Result<> written;
  if (before != nullptr && before->seen_in == scan_number_) ++counts_.duplicates;
  if (before == nullptr || before->print.fixed != now.print.fixed) {
    ++(before == nullptr ? counts_.inserted : counts_.replaced);
    written = write_row(record, now.text_bytes);
  } else if (before->print.moving != now.print.moving) {
    ++counts_.metrics;
    written = write_metrics(record);
  } else {
    ++counts_.unchanged;
  }
  if (!written) {
    abandon_scan();
    return written;
  }
  // Nothing to put back where only `seen_in` moves: the number of an abandoned scan is never used again.
  if (before == nullptr || before->print != now.print) remember(pid, before);
  text_bytes_ += now.text_bytes;
  text_bytes_ -= before == nullptr ? 0 : before->text_bytes;
  if (before != nullptr)
    found->second = now;
  else
    entries.emplace(pid, now);
  return {};
}

Result<> Mirror::Impl::write_row(const pb::ProcessRecord& record, std::size_t& text_bytes) {
  const std::size_t cap = text_cap();
  text_bytes = 0;
  // Texts are bound, not copied: they live until the row is written.
  std::vector<Cell> cells;
  cells.reserve(schema::process_columns().size());
  int index = 0;
  for (const auto& column : schema::process_columns()) {
    ++index;
    if (column.change == Change::Metric) continue;
    const Cell& cell = cells.emplace_back(column.read(record));
    text_bytes += stored_text(cell, cap);
    if (bind_cell(insert_.get(), index, cell, cap) != SQLITE_OK) return fail(sqlite_error(db_.get(), "bind"));
  }
  DE_CHECK(run_once(db_.get(), insert_.get(), "write process " + std::to_string(record.pid())));
  return write_metrics(record);
}

Result<> Mirror::Impl::write_metrics(const pb::ProcessRecord& record) {
  std::vector<Cell> cells;
  cells.reserve(schema::process_columns().size());
  int index = 0;
  for (const auto& column : schema::process_columns()) {
    ++index;
    if (column.change != Change::Metric && column.name != "pid") continue;
    const Cell& cell = cells.emplace_back(column.read(record));
    if (bind_cell(metrics_.get(), index, cell, kTightTextCap) != SQLITE_OK)
      return fail(sqlite_error(db_.get(), "bind"));
  }
  return run_once(db_.get(), metrics_.get(), "write metrics of process " + std::to_string(record.pid()));
}

Result<> Mirror::Impl::remove_gone() {
  for (auto it = entries.begin(); it != entries.end();) {
    if (it->second.seen_in == scan_number_) {
      ++it;
      continue;
    }
    for (const Stmt* remove : {&delete_, &delete_metrics_}) {
      sqlite3_bind_int64(remove->get(), 1, it->first);
      DE_CHECK(run_once(db_.get(), remove->get(), "remove process " + std::to_string(it->first)));
    }
    remember(it->first, &it->second);
    text_bytes_ -= it->second.text_bytes;
    ++counts_.removed;
    it = entries.erase(it);
  }
  return {};
}

Result<std::shared_ptr<const Image>> Mirror::Impl::finish_scan() {
  if (!open_scan_) return fail(Errc::Conflict, "finish scan: none is open");
  auto made = make_image();
  if (!made) {
    abandon_scan();
    return fail(std::move(made).error().during("finish scan"));
  }
  open_scan_ = false;
  undo_.clear();
  undo_.shrink_to_fit();
  finished = counts_;
  image = *made;
  return image;
}

Result<std::shared_ptr<const Image>> Mirror::Impl::make_image() {
  DE_CHECK(remove_gone());
  DE_CHECK(set_scan(db_.get(), scan_id_, scan_time_ms_));
  DE_CHECK(exec(db_.get(), "COMMIT"));
  DE_TRY(free_pages, read_integer(db_.get(), "PRAGMA freelist_count"));
  DE_TRY(pages, read_integer(db_.get(), "PRAGMA page_count"));
  if (free_pages > kFreePagesToVacuum && free_pages > pages / 2) DE_CHECK(exec(db_.get(), "VACUUM"));
  Image description;
  description.scan_id = scan_id_;
  description.scan_time_ms = scan_time_ms_;
  DE_TRY(rows, read_integer(db_.get(), "SELECT count(*) FROM " + std::string(kRowsTable)));
  description.rows = static_cast<std::uint64_t>(rows);
  description.generation = image->generation + 1;
  return publish(db_.get(), std::move(description));
}

void Mirror::Impl::abandon_scan() {
  if (!open_scan_) return;
  open_scan_ = false;
  stale_ = true;
  for (auto it = undo_.rbegin(); it != undo_.rend(); ++it) {
    if (it->second)
      entries[it->first] = *it->second;
    else
      entries.erase(it->first);
  }
  undo_.clear();
  text_bytes_ = text_bytes_before_;
}

Mirror::Mirror(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Mirror::~Mirror() = default;

Result<std::unique_ptr<Mirror>> Mirror::create() {
  auto impl = std::make_unique<Impl>();
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open mirror"));
  return std::unique_ptr<Mirror>(new Mirror(std::move(impl)));
}

Result<> Mirror::begin_scan(std::uint64_t scan_id, std::int64_t scan_time_ms) {
  return impl_->begin_scan(scan_id, scan_time_ms);
}
Result<> Mirror::upsert(const pb::ProcessRecord& record, std::string_view bytes) {
  return impl_->upsert(record, bytes);
}
Result<std::shared_ptr<const Image>> Mirror::finish_scan() { return impl_->finish_scan(); }
void Mirror::abandon_scan() { impl_->abandon_scan(); }
std::shared_ptr<const Image> Mirror::image() const { return impl_->image; }
const MirrorCounts& Mirror::counts() const { return impl_->finished; }
std::uint64_t Mirror::rows() const { return impl_->entries.size(); }

Result<std::shared_ptr<const Image>> empty_image() {
  DE_TRY(db, open_memory_db());
  DE_CHECK(create_snapshot_schema(db.get()));
  return publish(db.get(), {});
}

std::shared_ptr<const Image> with_foreign(const Image& image, std::shared_ptr<const ForeignTables> foreign) {
  auto out = std::make_shared<Image>(image);
  out->foreign = std::move(foreign);
  return out;
}

}  // namespace de::mirror
