#include "detect/test_tables.h"

#include <algorithm>
#include <charconv>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/live_columns.h"

namespace de::detect {
namespace {

using mirror::ForeignColumn;
using schema::SqlType;

template <class Number>
std::optional<Number> number_in(const std::string& text) {
  Number value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What all values of a column can be read as.
SqlType narrower(SqlType so_far, const TestValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || so_far == SqlType::Text) return so_far;
  if (!number_in<double>(*text)) return SqlType::Text;
  return number_in<std::int64_t>(*text) ? so_far : SqlType::Real;
}

std::shared_ptr<const mirror::ForeignInfo> guess(const std::string& name, const std::vector<TestRow>& rows) {
  auto info = std::make_shared<mirror::ForeignInfo>();
  info->name = name;
  info->collector = "the test";
  for (const TestRow& row : rows)
    for (const auto& [column, value] : row) {
      auto found = std::ranges::find(info->columns, column, &ForeignColumn::name);
      if (found == info->columns.end())
        found = info->columns.insert(found, ForeignColumn{column, SqlType::Integer, {}, {}});
      found->type = narrower(found->type, value);
    }
  return info;
}

Result<schema::Cell> to_cell(const ForeignColumn& column, const TestValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return schema::Cell();
  if (column.type == SqlType::Text) return schema::Cell(*text);
  if (column.type == SqlType::Integer)
    if (const auto integer = number_in<std::int64_t>(*text)) return schema::Cell(*integer);
  if (column.type == SqlType::Real)
    if (const auto real = number_in<double>(*text)) return schema::Cell(*real);
  return fail(Errc::Invalid, "column " + column.name + ": " + escape_controls(*text) + " is not " +
                                 std::string(schema::to_text(column.type)));
}

Result<std::shared_ptr<const mirror::ForeignRows>> to_rows(const mirror::ForeignInfo& info,
                                                           const std::vector<TestRow>& rows) {
  auto out = std::make_shared<mirror::ForeignRows>();
  for (const TestRow& from : rows) {
    mirror::ForeignRow& row = out->rows.emplace_back(info.columns.size());
    for (const auto& [name, value] : from) {
      const auto column = std::ranges::find(info.columns, name, &ForeignColumn::name);
      if (column == info.columns.end())
        return fail(Errc::Invalid, "no column " + escape_controls(name) + " in " + info.name);
      DE_TRY(cell, to_cell(*column, value));
      row[static_cast<std::size_t>(column - info.columns.begin())] = std::move(cell);
    }
  }
  if (info.key) out->index(*info.key);
  return std::shared_ptr<const mirror::ForeignRows>(std::move(out));
}

}  // namespace

Result<std::shared_ptr<const mirror::ForeignTables>> tables_of(const RuleTest& test, const mirror::ForeignTables* known,
                                                               std::uint64_t generation) {
  auto out = std::make_shared<mirror::ForeignTables>();
  out->generation = generation;
  for (const auto& [name, given] : test.foreign) {
    if (schema::find_live_table(name) != nullptr) continue;
    const mirror::ForeignTable* table = known == nullptr ? nullptr : known->find(name);
    auto info = table == nullptr ? guess(name, given) : table->info;
    DE_TRY(rows, to_rows(*info, given));
    out->tables.push_back({std::move(info), std::move(rows)});
  }
  if (known != nullptr)
    for (const mirror::ForeignTable& table : known->tables)
      if (!test.foreign.contains(table.info->name))
        out->tables.push_back({table.info, std::make_shared<mirror::ForeignRows>()});
  return std::shared_ptr<const mirror::ForeignTables>(std::move(out));
}

Result<std::shared_ptr<const mirror::LiveRows>> live_rows_of(const RuleTest& test) {
  auto out = std::make_shared<mirror::LiveRows>();
  for (const auto& [name, given] : test.foreign) {
    const schema::TableInfo* table = schema::find_live_table(name);
    if (table == nullptr) continue;
    mirror::ForeignInfo info;
    info.name = name;
    for (const schema::ColumnInfo& column : table->columns)
      info.columns.push_back({std::string(column.name), column.type, {}, {}});
    DE_TRY(rows, to_rows(info, given));
    for (const mirror::ForeignRow& row : rows->rows) {
      const auto* pid = std::get_if<std::int64_t>(&row.front());
      if (pid == nullptr) return fail(Errc::Invalid, "a row of " + name + " without a pid");
      out->rows[{name, *pid}].push_back(row);
    }
  }
  return std::shared_ptr<const mirror::LiveRows>(std::move(out));
}

}  // namespace de::detect
