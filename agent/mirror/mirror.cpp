#include "mirror/mirror.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/database.h"
#include "mirror/keyed_hash.h"
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
  std::uint64_t static_hash = 0;
  std::uint64_t metric_hash = 0;
  std::uint64_t seen_in = 0;  // The number of the scan that reported it last.
  std::size_t text_bytes = 0;
};

void append_cell(std::string& to, const Cell& cell) {
  to += static_cast<char>(cell.index());
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
    append_le(to, static_cast<std::uint64_t>(*integer));
  } else if (const auto* real = std::get_if<double>(&cell)) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, real, sizeof bits);
    append_le(to, bits);
  } else if (const auto* view = std::get_if<std::string_view>(&cell)) {
    append_le(to, static_cast<std::uint64_t>(view->size()));
    to += *view;
  } else if (const auto* text = std::get_if<std::string>(&cell)) {
    append_le(to, static_cast<std::uint64_t>(text->size()));
    to += *text;
  }
}

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
  Result<> upsert(const pb::ProcessRecord& record);
  Result<std::shared_ptr<const Image>> finish_scan();
  void abandon_scan();

  std::shared_ptr<const Image> image;
  MirrorCounts finished;
  std::unordered_map<std::int64_t, Entry> entries;

 private:
  Result<> write_row(std::int64_t pid, std::size_t cap);
  Result<> write_metrics(std::int64_t pid);
  Result<> remove_gone();
  void remember(std::int64_t pid, const Entry* before);
  std::size_t text_cap() const;

  Db db_;
  Stmt insert_, update_, delete_;
  const HashKey key_ = random_hash_key();
  bool open_scan_ = false;
  std::uint64_t scan_number_ = 0;
  std::uint64_t scan_id_ = 0;
  std::int64_t scan_time_ms_ = 0;
  MirrorCounts counts_;
  std::size_t text_bytes_ = 0;
  std::size_t text_bytes_before_ = 0;
  // What to put back when the scan is abandoned; nothing means that the pid was not there.
  std::vector<std::pair<std::int64_t, std::optional<Entry>>> undo_;
  std::vector<Cell> cells_;  // Of the record in hand; reused.
  std::string static_bytes_, metric_bytes_;
};

Result<> Mirror::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(create_snapshot_schema(db_.get()));
  DE_TRY(insert, prepare_own(db_.get(), insert_row_sql()));
  DE_TRY(update, prepare_own(db_.get(), update_metrics_sql()));
  DE_TRY(remove, prepare_own(db_.get(), "DELETE FROM " + std::string(kRowsTable) + " WHERE \"pid\"=?"));
  insert_ = std::move(insert);
  update_ = std::move(update);
  delete_ = std::move(remove);
  DE_TRY(empty, publish(db_.get(), {}));
  image = std::move(empty);
  return {};
}

Result<> Mirror::Impl::begin_scan(std::uint64_t scan_id, std::int64_t scan_time_ms) {
  if (open_scan_) {
    abandon_scan();
    return fail(Errc::Conflict, "begin scan: one is open already; it was abandoned");
  }
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

Result<> Mirror::Impl::upsert(const pb::ProcessRecord& record) {
  if (!open_scan_) return fail(Errc::Conflict, "add to scan: none is open");
  const std::int64_t pid = record.pid();
  cells_.clear();
  static_bytes_.clear();
  metric_bytes_.clear();
  std::size_t text_bytes = 0;
  const std::size_t cap = text_cap();
  for (const auto& column : schema::process_columns()) {
    const Cell& cell = cells_.emplace_back(column.read(record));
    append_cell(column.change == Change::Static ? static_bytes_ : metric_bytes_, cell);
    text_bytes += stored_text(cell, cap);
  }
  const Entry now{keyed_hash(key_, static_bytes_), keyed_hash(key_, metric_bytes_), scan_number_, text_bytes};

  const auto found = entries.find(pid);
  const Entry* before = found == entries.end() ? nullptr : &found->second;
  Result<> written;
  if (before != nullptr && before->seen_in == scan_number_) ++counts_.duplicates;
  if (before == nullptr || before->static_hash != now.static_hash) {
    ++(before == nullptr ? counts_.inserted : counts_.replaced);
    written = write_row(pid, cap);
  } else if (before->metric_hash != now.metric_hash) {
    ++counts_.metrics;
    written = write_metrics(pid);
  } else {
    ++counts_.unchanged;
  }
  if (!written) {
    abandon_scan();
    return written;
  }
  remember(pid, before);
  // An unchanged row keeps the text it was stored with.
  const bool rewritten = before == nullptr || before->static_hash != now.static_hash;
  Entry next = now;
  if (!rewritten) next.text_bytes = before->text_bytes;
  text_bytes_ += next.text_bytes;
  text_bytes_ -= before == nullptr ? 0 : before->text_bytes;
  entries[pid] = next;
  return {};
}

Result<> Mirror::Impl::write_row(std::int64_t pid, std::size_t cap) {
  int index = 0;
  for (const Cell& cell : cells_)
    if (bind_cell(insert_.get(), ++index, cell, cap) != SQLITE_OK) return fail(sqlite_error(db_.get(), "bind"));
  return run_once(db_.get(), insert_.get(), "write process " + std::to_string(pid));
}

Result<> Mirror::Impl::write_metrics(std::int64_t pid) {
  int index = 0;
  const auto columns = schema::process_columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].change != Change::Metric) continue;
    if (bind_cell(update_.get(), ++index, cells_[i], kTightTextCap) != SQLITE_OK)
      return fail(sqlite_error(db_.get(), "bind"));
  }
  sqlite3_bind_int64(update_.get(), ++index, pid);
  return run_once(db_.get(), update_.get(), "write metrics of process " + std::to_string(pid));
}

Result<> Mirror::Impl::remove_gone() {
  for (auto it = entries.begin(); it != entries.end();) {
    if (it->second.seen_in == scan_number_) {
      ++it;
      continue;
    }
    sqlite3_bind_int64(delete_.get(), 1, it->first);
    DE_CHECK(run_once(db_.get(), delete_.get(), "remove process " + std::to_string(it->first)));
    remember(it->first, &it->second);
    text_bytes_ -= it->second.text_bytes;
    ++counts_.removed;
    it = entries.erase(it);
  }
  return {};
}

Result<std::shared_ptr<const Image>> Mirror::Impl::finish_scan() {
  if (!open_scan_) return fail(Errc::Conflict, "finish scan: none is open");
  Result<> done = remove_gone();
  if (done) done = set_scan(db_.get(), scan_id_, scan_time_ms_);
  if (done) done = exec(db_.get(), "COMMIT");
  if (!done) {
    abandon_scan();
    return fail(std::move(done).error().during("finish scan"));
  }
  open_scan_ = false;
  undo_.clear();
  undo_.shrink_to_fit();
  finished = counts_;

  DE_TRY(free_pages, read_integer(db_.get(), "PRAGMA freelist_count"));
  DE_TRY(pages, read_integer(db_.get(), "PRAGMA page_count"));
  if (free_pages > kFreePagesToVacuum && free_pages > pages / 2) DE_CHECK(exec(db_.get(), "VACUUM"));
  Image description;
  description.scan_id = scan_id_;
  description.scan_time_ms = scan_time_ms_;
  description.rows = entries.size();
  description.generation = image->generation + 1;
  DE_TRY(made, publish(db_.get(), std::move(description)));
  image = made;
  return made;
}

void Mirror::Impl::abandon_scan() {
  if (!open_scan_) return;
  open_scan_ = false;
  // SQLite may have rolled back by itself (out of memory); a second rollback then fails, which is right.
  (void)exec(db_.get(), "ROLLBACK");
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
Result<> Mirror::upsert(const pb::ProcessRecord& record) { return impl_->upsert(record); }
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

}  // namespace de::mirror
