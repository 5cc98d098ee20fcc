#include "mirror/plan.h"

#include <map>
#include <optional>

#include "mirror/database.h"
#include "mirror/functions.h"
#include "mirror/snapshot_schema.h"
#include "mirror/stored_query.h"
#include "mirror/stored_table.h"

namespace de::mirror {
namespace {

// Columns of EXPLAIN.
enum { kAddress, kOpcode, kP1, kP2, kP3, kP4 };

// Registers of the program that are written once, with a constant text.
class Constants {
 public:
  void write(int target, std::optional<std::string> text) {
    const auto [at, fresh] = texts_.emplace(target, std::move(text));
    if (!fresh) at->second.reset();  // Two writers: not a constant.
  }
  const std::string* find(int target) const {
    const auto at = texts_.find(target);
    return at == texts_.end() || !at->second ? nullptr : &*at->second;
  }

 private:
  std::map<int, std::optional<std::string>> texts_;
};

struct Call {
  int first_argument;
  int pattern;  // Which argument is the pattern.
};

struct Copy {
  int from;
  int to;
};

// The number of "{a,b}" in the plan text made readable: our table is called processes outside.
std::string public_names(std::string_view detail) {
  std::string out(detail);
  for (const std::string_view table : {kRowsTable, kMetricsTable})
    for (std::size_t at = out.find(table); at != std::string::npos; at = out.find(table, at))
      out.replace(at, table.size(), "processes");
  for (std::size_t at = out.find("de_by_"); at != std::string::npos; at = out.find("de_by_", at))
    out.replace(at, 6, "by_");
  constexpr std::string_view kVirtual = " VIRTUAL TABLE INDEX ";
  const std::size_t at = out.find(kVirtual);
  if (at == std::string::npos) return out;
  const std::string plan = out.substr(out.find(':', at) + 1);
  out.resize(at);
  return plan.empty() ? out : out + ": " + in_words(plan);
}

struct Level {
  std::vector<std::string> scans;
  bool searches = false;
};

void warn_about_products(const std::map<int, Level>& levels, Explanation& out) {
  for (const auto& [parent, level] : levels) {
    if (level.scans.size() < 2 || level.searches) continue;
    out.warnings.push_back("every row of " + level.scans[0] + " is combined with every row of " + level.scans[1] +
                           ": add a join condition on an indexed column");
  }
}

}  // namespace

Result<> look_at_program(sqlite3* db, std::string_view sql, Statement& out) {
  DE_TRY(stmt, prepare_explain(db, "EXPLAIN ", sql));
  Constants constants;
  std::vector<Call> calls;
  std::vector<Copy> copies;
  while (sqlite3_step(stmt.get()) == SQLITE_ROW) {
    const std::string_view opcode = text_at(stmt.get(), kOpcode);
    const int p1 = sqlite3_column_int(stmt.get(), kP1);
    const int p2 = sqlite3_column_int(stmt.get(), kP2);
    const std::string_view p4 = text_at(stmt.get(), kP4);
    if (opcode == "String8" || opcode == "String") constants.write(p2, std::string(p4));
    if (opcode == "VFilter" && !has_start(p4)) out.stored_have_start = false;
    if (opcode == "Copy" || opcode == "SCopy") copies.push_back({p1, p2});
    if (opcode != "Function" && opcode != "PureFunc") continue;
    if (p4.starts_with("regexp(")) calls.push_back({p2, 0});
    if (p4.starts_with("regex_match(") || p4.starts_with("regex_split(")) calls.push_back({p2, 1});
  }
  for (const Copy& copy : copies) {
    const std::string* text = constants.find(copy.from);
    constants.write(copy.to, text == nullptr ? std::nullopt : std::optional(*text));
  }
  for (const Call& call : calls)
    if (const std::string* pattern = constants.find(call.first_argument + call.pattern))
      DE_CHECK(check_pattern(*pattern));
  return {};
}

Result<> read_plan(sqlite3* db, std::string_view sql, Explanation& out) {
  DE_TRY(stmt, prepare_explain(db, "EXPLAIN QUERY PLAN ", sql));
  std::map<int, std::size_t> depths{{0, 0}};
  std::map<int, Level> levels;
  int rc = SQLITE_OK;
  while ((rc = sqlite3_step(stmt.get())) == SQLITE_ROW) {
    const int id = sqlite3_column_int(stmt.get(), 0);
    const int parent = sqlite3_column_int(stmt.get(), 1);
    const std::string detail = public_names(text_at(stmt.get(), 3));
    const std::size_t depth = depths.contains(parent) ? depths[parent] : 0;
    depths[id] = depth + 1;
    out.plan.push_back(std::string(2 * depth, ' ') + detail);
    if (detail.starts_with("SCAN ") && detail != "SCAN CONSTANT ROW")
      levels[parent].scans.push_back(detail.substr(5, detail.find(' ', 5) - 5));
    if (detail.starts_with("SEARCH ")) levels[parent].searches = true;
  }
  if (rc != SQLITE_DONE) return fail(Errc::Invalid, std::string("explain: ") + sqlite3_errmsg(db));
  warn_about_products(levels, out);
  return {};
}

}  // namespace de::mirror
