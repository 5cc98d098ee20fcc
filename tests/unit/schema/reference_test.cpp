// docs/dialect.md and docs/host_tables.md are made from the catalog, and say what it says. After a change of it:
//   DE_WRITE_REFERENCE=1 build/dev/tests/test_schema --gtest_filter='Reference.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "daemoneye/schema/host_columns.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/sql_functions.h"
#include "daemoneye/schema/table.h"

namespace de::schema {
namespace {

std::string in_table(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

std::string functions() {
  std::string out = "## Functions and operators\n\n| | | |\n|---|---|---|\n";
  std::set<std::string_view> kinds;
  for (const SqlFunction& function : sql_function_rows()) kinds.insert(function.kind);
  for (const std::string_view kind : kinds)
    for (const SqlFunction& function : sql_function_rows())
      if (function.kind == kind)
        out += "| " + std::string(kind) + " | `" + in_table(function.form) + "` | " + in_table(function.help) + " |\n";
  return out;
}

bool is_same(const ColumnInfo& a, const ColumnInfo& b) {
  return a.name == b.name && a.type == b.type && a.help == b.help;
}

std::string row(const ColumnInfo& column) {
  const std::string unit(to_text(column.unit));
  return "| `" + std::string(column.name) + "` | " + std::string(to_text(column.type)) +
         (unit.empty() ? "" : ", " + unit) + " | " + (column.indexed ? "yes" : "") + " | " + in_table(column.help) +
         " |\n";
}

// Two tables have nearly all columns of `processes`; they are not listed again.
std::string table(const TableInfo& one) {
  const TableInfo& processes = *find_table("processes");
  const auto is_shared = [&](const ColumnInfo& column) {
    return std::ranges::any_of(processes.columns, [&](const ColumnInfo& known) { return is_same(known, column); });
  };
  const bool is_like_processes = one.name == "processes.events" || one.name == "processes.history";
  std::string out = "\n## " + std::string(one.name) + "\n\n" + std::string(one.help) + ".";
  if (is_like_processes)
    out += " It also has " + std::to_string(std::ranges::count_if(one.columns, is_shared)) + " columns of `processes`.";
  if (!one.time_column.empty()) out += " Its time is `" + std::string(one.time_column) + "`.";
  out += "\n\n| Column | Type | Index | |\n|---|---|---|---|\n";
  for (const ColumnInfo& column : one.columns)
    if (!is_like_processes || !is_shared(column)) out += row(column);
  return out;
}

// Nothing of it is stored.
bool is_read_at_once(const TableInfo& one) {
  if (find_live_table(one.name) != nullptr) return true;
  for (std::size_t i = 0; i < kHostTables; ++i)
    if (host_table_info(static_cast<HostTable>(i)).name == one.name) return true;
  return false;
}

std::string dialect() {
  std::string out =
      "# Tables and functions\n\n"
      "What a statement may name, in rules and in `daemoneye-cli query`. This page is made from the catalog that the\n"
      "programs use; `daemoneye-cli schema [TABLE]` and `schema --functions` print the same. How to write rules with\n"
      "it is in [rules.md](rules.md); the tables that are read at that moment are in\n"
      "[host_tables.md](host_tables.md). A column with an index is found without reading the rest of the table.\n\n";
  out += functions();
  for (const TableInfo& one : tables())
    if (!is_read_at_once(one)) out += table(one);
  return out;
}

std::string host_tables() {
  std::string out =
      "# Tables that are read when they are asked for\n\n"
      "As processes ([on_demand.md](on_demand.md)) and the host are when the statement runs, not as they were. Those "
      "of\n"
      "the host have the names and columns that osquery gives them ([osquery.md](osquery.md)). The other tables are "
      "in\n"
      "[dialect.md](dialect.md); this page too is made from the catalog.\n";
  for (const TableInfo& one : tables())
    if (is_read_at_once(one)) out += table(one);
  return out;
}

void compare(const std::string& file, const std::string& expected) {
  const std::string path = DE_SOURCE_DIR "/docs/" + file;
  if (const char* write = std::getenv("DE_WRITE_REFERENCE"); write != nullptr && *write == '1')
    std::ofstream(path) << expected;
  std::stringstream found;
  found << std::ifstream(path).rdbuf();
  EXPECT_EQ(found.str(), expected) << file << ": write it again; the first lines of this test say how";
}

TEST(Reference, SaysWhatTheCatalogSays) {
  compare("dialect.md", dialect());
  compare("host_tables.md", host_tables());
}

TEST(Reference, EveryFunctionHasAFormWithItsName) {
  for (const SqlFunction& function : sql_function_rows()) {
    std::string form(function.form);
    std::ranges::transform(form, form.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_NE(form.find(function.name), form.npos) << function.name;
    EXPECT_FALSE(function.help.empty()) << function.name;
  }
  EXPECT_TRUE(std::ranges::is_sorted(sql_functions()));
}

}  // namespace
}  // namespace de::schema
