#include <algorithm>
#include <utility>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/table.h"
#include "detect/runner.h"
#include "detect/test_tables.h"
#include "mirror/mirror.h"
#include "mirror/row_image.h"
#include "mirror/stored_row.h"

namespace de::detect {
namespace {

constexpr std::size_t kShownBytes = 200;  // Of an unexpected match.

mirror::Value borrow(const TestValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return std::string_view(*text);
  return {};
}

std::string show(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      return std::to_string(value.integer());
    case pb::Value::kReal: {
      std::string out;
      append_json_number(out, value.real());
      return out;
    }
    case pb::Value::kText:
      return escape_controls(value.text());
    case pb::Value::kBlob:
      return "x'" + to_hex(value.blob()) + "'";
    case pb::Value::KIND_NOT_SET:
      break;
  }
  return "NULL";
}

std::string show(const Matches& matches, const pb::Row& row) {
  std::string out;
  for (int i = 0; i < row.values_size() && out.size() < kShownBytes; ++i)
    out += (i == 0 ? "" : " ") + matches.columns[static_cast<std::size_t>(i)] + "=" + show(row.values(i));
  return out.size() < kShownBytes ? out : out.substr(0, kShownBytes) + "...";
}

schema::Cell to_cell(const TestValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return std::string_view(*text);
  return {};
}

// What one test has stored, all of it for every query: SQLite picks.
class TestRows final : public mirror::StoredSource {
 public:
  void load(const RuleTest& test, std::int64_t now_ms) {
    for (const mirror::StoredTableName& known : mirror::kStoredTableNames) load(known.table, test, now_ms);
  }

  mirror::NextRows read(const mirror::StoredQuery& query) const override {
    std::vector<mirror::StoredRow> rows;
    for (const auto& cells : rows_[static_cast<std::size_t>(query.table)]) rows.emplace_back().cells = cells;
    if (query.newest_first) std::ranges::reverse(rows);
    return [rows, done = false]() mutable -> Result<std::span<const mirror::StoredRow>> {
      if (std::exchange(done, true)) return std::span<const mirror::StoredRow>();
      return std::span<const mirror::StoredRow>(rows);
    };
  }
  Result<std::vector<pb::Reason>> missing(mirror::StoredTable, std::int64_t, std::int64_t) const override {
    return std::vector<pb::Reason>();
  }

 private:
  using Cells = std::vector<schema::Cell>;

  // A test gives the time of an event once; the column in seconds follows it.
  static void tell_seconds(std::span<const schema::ColumnInfo> columns, Cells& cells) {
    const auto in_ms = std::ranges::find(columns, "event_time_ms", &schema::ColumnInfo::name);
    const auto in_s = std::ranges::find(columns, "event_time_s", &schema::ColumnInfo::name);
    if (in_ms == columns.end() || in_s == columns.end()) return;
    schema::Cell& seconds = cells[static_cast<std::size_t>(in_s - columns.begin())];
    const auto* ms = std::get_if<std::int64_t>(&cells[static_cast<std::size_t>(in_ms - columns.begin())]);
    if (ms != nullptr && std::holds_alternative<std::monostate>(seconds)) seconds = *ms / 1'000;
  }

  void load(mirror::StoredTable table, const RuleTest& test, std::int64_t now_ms) {
    const schema::TableInfo& info = mirror::info_of(table);
    const auto columns = info.columns;
    std::vector<Cells>& rows = rows_[static_cast<std::size_t>(table)];
    rows.clear();
    for (const TestRow& row : test.stored[static_cast<std::size_t>(table)]) {
      Cells& cells = rows.emplace_back(columns.size());
      for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].name == info.time_column) cells[i] = now_ms;
        for (const auto& [name, value] : row)
          if (name == columns[i].name) cells[i] = to_cell(value);
      }
      tell_seconds(columns, cells);
    }
    const auto time = static_cast<std::size_t>(std::ranges::find(columns, info.time_column, &schema::ColumnInfo::name) -
                                               columns.begin());
    std::ranges::stable_sort(rows, {}, [time](const Cells& cells) { return cells[time]; });
  }

  std::array<std::vector<Cells>, mirror::kStoredTables> rows_;
};

// Why the test fails, or nothing. Errors: Io, Exhausted.
Result<std::string> run_test(mirror::Session& session, const Rule& rule, const RuleTest& test, const Clock& clock,
                             const std::shared_ptr<const mirror::ForeignTables>& tables) {
  auto image = test_image(test, clock.unix_ms());
  if (!image && image.error().code() != Errc::Invalid) return fail(std::move(image).error());
  if (!image) return image.error().message();
  DE_CHECK(session.load(mirror::with_foreign(**image, tables)));
  auto live = live_rows_of(test);
  if (!live) return live.error().what();
  session.see_live(std::move(*live));  // Other processes than these have nothing.
  const auto matches = run_rule(session, rule, mirror::kRuleBudget);
  if (!matches) return matches.error().message();
  if (test.must_match && matches->rows.empty()) return std::string("expected a match, found none");
  if (!test.must_match && !matches->rows.empty())
    return "expected no match, found " + std::to_string(matches->rows.size()) + ": " +
           show(*matches, matches->rows.front());
  return std::string{};
}

}  // namespace

Result<std::shared_ptr<const mirror::Image>> test_image(const RuleTest& test, std::int64_t now_ms) {
  std::vector<mirror::NamedRow> rows;
  for (const TestRow& row : test.rows) {
    mirror::NamedRow& out = rows.emplace_back();
    for (const auto& [column, value] : row) out.emplace_back(column, borrow(value));
  }
  return mirror::image_from_rows(rows, now_ms);
}

Result<TestReport> test_rule(const Rule& rule, const Clock& clock,
                             const std::shared_ptr<const mirror::ForeignTables>& tables) {
  TestReport report;
  if (rule.tests.empty()) return report;
  TestRows stored;
  std::uint64_t generation = 0;
  DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock, &stored));
  for (const RuleTest& test : rule.tests) {
    stored.load(test, clock.unix_ms());
    const auto foreign = tables_of(test, tables.get(), ++generation);
    if (!foreign) {
      report.failures.push_back({test.name, foreign.error().what(), test.line});
      continue;
    }
    DE_TRY(failure, run_test(*session, rule, test, clock, *foreign));
    if (failure.empty())
      ++report.passed;
    else
      report.failures.push_back({test.name, std::move(failure), test.line});
  }
  return report;
}

}  // namespace de::detect
