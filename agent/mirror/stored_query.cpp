#include "mirror/stored_query.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "daemoneye/schema/event_columns.h"
#include "mirror/function_args.h"
#include "mirror/stored_row.h"

namespace de::mirror {
namespace {

// Rough costs in rows decoded; what matters is their order.
struct Size {
  double rows;
  double walk;  // What is left to read, of the whole, however few rows are asked for.
};
constexpr std::array<Size, kStoredTables> kSizes = {{{4e6, 0}, {1e8, 0.01}, {1e5, 0.1}, {1e5, 0.5}, {1e5, 0.5}}};

struct Pushed {
  std::string_view column;
  char letter;
  double share;  // Of the rows it leaves.
};
constexpr Pushed kEqual[] = {
    {"process_uid", 'u', 1e-5}, {"pid", 'p', 4e-5},        {"ppid", 'P', 1e-4},    {"executable_hash", 'h', 1e-3},
    {"name", 'n', 1e-3},        {"event_type", 't', 0.25}, {"scan_id", 's', 1e-4}, {"rule_id", 'r', 0.02},
};
constexpr double kMomentShare = 1e-6;  // Of one time.

struct Range {
  unsigned char op;
  char letter;
};
constexpr Range kRanges[] = {{SQLITE_INDEX_CONSTRAINT_GT, '>'},
                             {SQLITE_INDEX_CONSTRAINT_GE, 'g'},
                             {SQLITE_INDEX_CONSTRAINT_LT, '<'},
                             {SQLITE_INDEX_CONSTRAINT_LE, 'l'}};
constexpr double kRangeShare = 0.1;
constexpr std::string_view kTimeLetters = "=<>gl12345";

// The same of the column that has the time in seconds.
constexpr std::string_view kSecondsColumn = "event_time_s";
char in_seconds(char letter) {
  constexpr std::string_view kOfMs = "=><gl", kOfSeconds = "12345";
  return kOfSeconds[kOfMs.find(letter)];
}

constexpr char kBehindLetters = '~';

// Without the two in front and what is expected behind. Tables that are not stored have an empty plan.
std::string_view letters_of(std::string_view plan) {
  plan = plan.substr(0, plan.find(kBehindLetters));
  return plan.size() < 2 ? std::string_view() : plan.substr(2);
}

const schema::ColumnInfo* column_at(StoredTable table, int column) {
  const auto columns = info_of(table).columns;
  return column < 0 || static_cast<std::size_t>(column) >= columns.size() ? nullptr
                                                                          : &columns[static_cast<std::size_t>(column)];
}

bool is_in_seconds(const schema::ColumnInfo& column) { return column.name == kSecondsColumn; }
bool is_time(StoredTable table, const schema::ColumnInfo& column) {
  return column.name == info_of(table).time_column || is_in_seconds(column);
}

bool is_equality(unsigned char op) { return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS; }

// The letter of a constraint that is pushed down, or NUL.
char letter_of(StoredTable table, sqlite3_index_info* info, int index, double& share) {
  const auto& constraint = info->aConstraint[index];
  const schema::ColumnInfo* column = column_at(table, constraint.iColumn);
  if (constraint.usable == 0 || column == nullptr || !column->indexed) return '\0';
  if (is_equality(constraint.op)) {
    const char* collation = sqlite3_vtab_collation(info, index);
    if (collation == nullptr || std::string_view(collation) != "BINARY") return '\0';
    share = kMomentShare;
    if (is_time(table, *column)) return is_in_seconds(*column) ? in_seconds('=') : '=';
    for (const Pushed& pushed : kEqual) {
      if (pushed.column != column->name) continue;
      share = pushed.share;
      return pushed.letter;
    }
  }
  if (!is_time(table, *column)) return '\0';
  for (const Range& range : kRanges) {
    if (range.op != constraint.op) continue;
    share = kRangeShare;
    return is_in_seconds(*column) ? in_seconds(range.letter) : range.letter;
  }
  return '\0';
}

char order_of(StoredTable table, const sqlite3_index_info* info) {
  if (table != StoredTable::Events || info->nOrderBy != 1) return '-';
  const schema::ColumnInfo* column = column_at(table, info->aOrderBy[0].iColumn);
  if (column == nullptr || !is_time(table, *column)) return '-';
  return info->aOrderBy[0].desc != 0 ? 'D' : 'A';
}

// What the columns that are used need, as a letter.
constexpr char kNoParts = 'a';

char parts_letter(StoredTable table, const sqlite3_index_info* info) {
  constexpr std::size_t kOwnBits = 63;  // The last one stands for all columns from there on.
  schema::EventParts parts = 0;
  for (std::size_t i = 0; i < info_of(table).columns.size(); ++i)
    if ((info->colUsed >> std::min(i, kOwnBits) & 1) != 0) parts |= event_parts(i);
  return static_cast<char>(kNoParts + parts);
}

void from_at_least(StoredQuery& query, std::int64_t ms) { query.from_ms = std::max(query.from_ms, ms); }
void to_at_most(StoredQuery& query, std::int64_t ms) { query.to_ms = std::min(query.to_ms, ms); }
std::int64_t after(std::int64_t ms) { return ms == kNoEndMs ? kNoEndMs : ms + 1; }

struct Bound {
  std::int64_t low = 0, high = 0;  // The whole numbers around it; the same when it is one.
};

// A text that reads as a number compares as one, because the column is a number; any other is left to SQLite.
std::optional<Bound> read_bound(sqlite3_value* value) {
  const int type = sqlite3_value_numeric_type(value);
  if (type == SQLITE_INTEGER) return Bound{sqlite3_value_int64(value), sqlite3_value_int64(value)};
  if (type != SQLITE_FLOAT) return std::nullopt;
  const double real = sqlite3_value_double(value);
  if (!(std::abs(real) < 9e15)) return std::nullopt;
  return Bound{static_cast<std::int64_t>(std::floor(real)), static_cast<std::int64_t>(std::ceil(real))};
}

// The seconds from `low` on are the milliseconds from their first on.
void read_seconds(char letter, const Bound& bound, StoredQuery& query) {
  constexpr std::int64_t kMost = 9'000'000'000'000;
  if (bound.low < -kMost || bound.high > kMost) return;
  if (letter == in_seconds('>')) from_at_least(query, (bound.low + 1) * 1'000);
  if (letter == in_seconds('g')) from_at_least(query, bound.high * 1'000);
  if (letter == in_seconds('<')) to_at_most(query, bound.high * 1'000);
  if (letter == in_seconds('l')) to_at_most(query, (bound.low + 1) * 1'000);
  if (letter == in_seconds('=')) {
    from_at_least(query, bound.low * 1'000);
    to_at_most(query, (bound.low + 1) * 1'000);
  }
}

// A bound that is no whole number becomes the next wider one.
void read_time(char letter, sqlite3_value* value, StoredQuery& query) {
  const auto bound = read_bound(value);
  if (!bound) return;
  const auto [low, high] = *bound;
  if (letter >= '1' && letter <= '5') return read_seconds(letter, *bound, query);
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

bool read_scan_id(sqlite3_value* value, std::optional<std::uint64_t>& slot) {
  if (sqlite3_value_type(value) != SQLITE_INTEGER) return true;
  const auto number = static_cast<std::uint64_t>(sqlite3_value_int64(value));
  if (slot && *slot != number) return false;
  slot = number;
  return true;
}

bool read_exactly(std::string_view text, std::string& slot) {
  if (!slot.empty() && slot != text) return false;
  slot = text;
  return true;
}

bool read_text(char letter, std::string_view text, StoredQuery& query) {
  if (text.empty()) return true;  // For the source, an empty text is no constraint.
  if (letter == 'n') return read_exactly(text, query.name);
  if (letter == 'h') return read_exactly(text, query.executable_hash);
  if (letter == 'r') return read_exactly(text, query.rule_id);
  if (letter == 'u') {
    const std::string bytes = schema::uid_bytes(text);
    return read_exactly(bytes.empty() ? text : bytes, query.process_uid);
  }
  if (text == "unknown") return true;  // Many numbers are.
  const pb::EventType type = schema::parse_event_type(text);
  if (type == pb::EVENT_TYPE_UNKNOWN || (query.type && *query.type != type)) return false;
  query.type = type;
  return true;
}

}  // namespace

int plan_stored(StoredTable table, sqlite3_index_info* info) {
  std::string plan = {order_of(table, info), parts_letter(table, info)};
  const Size& size = kSizes[static_cast<std::size_t>(table)];
  double rows = size.rows, in_time = size.rows;
  int arguments = 0;
  for (int i = 0; i < info->nConstraint; ++i) {
    double share = 1;
    const char letter = letter_of(table, info, i, share);
    if (letter == '\0') continue;
    info->aConstraintUsage[i].argvIndex = ++arguments;
    plan += letter;
    rows *= share;
    if (kTimeLetters.find(letter) != std::string_view::npos) in_time *= share;
  }
  const auto expected = static_cast<std::int64_t>(std::max(1.0, rows));
  plan += kBehindLetters + std::to_string(expected);
  info->idxStr = sqlite3_mprintf("%s", plan.c_str());
  if (info->idxStr == nullptr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  info->orderByConsumed = plan.front() != '-' ? 1 : 0;
  info->estimatedRows = expected;
  info->estimatedCost = rows + in_time * size.walk + 200;  // Every look at the store costs something, found or not.
  return SQLITE_OK;
}

bool read_constraints(std::string_view plan, std::span<sqlite3_value* const> arguments, StoredQuery& out) {
  out.newest_first = plan.starts_with('D');
  if (out.table == StoredTable::Events && plan.size() > 1)
    out.parts = static_cast<schema::EventParts>(plan[1] - kNoParts);
  plan = letters_of(plan);
  for (std::size_t i = 0; i < arguments.size() && i < plan.size(); ++i) {
    sqlite3_value* value = arguments[i];
    if (sqlite3_value_type(value) == SQLITE_NULL) continue;  // IS NULL may hold; SQLite knows.
    const char letter = plan[i];
    bool possible = true;
    if (letter == 'p') {
      possible = read_pid(value, out.pid);
    } else if (letter == 'P') {
      possible = read_pid(value, out.ppid);
    } else if (letter == 's') {
      possible = read_scan_id(value, out.scan_id);
    } else if (letter == 'n' || letter == 'h' || letter == 'u' || letter == 't' || letter == 'r') {
      if (sqlite3_value_type(value) == SQLITE_TEXT) possible = read_text(letter, text_of(value), out);
    } else {
      read_time(letter, value, out);
    }
    if (!possible) return false;
  }
  return out.from_ms < out.to_ms;
}

bool has_start(std::string_view plan) { return letters_of(plan).find_first_of("=>g124") != std::string_view::npos; }

std::string in_words(std::string_view plan) {
  std::string out;
  const auto add = [&out](std::string_view what) { out += (out.empty() ? "looked up by " : ", ") + std::string(what); };
  const std::string_view letters = letters_of(plan);
  for (const Pushed& pushed : kEqual)
    if (letters.find(pushed.letter) != std::string_view::npos) add(pushed.column);
  if (letters.find_first_of("=1") != std::string_view::npos) add("its time");
  if (letters.find_first_of(">g24") != std::string_view::npos) add("its time from");
  if (letters.find_first_of("<l35") != std::string_view::npos) add("its time until");
  if (out.empty()) out = "all of it";
  if (plan.starts_with('D')) out += "; newest first";
  if (plan.starts_with('A')) out += "; oldest first";
  const std::size_t rows = plan.find(kBehindLetters);
  if (rows != std::string_view::npos) out += "; about " + std::string(plan.substr(rows + 1)) + " rows";
  return out;
}

}  // namespace de::mirror
