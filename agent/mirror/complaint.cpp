#include "mirror/complaint.h"

#include <algorithm>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/osquery/tokens.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/table.h"
#include "mirror/functions.h"
#include "mirror/gate.h"

namespace de::mirror {
namespace {

constexpr std::string_view kNeverReads[] = {
    "ALTER",  "ANALYZE", "ATTACH",  "BEGIN",   "COMMIT",  "CREATE",   "DELETE",    "DETACH", "DROP",  "END",
    "INSERT", "PRAGMA",  "REINDEX", "RELEASE", "REPLACE", "ROLLBACK", "SAVEPOINT", "UPDATE", "VACUUM"};

std::string in_units(std::size_t bytes) {
  return bytes >= 1UL << 20 ? std::to_string(bytes >> 20) + " MiB" : std::to_string(bytes >> 10) + " KiB";
}

// Over budget, or nothing that the charge explains.
bool is_overrun(const Charge& charge) { return charge.over_time || charge.over_memory; }

Error overrun(const Charge& charge, const Budget& budget) {
  if (charge.is_unwanted != nullptr && charge.is_unwanted->load(std::memory_order_relaxed))
    return {Errc::Cancelled, "nobody waits for the answer any more"};
  if (charge.over_time)
    return {Errc::Timeout, "the query took longer than its limit of " + std::to_string(budget.time_ms) +
                               " ms; narrow it with WHERE or a join on an indexed column"};
  return {Errc::Exhausted, "the query needed more memory than its limit of " + in_units(budget.memory_bytes) +
                               "; select fewer columns or rows to sort or group"};
}

std::size_t skip_blanks_and_comments(std::string_view sql) {
  std::size_t at = 0;
  while (at < sql.size()) {
    if (sql[at] == ' ' || sql[at] == ';' || (sql[at] >= '\t' && sql[at] <= '\r')) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  return at;
}

// " (line 2, column 5)" when SQLite knows where.
std::string place(sqlite3* db, std::string_view sql) {
  const int offset = sqlite3_error_offset(db);
  if (offset < 0 || static_cast<std::size_t>(offset) > sql.size()) return {};
  std::string before(sql.substr(0, static_cast<std::size_t>(offset)));
  if (const auto preamble = osquery::preamble_of(before); !preamble.empty())
    before.erase(static_cast<std::size_t>(preamble.data() - before.data()), preamble.size());
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return " (line " + std::to_string(line) + ", column " + std::to_string(column) + ")";
}

// The nearest name that exists, for the three complaints about a name that does not.
std::string advice(std::string_view message) {
  const auto after = [&](std::string_view prefix) {
    return message.starts_with(prefix) ? message.substr(prefix.size()) : std::string_view{};
  };
  std::vector<std::string_view> names;
  if (std::string_view column = after("no such column: "); !column.empty()) {
    if (const std::size_t dot = column.rfind('.'); dot != std::string_view::npos) column.remove_prefix(dot + 1);
    for (const schema::TableInfo& table : schema::tables())
      for (const schema::ColumnInfo& info : table.columns) names.push_back(info.name);
    return suggestion(column, names);
  }
  if (const std::string_view table = after("no such table: "); !table.empty()) {
    for (const schema::TableInfo& info : schema::tables()) names.push_back(info.name);
    names.insert(names.end(), {"processes.snapshots", "snapshots"});
    std::string near = suggestion(table, names);
    if (!near.empty()) return near;
    std::string known = "; known: ";
    for (const schema::TableInfo& info : schema::tables()) known += std::string(info.name) + ", ";
    return known + "processes.snapshots";
  }
  if (const std::string_view function = after("no such function: "); !function.empty())
    return suggestion(function, allowed_functions());
  return {};
}

// A built-in that was removed is left with no way to call it, and SQLite blames the arguments.
std::string removed_function(std::string_view message) {
  constexpr std::string_view kPrefix = "wrong number of arguments to function ";
  if (!message.starts_with(kPrefix)) return {};
  const std::string_view name = message.substr(kPrefix.size(), message.find('(') - kPrefix.size());
  const auto allowed = allowed_functions();
  if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return {};
  return "function " + std::string(name) + "() is not allowed";
}

std::string plain(sqlite3* db, std::string_view sql) {
  const std::string message = escape_controls(sqlite3_errmsg(db));
  // Of all tables only these leave SQLite without a way to read them.
  if (message == "no query solution")
    for (const schema::TableInfo& table : schema::live_tables())
      if (osquery::lower(sql).find(table.name.substr(table.name.find('.') + 1)) != std::string::npos)
        return std::string(table.name) + " is read for the processes that are named: add pid = ... or a join on pid";
  if (message == "no query solution")
    return std::string(osquery::lower(sql).find("magic") == std::string::npos ? "file is" : "file and magic are") +
           " answered for named paths only: add path = '...', path IN (...) or a join on path (LIKE and directory "
           "name none)";
  if (std::string removed = removed_function(message); !removed.empty()) return removed;
  return message + advice(message);
}

}  // namespace

std::string forbidden_verb(std::string_view sql) {
  sql.remove_prefix(skip_blanks_and_comments(sql));
  std::string word;
  for (const char c : sql.substr(0, 16)) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) break;
    word += static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
  }
  return std::binary_search(std::begin(kNeverReads), std::end(kNeverReads), std::string_view(word)) ? word : "";
}

Error complaint_at_prepare(sqlite3* db, std::string_view sql, const std::string& refusal, const Charge& charge,
                           const Budget& budget) {
  const int code = sqlite3_errcode(db) & 0xff;
  if (is_overrun(charge)) return overrun(charge, budget);
  if (const std::string verb = forbidden_verb(sql); !verb.empty())
    return {Errc::Invalid, verb + " is not allowed: queries only read"};
  if (!refusal.empty()) return {Errc::Invalid, refusal};
  if (code == SQLITE_NOMEM) return {Errc::Invalid, "the statement is too complex"};
  if (code == SQLITE_TOOBIG)
    return {Errc::Invalid, "a value is longer than " + in_units(static_cast<std::size_t>(kMaxValueBytes))};
  return {Errc::Invalid, plain(db, sql) + place(db, sql)};
}

Error complaint_at_step(sqlite3* db, const std::string& refusal, const Charge& charge, const Budget& budget) {
  const int code = sqlite3_errcode(db) & 0xff;
  if (is_overrun(charge)) return overrun(charge, budget);
  if (!refusal.empty()) return {Errc::Invalid, refusal};
  if (code == SQLITE_NOMEM) return {Errc::Exhausted, "SQLite is out of memory"};
  if (code == SQLITE_TOOBIG)
    return {Errc::Invalid, "a value is longer than " + in_units(static_cast<std::size_t>(kMaxValueBytes))};
  if (code == SQLITE_ERROR || code == SQLITE_MISMATCH || code == SQLITE_CONSTRAINT)
    return {Errc::Invalid, plain(db, {})};
  return {Errc::Io, std::string("run query: ") + sqlite3_errmsg(db)};
}

}  // namespace de::mirror
