// A detection rule as a file states it.
//
// Thread: any (values).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"
#include "detect/trace_order.h"
#include "mirror/needs.h"
#include "mirror/stored_source.h"

namespace de::detect {

constexpr std::size_t kMaxRuleFileBytes = 1UL << 20;
constexpr std::size_t kMaxRules = 5'000;  // In one rule book.
constexpr std::size_t kMaxRulesPerFile = 2'000;
constexpr std::size_t kMaxTestsPerRule = 64;
constexpr std::size_t kMaxTestRows = 1'000;  // In one test.
constexpr std::int64_t kMaxWindowMs = 30LL * 86'400'000;

enum class Trigger : std::uint8_t { Event, Snapshot, Both };
std::string_view to_text(Trigger trigger);

struct Dedup {
  std::vector<std::string> keys;         // Result columns; empty: the default of `alert`.
  std::optional<std::uint32_t> seconds;  // Absent: what alerts.dedup_seconds says.
};

struct Requirement {
  std::vector<std::string> tables;
  std::vector<std::string> columns;
};

// An owned value of a test row; a number in YAML without quotes is a number here.
using TestValue = std::variant<std::monostate, std::int64_t, double, std::string>;
using TestRow = std::vector<std::pair<std::string, TestValue>>;

struct RuleTest {
  std::string name;  // "match 1", "no_match 2", or the `name:` it was given.
  bool must_match = true;
  std::vector<TestRow> rows;                                       // Of `processes`.
  std::array<std::vector<TestRow>, mirror::kStoredTables> stored;  // Of what is stored, by mirror::StoredTable.
  std::map<std::string, std::vector<TestRow>> foreign;             // Of tables of other collectors.
  int line = 0;
};

// Where a rule came from; lines are those of the file.
struct Place {
  std::string file;
  int line = 0;
  int sql_line = 0;
};

struct Rule {
  std::string id;
  std::string name;
  std::string description;
  pb::Severity severity = pb::SEVERITY_MEDIUM;
  std::string category;
  std::vector<std::string> tags;
  std::string author;
  std::string version;
  std::string license;
  std::string source;  // Where it was taken from, a URL as a rule.
  bool enabled = true;
  bool switched = false;  // By an operator: `enabled` is not what the file says.
  Trigger on = Trigger::Snapshot;
  bool on_given = false;       // Otherwise check_rule() finds out what it can be.
  std::int64_t window_ms = 0;  // How far back it looks in what is stored; 0: as its SQL says.
  int priority = 5;            // 1 (first) to 10.
  Dedup dedup;
  Requirement requires_;
  std::string sql;                       // As its file has it.
  bool is_of_osquery = false;            // dialect: osquery
  std::string translated;                // What is run instead, of a dialect or with AUTO JOIN; else empty.
  std::string trigger;                   // With AUTO JOIN: the rows it is asked about; see mirror::AutoJoin.
  std::vector<std::string> auto_joined;  // Its tables.
  bool is_live = false;                  // Something is read from processes for it; found by check_rule().
  std::optional<TraceOrder> trace;       // What its matches begin.
  std::vector<RuleTest> tests;
  std::vector<std::string> tables;  // That its SQL reads, sorted; found by check_rule().
  bool aggregates = false;          // Its rows say something about many rows; found by check_rule().
  mirror::ColumnNeeds needs;        // What it reads that is not in every snapshot; found by check_rule().
  std::string unready;              // Why it cannot be asked now; empty: it can. Found by check_rule().
  std::string digest;               // Hexadecimal, of everything its file says of this rule, except where.
  Place place;

  const std::string& statement() const { return translated.empty() ? sql : translated; }
  bool runs_on_snapshot() const { return on != Trigger::Event; }
  bool runs_on_event() const { return on != Trigger::Snapshot; }
};

// The rules of one file: YAML with one rule, a list of rules or `rules: [...]`; or `.sql` with a comment header
// ("-- id: x" lines before the statement). Fails as a whole, at the first mistake, with "file:line:column: what".
// Does not look at the SQL beyond its presence. Errors: Invalid, TooLarge.
Result<std::vector<Rule>> parse_rule_text(std::string_view file_name, std::string_view text);

}  // namespace de::detect
