// LMDB, wrapped: one environment, its tables, transactions and cursors as owned objects, failures as Result.
//
// Limits of LMDB 0.9 that the callers keep: an environment is opened once per process, a view into a value dies with
// its transaction (and in a write transaction with the next put), a cursor goes out of scope before commit().
//
// Thread: Env any; a Txn and its cursors belong to one thread.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/result.h"
#include "store/mapping.h"

namespace de::store {

struct TableSpec {
  const char* name;
  unsigned flags;  // MDB_DUPSORT and so on; 0 for a plain table.
};

struct EnvOptions {
  std::string dir;  // Exists.
  std::uint64_t map_bytes = 0;
  std::span<const TableSpec> tables;
};

// Names `path` and the step. No room in the file system or the map is Exhausted; broken pages are Corrupt.
Error lmdb_error(int code, const std::string& path, std::string_view step);

class Env {
 public:
  static Result<std::unique_ptr<Env>> open(const EnvOptions& options);
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  MDB_dbi table(std::size_t index) const { return tables_[index]; }
  MDB_env* raw() const { return env_; }
  const std::string& path() const { return path_; }
  // Gives the map's pages back to the page cache: what was touched once would count as ours for good.
  void forget_pages() const;
  std::uint64_t disk_bytes() const;

 private:
  Env(MDB_env* env, std::string path) : env_(env), path_(std::move(path)) {}
  Result<> open_tables(std::span<const TableSpec> specs, bool create);
  Result<> cover_map() const;
  Result<> find_map();

  MDB_env* env_;
  Mapping map_;
  std::string path_;
  std::vector<MDB_dbi> tables_;
};

class Txn {
 public:
  enum class Kind : bool { Read, Write };
  static Result<Txn> begin(const Env& env, Kind kind);
  Txn(Txn&& other) noexcept : env_(other.env_), txn_(std::exchange(other.txn_, nullptr)) {}
  Txn& operator=(Txn&&) = delete;
  ~Txn();

  Result<std::optional<std::string_view>> get(MDB_dbi table, std::string_view key) const;
  Result<> put(MDB_dbi table, std::string_view key, std::string_view value, unsigned flags = 0);
  // Whether it was there. With a value: that pair only (DUPSORT).
  Result<bool> erase(MDB_dbi table, std::string_view key);
  Result<bool> erase(MDB_dbi table, std::string_view key, std::string_view value);
  Result<> clear(MDB_dbi table);  // Every entry of it.
  Result<std::uint64_t> entries(MDB_dbi table) const;
  Result<std::uint64_t> bytes(MDB_dbi table) const;  // Of its pages.
  Result<> commit();
  // Lets a long read see (and keep) newer pages; every view of this transaction is dead afterwards.
  Result<> renew();

  MDB_txn* raw() const { return txn_; }
  const Env& env() const { return *env_; }

 private:
  Txn(const Env& env, MDB_txn* txn) : env_(&env), txn_(txn) {}
  const Env* env_;
  MDB_txn* txn_;
};

class Cursor {
 public:
  static Result<Cursor> open(const Txn& txn, MDB_dbi table);
  Cursor(Cursor&& other) noexcept
      : env_(other.env_), cursor_(std::exchange(other.cursor_, nullptr)), key_(other.key_), value_(other.value_) {}
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  // False at the end. seek(): the first entry at or after `key`.
  Result<bool> seek(std::string_view key) { return move(MDB_SET_RANGE, key); }
  Result<bool> seek_exact(std::string_view key) { return move(MDB_SET_KEY, key); }
  Result<bool> first() { return move(MDB_FIRST); }
  Result<bool> last() { return move(MDB_LAST); }
  Result<bool> next() { return move(MDB_NEXT); }
  Result<bool> next_same_key() { return move(MDB_NEXT_DUP); }
  Result<bool> previous() { return move(MDB_PREV); }
  // The first duplicate of `key` at or after `value`.
  Result<bool> seek_duplicate(std::string_view key, std::string_view value);

  // Before the transaction is renewed or committed.
  void close();

  std::string_view key() const { return {static_cast<const char*>(key_.mv_data), key_.mv_size}; }
  std::string_view value() const { return {static_cast<const char*>(value_.mv_data), value_.mv_size}; }

 private:
  Cursor(const Env& env, MDB_cursor* cursor) : env_(&env), cursor_(cursor) {}
  Result<bool> move(MDB_cursor_op op, std::string_view key = {});
  const Env* env_;
  MDB_cursor* cursor_;
  MDB_val key_{};
  MDB_val value_{};
};

}  // namespace de::store
