// Every mode of the load generator, small, and its truth against itself: a measurement is worth what its truth is
// worth.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <map>
#include <set>

#include "daemons.h"
#include "json_row.h"
#include "temp_dir.h"

namespace de::load {
namespace {

using system_test::JsonRow;

std::uint64_t number(const JsonRow& row, std::string_view name) {
  const auto at = row.find(name);
  return at == row.end() ? 0 : std::strtoull(at->second.c_str(), nullptr, 10);
}

std::string text(const JsonRow& row, std::string_view name) {
  const auto at = row.find(name);
  return at == row.end() ? "" : at->second;
}

class Load : public testing::Test {
 protected:
  // Runs a mode, and checks what holds for every truth file.
  void run(std::vector<std::string> words, int exit_code = 0) {
    words.insert(words.begin(), system_test::program("load"));
    words.insert(words.end(), {"--out", path_});
    const system_test::Ran ran = system_test::run(words);
    ASSERT_EQ(ran.exit_code, exit_code) << ran.out << ran.err;
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << ran.out;
    read();
    check();
  }

  std::vector<JsonRow> labelled(std::string_view label) const {
    std::vector<JsonRow> out;
    for (const JsonRow& row : rows_)
      if (text(row, "label") == label) out.push_back(row);
    return out;
  }

  JsonRow first_, last_;
  std::vector<JsonRow> rows_;  // Of processes.
  std::vector<JsonRow> skipped_;

 private:
  void read() {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      const JsonRow row = system_test::parse_json_row(line);
      const std::string kind = text(row, "kind");
      ASSERT_TRUE(kind == "run" || kind == "end" || kind == "process" || kind == "skipped") << line;
      if (kind == "run") first_ = row;
      if (kind == "end") last_ = row;
      if (kind == "process") rows_.push_back(row);
      if (kind == "skipped") skipped_.push_back(row);
    }
    ASSERT_FALSE(first_.empty());
    ASSERT_FALSE(last_.empty());
  }

  void check() {
    EXPECT_EQ(number(last_, "rows"), rows_.size());
    EXPECT_EQ(number(last_, "started") + number(last_, "refused"), rows_.size());
    EXPECT_EQ(number(last_, "as_expected"), rows_.size());
    EXPECT_EQ(number(last_, "skipped"), skipped_.size());
    EXPECT_EQ(number(last_, "unawaited"), 0u);
    std::set<std::uint64_t> ids;
    std::set<std::string> nonces;
    for (const JsonRow& row : rows_) {
      EXPECT_TRUE(ids.insert(number(row, "id")).second) << "an id came twice";
      if (row.contains("nonce")) {
        EXPECT_TRUE(nonces.insert(text(row, "nonce")).second) << "a nonce came twice";
      }
      if (number(row, "pid") == 0) continue;
      EXPECT_LE(number(first_, "boot_ns"), number(row, "forked_after_ns"));
      EXPECT_LT(number(row, "forked_after_ns"), number(row, "forked_before_ns"));
      EXPECT_LT(number(row, "forked_after_ns"), number(row, "reaped_ns"));
      EXPECT_LE(number(row, "reaped_ns"), number(last_, "boot_ns"));
      ASSERT_NE(text(row, "status"), "null");
      const int status = static_cast<int>(number(row, "status"));
      if (row.contains("expect_signal")) {
        EXPECT_EQ(static_cast<std::uint64_t>(WTERMSIG(status)), number(row, "expect_signal"));
      } else {
        EXPECT_EQ(static_cast<std::uint64_t>(WEXITSTATUS(status)), number(row, "expect_code"));
      }
    }
  }

  test::TempDir dir_;
  const std::string path_ = dir_ / "truth.jsonl";
};

TEST_F(Load, AStormIsWhole) {
  run({"storm", "--count", "300", "--workers", "2", "--argv-bytes", "300"});
  EXPECT_EQ(rows_.size(), 300u);
  EXPECT_EQ(number(last_, "started"), 300u);
}

TEST_F(Load, APacedStormTakesItsTime) {
  run({"storm", "--count", "100", "--rate", "500"});
  const std::uint64_t took = number(last_, "boot_ns") - number(first_, "boot_ns");
  EXPECT_GT(took, 190'000'000u);
}

TEST_F(Load, WhatCannotBeStartedHasARowToo) {
  test::TempDir dir;
  const std::string text_file = dir.write("no-program",
                                          "\x7f"
                                          "ELF and nothing else");
  std::filesystem::permissions(text_file, std::filesystem::perms::owner_all);
  const std::string truth = dir / "truth.jsonl";
  const system_test::Ran ran =
      system_test::run({system_test::program("load"), "storm", "--count", "5", "--child", text_file, "--out", truth});
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_NE(ran.out.find("0 started, 5 refused, 0 of 5 as expected"), std::string::npos) << ran.out;
}

TEST_F(Load, SteadyHasItsHits) {
  run({"steady", "--seconds", "0.4", "--rate", "250", "--hits", "7", "--hit-ms", "5"});
  EXPECT_EQ(rows_.size(), 100u);
  const std::vector<JsonRow> hits = labelled("hit");
  EXPECT_EQ(hits.size(), 7u);
  for (const JsonRow& hit : hits) EXPECT_TRUE(text(hit, "nonce").ends_with("-hit"));
}

TEST_F(Load, TreesAreTheSameForTheSameSeedAndNobodyIsLost) {
  const auto shape = [this] {
    std::vector<std::string> out;
    for (const JsonRow& row : rows_) {
      out.push_back(text(row, "id") + ":" + text(row, "chain") + ":" + text(row, "label") + ":" +
                    text(row, "expect_code") + ":" + text(row, "execs"));
    }
    rows_.clear();
    return out;
  };
  run({"trees", "--count", "15", "--seed", "7"});
  std::map<std::string, JsonRow> by_id;
  bool any_reparented = false;
  for (const JsonRow& row : rows_) by_id[text(row, "id")] = row;
  for (const JsonRow& row : rows_) {
    const std::string creator = text(row, "creator");
    if (creator == "0") {
      EXPECT_EQ(text(row, "chain"), "0");
      EXPECT_EQ(text(row, "ppid"), text(first_, "pid"));
      continue;
    }
    ASSERT_TRUE(by_id.contains(creator));
    EXPECT_EQ(text(row, "chain"), creator + "," + text(by_id[creator], "chain"));
    EXPECT_EQ(text(row, "ppid"), text(by_id[creator], "pid"));
    EXPECT_GT(number(row, "forked_after_ns"), number(by_id[creator], "forked_after_ns"));
    any_reparented = any_reparented || text(row, "reaper") != creator;
  }
  EXPECT_TRUE(any_reparented);
  const std::vector<std::string> before = shape();
  run({"trees", "--count", "15", "--seed", "7"});
  EXPECT_EQ(shape(), before);
  run({"trees", "--count", "15", "--seed", "8"});
  EXPECT_NE(shape(), before);
}

TEST_F(Load, ArgumentsAreWhatTheChildReceived) {
  run({"argv"});
  ASSERT_EQ(labelled("escapes").size(), 1u);
  EXPECT_NE(text(labelled("escapes")[0], "argv_hex").find("1b5b324a"), std::string::npos);
  EXPECT_EQ(number(labelled("all empty")[0], "argv_bytes"), 4u);
  EXPECT_EQ(number(labelled("10000 arguments")[0], "argc"), 10'000u);
  EXPECT_GT(number(labelled("1/1 of the limit")[0], "argv_bytes"), 100'000u);
  EXPECT_EQ(number(labelled("more than the limit")[0], "expect_error"), static_cast<std::uint64_t>(E2BIG));
  for (const JsonRow& row : rows_) {
    if (number(row, "pid") == 0) continue;
    EXPECT_EQ(text(row, "argv_sha256").size(), 64u);
    EXPECT_EQ(text(row, "argv_hex").size(), 2 * std::min<std::uint64_t>(4096, number(row, "argv_bytes")));
  }
}

TEST_F(Load, RacedArgumentsAreToldByTheChild) {
  run({"race", "--count", "30"});
  EXPECT_EQ(rows_.size(), 30u);
  for (const JsonRow& row : rows_) EXPECT_EQ(number(row, "argc"), 3u);
}

TEST_F(Load, OdditiesAreAsOddAsTheySay) {
  run({"oddities"});
  EXPECT_GE(rows_.size(), 15u);
  for (const JsonRow& row : skipped_) EXPECT_FALSE(text(row, "reason").empty());
  EXPECT_EQ(labelled("moves-arguments").size(), 1u);
}

TEST(LoadUsage, WrongOnesAreRefused) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"stormy"}, {"storm", "--count", "0"}, {"storm", "--rate", "5", "--unpaced"}}) {
    std::vector<std::string> all{system_test::program("load")};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(system_test::run(all).exit_code, 2);
  }
  const system_test::Ran help = system_test::run({system_test::program("load"), "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("oddities"), std::string::npos);
}

}  // namespace
}  // namespace de::load
