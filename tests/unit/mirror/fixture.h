// A session over a few processes, and queries as text.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "mirror/mirror.h"
#include "mirror/row_image.h"
#include "mirror/session.h"

namespace de::mirror {

inline std::string show(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return std::to_string(*real);
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* blob = std::get_if<Blob>(&value)) return "x'" + std::string(blob->bytes) + "'";
  return "NULL";
}

struct Answer {
  Result<Outcome> outcome;
  std::vector<std::string> columns;
  std::vector<std::string> rows;  // Values joined by '|'.

  std::string text() const {
    if (!outcome) return "error: " + outcome.error().message();
    std::string out;
    for (const std::string& row : rows) out += (out.empty() ? "" : "\n") + row;
    return out;
  }
};

inline Answer ask(Session& session, std::string_view sql, const Budget& budget = kAdHocBudget,
                  std::span<const Value> params = {}) {
  Answer answer{Result<Outcome>(Outcome{}), {}, {}};
  answer.outcome = session.run(
      sql, params, budget,
      [&](std::span<const std::string> names) { answer.columns.assign(names.begin(), names.end()); },
      [&](std::span<const Value> row) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) line += (i == 0 ? "" : "|") + show(row[i]);
        answer.rows.push_back(std::move(line));
        return true;
      });
  return answer;
}

inline std::shared_ptr<const Image> must(Result<std::shared_ptr<const Image>> image) {
  EXPECT_TRUE(image) << image.error().message();
  return *image;
}

// init, nginx and a shell below it, and a second shell.
inline std::shared_ptr<const Image> few_processes() {
  const auto i = [](std::int64_t n) { return Value(n); };
  const auto t = [](std::string_view s) { return Value(s); };
  const std::vector<NamedRow> rows = {
      {{"pid", i(1)}, {"name", t("init")}, {"executable_path", t("/sbin/init")}, {"user_id", t("0")}},
      {{"pid", i(10)}, {"ppid", i(1)}, {"name", t("nginx")}, {"command_line", t("nginx: master")}},
      {{"pid", i(11)}, {"ppid", i(10)}, {"name", t("sh")}, {"command_line", t("sh -c id")}, {"memory_usage", i(4096)}},
      {{"pid", i(12)}, {"ppid", i(1)}, {"name", t("bash")}, {"command_line", t("-bash")}, {"argv", t("[\"-bash\"]")}},
  };
  return must(image_from_rows(rows, 1'700'000'000'000));
}

inline std::unique_ptr<Session> few_session(Origin origin = Origin::AdHoc) {
  auto session = Session::create(origin, system_clock());
  EXPECT_TRUE(session) << session.error().message();
  EXPECT_TRUE((*session)->load(few_processes()));
  return std::move(*session);
}

}  // namespace de::mirror
