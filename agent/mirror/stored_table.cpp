#include "mirror/stored_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemoneye/crypto/siphash.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/stored_query.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

struct StoredVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {
    ~Cursor() { finish(false); }
    int filter(std::string_view plan, std::span<sqlite3_value* const> values);
    int next();
    bool at_end() const { return !is_reading; }
    int column(sqlite3_context* context, int column) const;
    sqlite3_int64 row_id() const;
    int step();
    bool is_of_others() const;
    void finish(bool at_end);

    StoredQuery query;
    NextRows next_rows;
    std::span<const StoredRow> page;
    std::size_t at = 0;
    bool is_reading = false;
    std::uint64_t rows = 0;               // Of this reading.
    std::optional<std::int64_t> last_ms;  // Of the row it stood on last.
  };

  StoredVtab(void* client, std::string_view)
      : sqlite3_vtab{},
        tables(static_cast<const StoredTables::Module*>(client)->shared),
        which(static_cast<const StoredTables::Module*>(client)->table) {}
  std::string declaration() const { return declaration_of(info_of(which).columns); }
  int plan(sqlite3_index_info* info) const { return plan_stored(which, info); }

  StoredTables* tables;
  StoredTable which;
  crypto::SipHash hash;
};

// What a reading looked at counts even when it was left half-way: up to the last row.
void StoredVtab::Cursor::finish(bool at_end) {
  if (!std::exchange(is_reading, false)) return;
  const auto& table = table_of<StoredVtab>(*this);
  if (at_end) {
    table.tables->saw(table.which, {query.from_ms, query.to_ms, rows, 1});
  } else if (query.table != StoredTable::Events) {
    // The others do not come by time.
    if (last_ms) table.tables->saw(table.which, {query.from_ms, query.to_ms, rows, 1});
  } else if (last_ms) {
    table.tables->saw(table.which, {query.newest_first ? *last_ms : query.from_ms,
                                    query.newest_first ? query.to_ms : *last_ms + 1, rows, 1});
  }
  next_rows = nullptr;
  page = {};
  at = 0;
  rows = 0;
  last_ms.reset();
}

// Of a rule that this statement may see no traces of.
bool StoredVtab::Cursor::is_of_others() const {
  const auto& table = table_of<StoredVtab>(*this);
  if (!is_reading || table.which != StoredTable::Traces || !table.tables->traces_of) return false;
  static const auto kRule = static_cast<std::size_t>(
      std::ranges::find(info_of(StoredTable::Traces).columns, "rule_id", &schema::ColumnInfo::name) -
      info_of(StoredTable::Traces).columns.begin());
  const schema::Cell cell = cell_of(table.which, page[at], kRule);
  const auto* borrowed = std::get_if<std::string_view>(&cell);
  const auto* owned = std::get_if<std::string>(&cell);
  const std::string rule = borrowed != nullptr ? std::string(*borrowed) : owned != nullptr ? *owned : std::string();
  return !table.tables->traces_of->contains(rule);
}

int StoredVtab::Cursor::next() {
  int rc = step();
  while (rc == SQLITE_OK && is_of_others()) rc = step();
  return rc;
}

int StoredVtab::Cursor::step() {
  StoredTables& shared = *table_of<StoredVtab>(*this).tables;
  if (at < page.size()) ++at;
  if (at == page.size()) {
    auto fresh = next_rows();
    if (!fresh) {
      const bool is_late = fresh.error().code() == Errc::Timeout;
      if (!shared.error) shared.error = std::move(fresh).error();
      return is_late ? SQLITE_INTERRUPT : SQLITE_ERROR;
    }
    page = *fresh;
    at = 0;
    if (page.empty()) {
      finish(true);
      return SQLITE_OK;
    }
  }
  ++rows;
  last_ms = time_of(table_of<StoredVtab>(*this).which, page[at]);
  return SQLITE_OK;
}

int StoredVtab::Cursor::filter(std::string_view plan, std::span<sqlite3_value* const> values) {
  finish(false);
  const auto& table = table_of<StoredVtab>(*this);
  if (table.tables->source == nullptr) return SQLITE_OK;
  query = StoredQuery();
  query.table = table.which;
  query.from_ms = table.tables->from_ms;
  query.to_ms = table.tables->to_ms;
  if (!read_constraints(plan, values, query)) return SQLITE_OK;
  next_rows = table.tables->source->read(query);
  is_reading = true;
  return next();
}

int StoredVtab::Cursor::column(sqlite3_context* context, int column) const {
  if (query.table == StoredTable::Events && (event_parts(static_cast<std::size_t>(column)) & ~query.parts) != 0)
    return SQLITE_INTERNAL;  // SQLite did not say that it would ask.
  // Copied: the page may be gone while SQLite still has the value.
  give_copy(context, cell_of(table_of<StoredVtab>(*this).which, page[at], static_cast<std::size_t>(column)));
  return SQLITE_OK;
}

// SQLite takes rows of one statement with the same number for the same row, whichever way it came to them.
sqlite3_int64 StoredVtab::Cursor::row_id() const {
  const auto& table = table_of<StoredVtab>(*this);
  const std::string identity = identity_of(table.which, page[at]);
  return identity.empty() ? reinterpret_cast<std::intptr_t>(page[at].cells.data())
                          : static_cast<sqlite3_int64>(table.hash(identity));
}

}  // namespace

void StoredTables::start() {
  error.reset();
  seen_.fill({});
}

void StoredTables::saw(StoredTable table, Span times) {
  Span& seen = seen_[static_cast<std::size_t>(table)];
  seen.rows += times.rows;
  seen.looks += times.looks;
  if (times.is_empty()) return;
  const bool first = seen.is_empty();
  seen.from_ms = first ? times.from_ms : std::min(seen.from_ms, times.from_ms);
  seen.to_ms = first ? times.to_ms : std::max(seen.to_ms, times.to_ms);
}

const StoredTables& nothing_stored() {
  static const StoredTables kNothing;
  return kNothing;
}

Result<> add_stored_modules(sqlite3* db, const StoredTables& tables) {
  for (const StoredTableName& known : kStoredTableNames) {
    // SQLite hands the pointer back as it is; nothing is written through it.
    auto* client = const_cast<StoredTables::Module*>(tables.module(known.table));
    if (sqlite3_create_module_v2(db, known.module, VirtualTable<StoredVtab>::module(), client, nullptr) != SQLITE_OK)
      return fail(sqlite_error(db, "add the table " + std::string(known.public_name)));
  }
  return {};
}

Result<> create_stored_tables(sqlite3* db, std::string_view schema) {
  for (const StoredTableName& known : kStoredTableNames)
    DE_CHECK(exec(
        db, "CREATE VIRTUAL TABLE IF NOT EXISTS " + std::string(schema) + "." + known.name + " USING " + known.module));
  return {};
}

Result<> connect_stored_tables(sqlite3* db, std::string_view schema) {
  for (const StoredTableName& known : kStoredTableNames)
    DE_CHECK(exec(db, "SELECT 1 FROM " + std::string(schema) + "." + known.name + " LIMIT 0"));
  return {};
}

}  // namespace de::mirror
