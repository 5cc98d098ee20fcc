// The published queries of `corpora/osquery`, over the host its fixture describes: what is served gives the rows that
// osquery's own tables gave, and the rest is refused by name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>

#include "daemoneye/base/clock.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/osquery/tables.h"
#include "mirror/session.h"
#include "osquery/fixture.h"

namespace de::osquery {
namespace {

std::string show(const google::protobuf::Value& value) {
  if (value.has_null_value()) return "NULL";
  if (value.kind_case() == google::protobuf::Value::kNumberValue) {
    const double number = value.number_value();
    const auto whole = static_cast<std::int64_t>(number);
    return static_cast<double>(whole) == number ? std::to_string(whole) : std::to_string(number);
  }
  return "'" + value.string_value() + "'";
}

std::string show(const mirror::Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return std::to_string(*real);
  if (const auto* text = std::get_if<std::string_view>(&value)) return "'" + std::string(*text) + "'";
  return "NULL";
}

// The file that has the query of a line of expected.jsonl.
std::string file_of(const Json& expected) {
  std::string name = text_of(expected, "name");
  const std::string dir = corpus_dir() + "/queries/" + text_of(expected, "src") + "/";
  if (const std::size_t colon = name.find(".conf:"); colon != std::string::npos)
    name = name.substr(0, colon) + "__" + name.substr(colon + 6) + ".sql";
  return dir + name;
}

std::vector<std::string> strings(const Json& from, const std::string& field) {
  std::vector<std::string> out;
  for (const auto& value : from.fields().at(field).list_value().values()) out.push_back(value.string_value());
  return out;
}

struct Answered {
  std::string error;
  std::vector<std::string> columns;
  std::vector<std::string> rows;
};

Answered ask(mirror::Session& session, const std::string& sql) {
  Answered out;
  const auto translated = from_osquery(at_fixture_time(sql));
  if (!translated) return {translated.error().message(), {}, {}};
  const auto outcome = session.run(
      *translated, {}, mirror::Budget{20'000, 256UL << 20, 100'000, 64UL << 20},
      [&](std::span<const std::string> names) { out.columns.assign(names.begin(), names.end()); },
      [&](std::span<const mirror::Value> row) {
        std::string line;
        for (const mirror::Value& value : row) line += show(value) + "|";
        out.rows.push_back(std::move(line));
        return true;
      });
  if (!outcome) out.error = outcome.error().message();
  return out;
}

// Why the answer is not the expected one; empty when it is.
std::string compare(const Json& expected, Answered answer) {
  if (answer.columns != strings(expected, "result_columns")) return "the columns differ";
  std::vector<std::string> wanted;
  for (const auto& row : expected.fields().at("result").list_value().values()) {
    std::string line;
    for (const auto& value : row.list_value().values()) line += show(value) + "|";
    wanted.push_back(std::move(line));
  }
  if (answer.rows.size() != static_cast<std::size_t>(number_of(expected, "rows")))
    return std::to_string(answer.rows.size()) + " rows instead of " + std::to_string(number_of(expected, "rows"));
  std::ranges::sort(answer.rows);
  std::ranges::sort(wanted);
  for (const std::string& line : wanted)  // Of many, only the first 200 are kept.
    if (!std::ranges::binary_search(answer.rows, line)) return "missing " + line + "\nfirst: " + answer.rows.front();
  return {};
}

TEST(OsqueryCorpus, WhatIsServedGivesTheExpectedRowsAndTheRestIsRefusedByName) {
  const Fixture fixture;
  auto session = mirror::Session::create(mirror::Origin::Rule, system_clock(), &fixture, &fixture);
  ASSERT_TRUE(session) << session.error().message();
  ASSERT_TRUE((*session)->load(fixture.image()));

  std::size_t agreed = 0, refused = 0;
  for (const Json& expected : read_json_lines(corpus_dir() + "/fixture/expected.jsonl")) {
    const std::string name = text_of(expected, "name");
    SCOPED_TRACE(name);
    const Answered answer = ask(**session, read_whole(file_of(expected)));
    std::vector<std::string> unserved;
    for (const std::string& table : strings(expected, "tables"))
      if (find_served(table) == nullptr) unserved.push_back(table);
    if (answer.error.empty()) {
      EXPECT_THAT(unserved, testing::IsEmpty());
      EXPECT_EQ(compare(expected, answer), "");
      ++agreed;
      std::cout << "agrees   " << name << ": " << answer.rows.size() << " rows\n";
      continue;
    }
    ++refused;
    std::cout << "refused  " << name << ": " << answer.error << "\n";
    // Of what is served, only files and processes that nobody named and hashes of what never ran are asked for in vain.
    if (unserved.empty()) {
      EXPECT_THAT(answer.error, testing::AnyOf(testing::HasSubstr("answered for named paths only"),
                                               testing::HasSubstr("processes.open_files is read for the processes"),
                                               testing::HasSubstr("hash: only executables")));
    }
    for (const std::string& table : unserved) EXPECT_THAT(answer.error, testing::HasSubstr(table));
  }
  EXPECT_EQ(agreed, 16u);
  EXPECT_EQ(refused, 30u);
  std::cout << agreed << " agree, " << refused << " are refused\n";
}

}  // namespace
}  // namespace de::osquery
