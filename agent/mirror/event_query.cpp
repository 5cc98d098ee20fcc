#include "mirror/event_query.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "daemoneye/schema/event_columns.h"
#include "mirror/event_table.h"
#include "mirror/function_args.h"

namespace de::mirror {
namespace {

// Rough costs in rows decoded; what matters is their order.
constexpr double kAllRows = 4e6;

struct Pushed {
  std::string_view column;
  char letter;
  double share;  // Of the rows it leaves.
};
constexpr Pushed kEqual[] = {
    {"process_uid", 'u', 1e-5}, {"pid", 'p', 4e-5},        {"ppid", 'P', 1e-4},          {"executable_hash", 'h', 1e-3},
    {"name", 'n', 1e-3},        {"event_type", 't', 0.25}, {"event_time_ms", '=', 1e-6},
};

struct Range {
  unsigned char op;
  char letter;
};
constexpr Range kRanges[] = {{SQLITE_INDEX_CONSTRAINT_GT, '>'},
                             {SQLITE_INDEX_CONSTRAINT_GE, 'g'},
                             {SQLITE_INDEX_CONSTRAINT_LT, '<'},
                             {SQLITE_INDEX_CONSTRAINT_LE, 'l'}};
constexpr double kRangeShare = 0.1;

std::string_view column_name(int column) {
  const auto columns = schema::event_columns();
  return column < 0 || static_cast<std::size_t>(column) >= columns.size()
             ? std::string_view{}
             : columns[static_cast<std::size_t>(column)].name;
}

// The letter of a constraint that is pushed down, or NUL.
char letter_of(sqlite3_index_info* info, int index, double& share) {
  const auto& constraint = info->aConstraint[index];
  if (constraint.usable == 0) return '\0';
  const std::string_view column = column_name(constraint.iColumn);
  if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ || constraint.op == SQLITE_INDEX_CONSTRAINT_IS) {
    const char* collation = sqlite3_vtab_collation(info, index);
    if (collation == nullptr || std::string_view(collation) != "BINARY") return '\0';
    for (const Pushed& pushed : kEqual) {
      if (pushed.column != column) continue;
      share = pushed.share;
      return pushed.letter;
    }
  }
  if (column != "event_time_ms") return '\0';
  for (const Range& range : kRanges) {
    if (range.op != constraint.op) continue;
    share = kRangeShare;
    return range.letter;
  }
  return '\0';
}

char order_of(const sqlite3_index_info* info) {
  if (info->nOrderBy != 1 || column_name(info->aOrderBy[0].iColumn) != "event_time_ms") return '-';
  return info->aOrderBy[0].desc != 0 ? 'D' : 'A';
}

void from_at_least(EventQuery& query, std::int64_t ms) { query.from_ms = std::max(query.from_ms, ms); }
void to_at_most(EventQuery& query, std::int64_t ms) { query.to_ms = std::min(query.to_ms, ms); }
std::int64_t after(std::int64_t ms) { return ms == kNoEndMs ? kNoEndMs : ms + 1; }

// A bound that is no whole number becomes the next wider one. Texts are not converted: SQLite does, or does not.
void read_time(char letter, sqlite3_value* value, EventQuery& query) {
  std::int64_t low = 0, high = 0;
  if (sqlite3_value_type(value) == SQLITE_INTEGER) {
    low = high = sqlite3_value_int64(value);
  } else if (sqlite3_value_type(value) == SQLITE_FLOAT) {
    const double real = sqlite3_value_double(value);
    if (!(std::abs(real) < 9e15)) return;
    low = static_cast<std::int64_t>(std::floor(real));
    high = static_cast<std::int64_t>(std::ceil(real));
  } else {
    return;
  }
  if (letter == '>') from_at_least(query, low == high ? after(low) : high);
  if (letter == 'g') from_at_least(query, high);
  if (letter == '<') to_at_most(query, high);
  if (letter == 'l') to_at_most(query, after(low));
  if (letter == '=') {
    from_at_least(query, low);
    to_at_most(query, after(high));
  }
}

bool read_pid(sqlite3_value* value, std::optional<std::uint32_t>& slot) {
  if (sqlite3_value_type(value) != SQLITE_INTEGER) return true;
  const std::int64_t number = sqlite3_value_int64(value);
  if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) return false;
  if (slot && *slot != number) return false;
  if (number != 0) slot = static_cast<std::uint32_t>(number);  // 0 is what an event without process shows.
  return true;
}

bool read_exactly(std::string_view text, std::string& slot) {
  if (!slot.empty() && slot != text) return false;
  slot = text;
  return true;
}

bool read_text(char letter, std::string_view text, EventQuery& query) {
  if (text.empty()) return true;  // For the source, an empty text is no constraint.
  if (letter == 'n') return read_exactly(text, query.name);
  if (letter == 'h') return read_exactly(text, query.executable_hash);
  if (letter == 'u') {
    const std::string bytes = schema::uid_bytes(text);
    return !bytes.empty() && read_exactly(bytes, query.process_uid);
  }
  if (text == "unknown") return true;  // Many numbers are.
  const pb::EventType type = schema::parse_event_type(text);
  if (type == pb::EVENT_TYPE_UNKNOWN || (query.type && *query.type != type)) return false;
  query.type = type;
  return true;
}

}  // namespace

int plan_events(sqlite3_index_info* info) {
  std::string plan(1, order_of(info));
  double rows = kAllRows;
  int arguments = 0;
  for (int i = 0; i < info->nConstraint; ++i) {
    double share = 1;
    const char letter = letter_of(info, i, share);
    if (letter == '\0') continue;
    info->aConstraintUsage[i].argvIndex = ++arguments;
    plan += letter;
    rows *= share;
  }
  info->idxStr = sqlite3_mprintf("%s", plan.c_str());
  if (info->idxStr == nullptr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->orderByConsumed = plan.front() != '-' ? 1 : 0;
  info->estimatedRows = static_cast<sqlite3_int64>(std::max(1.0, rows));
  info->estimatedCost = rows + 200;  // Every look at the store costs something, found or not.
  return SQLITE_OK;
}

bool read_constraints(std::string_view plan, std::span<sqlite3_value* const> arguments, EventQuery& out) {
  out.newest_first = plan.front() == 'D';
  plan.remove_prefix(1);
  for (std::size_t i = 0; i < arguments.size() && i < plan.size(); ++i) {
    sqlite3_value* value = arguments[i];
    if (sqlite3_value_type(value) == SQLITE_NULL) continue;  // IS NULL may hold; SQLite knows.
    const char letter = plan[i];
    bool possible = true;
    if (letter == 'p') {
      possible = read_pid(value, out.pid);
    } else if (letter == 'P') {
      possible = read_pid(value, out.ppid);
    } else if (letter == 'n' || letter == 'h' || letter == 'u' || letter == 't') {
      if (sqlite3_value_type(value) == SQLITE_TEXT) possible = read_text(letter, text_of(value), out);
    } else {
      read_time(letter, value, out);
    }
    if (!possible) return false;
  }
  return out.from_ms < out.to_ms;
}

bool has_start(std::string_view plan) { return plan.find_first_of("=>g", 1) != std::string_view::npos; }

}  // namespace de::mirror
