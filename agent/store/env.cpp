#include "store/env.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "daemoneye/base/unique_fd.h"

namespace de::store {
namespace {

// A write that needs a page or two failed: less than this free means that is why.
constexpr std::uint64_t kFullBelowBytes = 256 << 10;

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

// LMDB reports a short write, which is what a nearly full disk gives, as EIO.
bool is_disk_full(const std::string& path) {
  struct statvfs fs {};
  if (::statvfs(path.c_str(), &fs) != 0) return false;
  return static_cast<std::uint64_t>(fs.f_bavail) * fs.f_frsize < kFullBelowBytes;
}

Errc classify(int code, const std::string& path) {
  switch (code) {
    case MDB_MAP_FULL:
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return Errc::Exhausted;
    case EIO:
      return is_disk_full(path) ? Errc::Exhausted : Errc::Io;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
      return Errc::Corrupt;
    case MDB_NOTFOUND:
    case ENOENT:
      return Errc::NotFound;
    case EACCES:
    case EPERM:
      return Errc::Denied;
    default:
      return Errc::Io;
  }
}

}  // namespace

Error lmdb_error(int code, const std::string& path, std::string_view step) {
  const Errc errc = classify(code, path);
  std::string what = path + ": " + std::string(step);
  if (errc == Errc::Exhausted) {
    what += code == MDB_MAP_FULL       ? ": no room left in the map"
            : code == MDB_READERS_FULL ? ": too many readers"
            : code == ENOMEM           ? ": no memory"
                                       : ": no room left on the disk";
    return {errc, std::move(what)};
  }
  if (code < 0) return {errc, what + ": " + ::mdb_strerror(code)};
  return {errc, std::move(what), std::error_code(code, std::generic_category())};
}

namespace {

// LMDB makes its lock file by ftruncate() and writes it through a map: on a full disk that is SIGBUS, not an error.
Result<> take_lock_blocks(const std::string& dir) {
  constexpr off_t kLockBytes = 8192;  // As LMDB 0.9 makes it for its default of 126 readers.
  const std::string path = dir + "/lock.mdb";
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail(lmdb_error(errno, path, "open"));
  if (const int rc = ::posix_fallocate(fd.get(), 0, kLockBytes); rc != 0) return fail(lmdb_error(rc, path, "reserve"));
  return {};
}

}  // namespace

Result<std::unique_ptr<Env>> Env::open(const EnvOptions& options) {
  DE_CHECK(take_lock_blocks(options.dir));
  MDB_env* raw = nullptr;
  if (const int rc = ::mdb_env_create(&raw); rc != 0) return fail(lmdb_error(rc, options.dir, "create environment"));
  std::unique_ptr<Env> env(new Env(raw, options.dir));
  int rc = ::mdb_env_set_mapsize(raw, static_cast<std::size_t>(options.map_bytes));
  if (rc == 0) rc = ::mdb_env_set_maxdbs(raw, static_cast<MDB_dbi>(options.tables.size()));
  if (rc == 0) rc = ::mdb_env_open(raw, options.dir.c_str(), MDB_NOMETASYNC | MDB_NOTLS | MDB_NORDAHEAD, 0600);
  if (rc != 0) return fail(lmdb_error(rc, options.dir, "open"));
  DE_CHECK(env->cover_map());
  int dead = 0;
  rc = ::mdb_reader_check(raw, &dead);  // Readers that died with their process would keep old pages alive.
  if (rc != 0) return fail(lmdb_error(rc, options.dir, "check readers"));

  auto opened = env->open_tables(options.tables, false);
  if (!opened && opened.error().code() == Errc::NotFound) opened = env->open_tables(options.tables, true);
  if (!opened) return fail(std::move(opened).error());
  DE_CHECK(env->find_map());
  return env;
}

Env::~Env() { ::mdb_env_close(env_); }

Result<> Env::open_tables(std::span<const TableSpec> specs, bool create) {
  DE_TRY(txn, Txn::begin(*this, create ? Txn::Kind::Write : Txn::Kind::Read));
  tables_.assign(specs.size(), 0);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const unsigned flags = specs[i].flags | (create ? static_cast<unsigned>(MDB_CREATE) : 0U);
    if (const int rc = ::mdb_dbi_open(txn.raw(), specs[i].name, flags, &tables_[i]); rc != 0)
      return fail(lmdb_error(rc, path_, std::string("open table ") + specs[i].name));
  }
  return txn.commit();  // Also for reading: only a commit makes the handles last.
}

// A file that was cut behind our back would end in SIGBUS when a page beyond its end is read through the map. Grown
// back with zeros, the same page is refused by LMDB or by a value's CRC. (A healthy file may be a few pages short too:
// pages at the end that were freed in the transaction that took them are never written.)
Result<> Env::cover_map() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  ::mdb_env_info(env_, &info);
  ::mdb_env_stat(env_, &stat);
  mdb_filehandle_t fd = -1;
  ::mdb_env_get_fd(env_, &fd);
  struct stat file {};
  if (::fstat(fd, &file) != 0) return fail(Errc::Io, path_ + ": fstat", last_os_error());
  const auto needed = static_cast<std::uint64_t>(info.me_last_pgno + 1) * stat.ms_psize;
  if (static_cast<std::uint64_t>(file.st_size) >= needed) return {};
  if (needed > info.me_mapsize) return fail(Errc::Corrupt, path_ + ": says it is larger than its map");
  if (::ftruncate(fd, static_cast<off_t>(needed)) != 0)
    return fail(Errc::Io, path_ + ": grow a cut file", last_os_error());
  return {};
}

// LMDB says where its map is only when it was asked for a fixed place. But what is read lies in it.
Result<> Env::find_map() {
  DE_TRY(txn, Txn::begin(*this, Txn::Kind::Read));
  MDB_dbi main = 0;
  if (const int rc = ::mdb_dbi_open(txn.raw(), nullptr, 0, &main); rc != 0)
    return fail(lmdb_error(rc, path_, "open main table"));
  DE_TRY(cursor, Cursor::open(txn, main));  // Names the other tables: never empty.
  DE_TRY(any, cursor.first());
  if (any) map_ = mapping_around(cursor.value().data());
  return {};
}

void Env::forget_pages() const {
  if (map_.begin == nullptr) return;
  (void)::madvise(map_.begin, map_.bytes, MADV_DONTNEED);  // Advice: refused, nothing is lost but memory.
}

std::uint64_t Env::disk_bytes() const {
  mdb_filehandle_t fd = -1;
  struct stat file {};
  if (::mdb_env_get_fd(env_, &fd) != 0 || ::fstat(fd, &file) != 0) return 0;
  return static_cast<std::uint64_t>(file.st_blocks) * 512;
}

Result<Txn> Txn::begin(const Env& env, Kind kind) {
  MDB_txn* txn = nullptr;
  const unsigned flags = kind == Kind::Read ? static_cast<unsigned>(MDB_RDONLY) : 0U;
  if (const int rc = ::mdb_txn_begin(env.raw(), nullptr, flags, &txn); rc != 0)
    return fail(lmdb_error(rc, env.path(), "begin transaction"));
  return Txn(env, txn);
}

Txn::~Txn() {
  if (txn_ != nullptr) ::mdb_txn_abort(txn_);
}

Result<std::optional<std::string_view>> Txn::get(MDB_dbi table, std::string_view key) const {
  MDB_val k = to_val(key), v{};
  const int rc = ::mdb_get(txn_, table, &k, &v);
  if (rc == MDB_NOTFOUND) return std::optional<std::string_view>();
  if (rc != 0) return fail(lmdb_error(rc, env_->path(), "get"));
  return std::optional(std::string_view(static_cast<const char*>(v.mv_data), v.mv_size));
}

Result<> Txn::put(MDB_dbi table, std::string_view key, std::string_view value, unsigned flags) {
  MDB_val k = to_val(key), v = to_val(value);
  if (const int rc = ::mdb_put(txn_, table, &k, &v, flags); rc != 0) return fail(lmdb_error(rc, env_->path(), "put"));
  return {};
}

Result<bool> Txn::erase(MDB_dbi table, std::string_view key) {
  MDB_val k = to_val(key);
  const int rc = ::mdb_del(txn_, table, &k, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND) return fail(lmdb_error(rc, env_->path(), "delete"));
  return rc == 0;
}

Result<bool> Txn::erase(MDB_dbi table, std::string_view key, std::string_view value) {
  MDB_val k = to_val(key), v = to_val(value);
  const int rc = ::mdb_del(txn_, table, &k, &v);
  if (rc != 0 && rc != MDB_NOTFOUND) return fail(lmdb_error(rc, env_->path(), "delete"));
  return rc == 0;
}

Result<> Txn::clear(MDB_dbi table) {
  if (const int rc = ::mdb_drop(txn_, table, 0); rc != 0) return fail(lmdb_error(rc, env_->path(), "clear"));
  return {};
}

Result<std::uint64_t> Txn::entries(MDB_dbi table) const {
  MDB_stat stat{};
  if (const int rc = ::mdb_stat(txn_, table, &stat); rc != 0) return fail(lmdb_error(rc, env_->path(), "stat"));
  return static_cast<std::uint64_t>(stat.ms_entries);
}

Result<std::uint64_t> Txn::bytes(MDB_dbi table) const {
  MDB_stat stat{};
  if (const int rc = ::mdb_stat(txn_, table, &stat); rc != 0) return fail(lmdb_error(rc, env_->path(), "stat"));
  return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * std::uint64_t{stat.ms_psize};
}

Result<> Txn::commit() {
  const int rc = ::mdb_txn_commit(std::exchange(txn_, nullptr));
  if (rc != 0) return fail(lmdb_error(rc, env_->path(), "commit"));
  return {};
}

Result<> Txn::renew() {
  ::mdb_txn_reset(txn_);
  if (const int rc = ::mdb_txn_renew(txn_); rc != 0) return fail(lmdb_error(rc, env_->path(), "renew transaction"));
  return {};
}

Result<Cursor> Cursor::open(const Txn& txn, MDB_dbi table) {
  MDB_cursor* cursor = nullptr;
  if (const int rc = ::mdb_cursor_open(txn.raw(), table, &cursor); rc != 0)
    return fail(lmdb_error(rc, txn.env().path(), "open cursor"));
  return Cursor(txn.env(), cursor);
}

Cursor::~Cursor() { close(); }

void Cursor::close() {
  if (cursor_ != nullptr) ::mdb_cursor_close(std::exchange(cursor_, nullptr));
}

Result<bool> Cursor::move(MDB_cursor_op op, std::string_view key) {
  if (op == MDB_SET_RANGE || op == MDB_SET_KEY) key_ = to_val(key);
  const int rc = ::mdb_cursor_get(cursor_, &key_, &value_, op);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(lmdb_error(rc, env_->path(), "read"));
  return true;
}

Result<bool> Cursor::seek_duplicate(std::string_view key, std::string_view value) {
  key_ = to_val(key);
  value_ = to_val(value);
  const int rc = ::mdb_cursor_get(cursor_, &key_, &value_, MDB_GET_BOTH_RANGE);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(lmdb_error(rc, env_->path(), "read"));
  return true;
}

}  // namespace de::store
