#include <charconv>
#include <optional>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/table.h"
#include "detect/rule_reader.h"
#include "mirror/stored_row.h"

namespace de::detect {
namespace {

using config::Node;

constexpr std::size_t kMaxValueBytes = 64UL << 10;

const schema::ColumnInfo* find_column(const schema::TableInfo& table, std::string_view name) {
  for (const schema::ColumnInfo& column : table.columns)
    if (column.name == name) return &column;
  return nullptr;
}

Error unknown_column(std::string_view file, const schema::TableInfo& table, const Node& key) {
  std::vector<std::string_view> names;
  for (const schema::ColumnInfo& column : table.columns) names.push_back(column.name);
  return complaint(
      file, key,
      "no column \"" + escape_controls(key.text) + "\" in " + std::string(table.name) + suggestion(key.text, names));
}

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The column decides what a word means: `name: 3` is the text "3", `argc: 3` the number.
Result<TestValue> read_value(std::string_view file, const Node& node, const schema::ColumnInfo& column) {
  if (node.is_null()) return TestValue{};
  if (!node.is_scalar()) return fail(complaint(file, node, std::string(column.name) + " must be one value"));
  if (node.text.size() > kMaxValueBytes)
    return fail(complaint(file, node, std::string(column.name) + " is longer than 64 KiB"));
  if (column.type == schema::SqlType::Text) return TestValue{node.text};
  const std::string expected = std::string(column.name) + " must be " +
                               (column.type == schema::SqlType::Real ? "a number" : "a whole number, true or false");
  if (node.text == "true") return TestValue{std::int64_t{1}};
  if (node.text == "false") return TestValue{std::int64_t{0}};
  if (const auto integer = whole<std::int64_t>(node.text)) return TestValue{*integer};
  if (column.type == schema::SqlType::Real)
    if (const auto real = whole<double>(node.text)) return TestValue{*real};
  return fail(complaint(file, node, expected));
}

Result<TestRow> read_row(std::string_view file, const schema::TableInfo& table, const Node& node) {
  if (!node.is_map()) return fail(complaint(file, node, "a row must be a map of columns: {pid: 1, name: sh}"));
  TestRow row;
  for (const auto& [key, value] : node.entries) {
    const schema::ColumnInfo* column = find_column(table, key.text);
    if (column == nullptr) return fail(unknown_column(file, table, key));
    DE_TRY(read, read_value(file, value, *column));
    row.emplace_back(key.text, std::move(read));
  }
  return row;
}

Result<std::vector<TestRow>> read_list(std::string_view file, const schema::TableInfo& table, const Node& list) {
  std::vector<TestRow> rows;
  if (!list.is_list()) return fail(complaint(file, list, "a test needs rows: a list of maps"));
  if (list.items.size() > kMaxTestRows)
    return fail(complaint(file, list, "more than " + std::to_string(kMaxTestRows) + " rows in one test"));
  for (const Node& item : list.items) {
    DE_TRY(row, read_row(file, table, item));
    rows.push_back(std::move(row));
  }
  return rows;
}

// Of tables whose columns are not known before somebody tells them: a value is the text it was written as.
Result<std::map<std::string, std::vector<TestRow>>> read_foreign(std::string_view file, const Node& tables) {
  std::map<std::string, std::vector<TestRow>> out;
  if (!tables.is_map()) return fail(complaint(file, tables, "tables must be a map: {network.connections: [...]}"));
  for (const auto& [name, list] : tables.entries) {
    const bool is_ours = schema::find_table(name.text) != nullptr && schema::find_live_table(name.text) == nullptr;
    if (is_ours || name.text.find('.') == std::string::npos)
      return fail(complaint(file, name,
                            "tables: is for those of other collectors, as network.connections, and for live tables, "
                            "as processes.open_files"));
    if (!list.is_list() || list.items.size() > kMaxTestRows)
      return fail(
          complaint(file, list, "a test needs rows: a list of at most " + std::to_string(kMaxTestRows) + " maps"));
    std::vector<TestRow>& rows = out[name.text];
    for (const Node& item : list.items) {
      if (!item.is_map()) return fail(complaint(file, item, "a row must be a map of columns: {pid: 1, state: open}"));
      TestRow& row = rows.emplace_back();
      for (const auto& [key, value] : item.entries) {
        if (!value.is_null() && (!value.is_scalar() || value.text.size() > kMaxValueBytes))
          return fail(complaint(file, value, escape_controls(key.text) + " must be one value of at most 64 KiB"));
        row.emplace_back(key.text, value.is_null() ? TestValue{} : TestValue{value.text});
      }
    }
  }
  return out;
}

Result<RuleTest> read_test(std::string_view file, const Node& node) {
  static constexpr std::string_view kKnown[] = {"name",  "rows",   "events", "history",
                                                "scans", "alerts", "traces", "tables"};
  if (!node.is_map()) return fail(complaint(file, node, "a test must be a map: {rows: [...]}"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  RuleTest test;
  test.line = node.line;
  if (const Node* name = node.find("name"); name != nullptr) {
    DE_TRY(text, read_text(file, *name, "name", 256));
    test.name = std::move(text);
  }
  bool has_rows = false;
  if (const Node* rows = node.find("rows"); rows != nullptr) {
    DE_TRY(read, read_list(file, *schema::find_table("processes"), *rows));
    test.rows = std::move(read);
    has_rows = true;
  }
  for (const mirror::StoredTableName& table : mirror::kStoredTableNames) {
    const Node* rows = node.find(table.name);
    if (rows == nullptr) continue;
    DE_TRY(read, read_list(file, mirror::info_of(table.table), *rows));
    test.stored[static_cast<std::size_t>(table.table)] = std::move(read);
    has_rows = true;
  }
  if (const Node* tables = node.find("tables"); tables != nullptr) {
    DE_TRY(read, read_foreign(file, *tables));
    test.foreign = std::move(read);
    has_rows = true;
  }
  if (!has_rows) return fail(complaint(file, node, "a test needs rows: a list of maps"));
  return test;
}

}  // namespace

Result<std::vector<RuleTest>> read_tests(std::string_view file, const Node& node) {
  static constexpr std::string_view kKnown[] = {"match", "no_match"};
  if (!node.is_map()) return fail(complaint(file, node, "tests must be a map: {match: [...], no_match: [...]}"));
  DE_CHECK(refuse_unknown_keys(file, node, kKnown));
  std::vector<RuleTest> tests;
  for (const std::string_view kind : kKnown) {
    const Node* list = node.find(kind);
    if (list == nullptr || list->is_null()) continue;
    if (!list->is_list()) return fail(complaint(file, *list, "tests." + std::string(kind) + " must be a list"));
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      DE_TRY(test, read_test(file, list->items[i]));
      test.must_match = kind == "match";
      if (test.name.empty()) test.name = std::string(kind) + " " + std::to_string(i + 1);
      tests.push_back(std::move(test));
      if (tests.size() > kMaxTestsPerRule)
        return fail(complaint(file, node, "more than " + std::to_string(kMaxTestsPerRule) + " tests"));
    }
  }
  return tests;
}

}  // namespace de::detect
