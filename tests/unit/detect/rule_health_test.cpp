// How rules fare: what makes one unhealthy, what heals it, and that none takes the time of the others.
#include "detect/rule_health.h"

#include <gmock/gmock.h>

namespace de::detect {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSecondNs = 1'000'000'000;

Rule rule_of(const std::string& sql) {
  Rule rule;
  rule.id = "a";
  rule.sql = sql;
  return rule;
}

void took(HealthBook& book, const Rule& rule, std::uint64_t us) { book.record(rule, Matches(), us); }

TEST(HealthBook, ACappedRunIsMarkedUntilAWholeOne) {
  HealthBook book;
  const Rule rule = rule_of("SELECT pid FROM processes");
  Matches capped;
  capped.truncated = true;
  capped.rows.resize(3);
  book.record(rule, capped, 5);
  EXPECT_FALSE(book.find("a")->healthy);
  EXPECT_THAT(book.find("a")->reason, HasSubstr("only the first 3"));
  took(book, rule, 5);
  EXPECT_TRUE(book.find("a")->healthy);
}

TEST(HealthBook, FailureIsUnhealthyUntilAGoodRun) {
  HealthBook book;
  const Rule rule = rule_of("SELECT 1");
  EXPECT_EQ(book.find("a"), nullptr);
  book.record(rule, fail(Errc::Timeout, "too slow"), 5);
  ASSERT_NE(book.find("a"), nullptr);
  EXPECT_FALSE(book.find("a")->healthy);
  EXPECT_EQ(book.find("a")->reason, "too slow");
  took(book, rule, 10);
  EXPECT_TRUE(book.find("a")->healthy);
  EXPECT_EQ(book.find("a")->runs, 2U);
  EXPECT_EQ(book.find("a")->failures, 1U);
}

TEST(HealthBook, SlowThreeTimesInARowIsUnhealthy) {
  HealthBook book;
  const Rule rule = rule_of("SELECT 1");
  took(book, rule, HealthBook::kSlowUs + 1);
  took(book, rule, HealthBook::kSlowUs + 1);
  EXPECT_TRUE(book.find("a")->healthy);
  took(book, rule, HealthBook::kSlowUs);
  took(book, rule, 250'000);
  took(book, rule, 250'000);
  EXPECT_TRUE(book.find("a")->healthy) << "the row was broken";
  took(book, rule, 250'000);
  EXPECT_FALSE(book.find("a")->healthy);
  EXPECT_THAT(book.find("a")->reason, HasSubstr("the last one 250 ms"));
  EXPECT_EQ(book.find("a")->worst_us, 250'000U);
  EXPECT_EQ(book.find("a")->slow_runs, 5U);
}

TEST(HealthBook, ForgetsRemovedAndChangedRules) {
  HealthBook book;
  const auto same = std::make_shared<const Rule>(rule_of("SELECT 1"));
  took(book, *same, 1);
  book.keep_only(std::vector<std::shared_ptr<const Rule>>{same});
  EXPECT_NE(book.find("a"), nullptr);
  book.keep_only(std::vector<std::shared_ptr<const Rule>>{std::make_shared<const Rule>(rule_of("SELECT 2"))});
  EXPECT_EQ(book.find("a"), nullptr);
}

// Ten others that take half of the time together, and none of them much.
std::vector<Rule> others() {
  std::vector<Rule> out;
  for (int i = 0; i < 10; ++i) {
    out.push_back(rule_of("SELECT 1"));
    out.back().id = "other" + std::to_string(i);
  }
  return out;
}

// How often it runs in a minute, being asked every half second, with runs of `us`; the others beside it always do.
int runs_in_a_minute(HealthBook& book, const Rule& rule, std::uint64_t us, std::int64_t from_s = 1,
                     const std::vector<Rule>& beside = others()) {
  int runs = 0;
  for (std::int64_t at = 0; at < 120; ++at) {
    const std::int64_t now_ns = (from_s * 2 + at) * kSecondNs / 2;
    for (const Rule& other : beside) {
      EXPECT_TRUE(book.may_run(other, now_ns)) << other.id << " after " << at;
      took(book, other, 25'000);
    }
    if (book.may_run(rule, now_ns)) {
      took(book, rule, us);
      ++runs;
    } else {
      book.pass_over(rule, 10);
    }
  }
  return runs;
}

TEST(HealthBook, ARuleThatTakesMoreThanItsShareIsPassedOverAndComesBack) {
  HealthBook book(10);
  const Rule greedy = rule_of("SELECT 1");
  // Saved up: 5 s of its own and 5 s of all, and 6 s of its own in a minute.
  const int runs = runs_in_a_minute(book, greedy, 400'000);
  EXPECT_GE(runs, 26);
  EXPECT_LE(runs, 42);
  const RuleHealth& health = *book.find("a");
  EXPECT_EQ(health.passed_over, 10U * static_cast<std::uint64_t>(120 - runs));
  book.pass_over(greedy, 1);
  EXPECT_FALSE(health.healthy);
  EXPECT_THAT(health.reason, HasSubstr("more than 10 % of all"));
  // Once it is quick again, nothing is held against it for long.
  EXPECT_TRUE(book.may_run(greedy, 200 * kSecondNs));
  took(book, greedy, 10);
  EXPECT_TRUE(health.healthy);
  EXPECT_EQ(runs_in_a_minute(book, greedy, 10, 200), 120);
}

TEST(HealthBook, WhileThereIsTimeForAllNoneIsPassedOver) {
  HealthBook book(10);
  const Rule busy = rule_of("SELECT 1");
  EXPECT_EQ(runs_in_a_minute(book, busy, 240'000, 1, {}), 120) << "48 % of the time, and nobody else wants any";
  const int runs = runs_in_a_minute(book, busy, 400'000, 61, {});
  EXPECT_GE(runs, 75) << "half of the time is for whoever wants it";
  EXPECT_LE(runs, 100);
}

TEST(HealthBook, OneBlipIsNobodysHarm) {
  HealthBook book(10);
  const Rule rule = rule_of("SELECT 1");
  EXPECT_TRUE(book.may_run(rule, kSecondNs));
  took(book, rule, 4'000'000);
  EXPECT_EQ(runs_in_a_minute(book, rule, 20'000), 120);
  // However long a run was, it is let in again before long.
  took(book, rule, 600'000'000);
  EXPECT_FALSE(book.may_run(rule, 62 * kSecondNs));
  EXPECT_TRUE(book.may_run(rule, 73 * kSecondNs));
}

TEST(HealthBook, WithoutALimitNoneIsPassedOver) {
  HealthBook book;
  const Rule rule = rule_of("SELECT 1");
  EXPECT_EQ(runs_in_a_minute(book, rule, 10'000'000, 1, {}), 120);
  book.set_max_cpu_percent(10);
  EXPECT_LT(runs_in_a_minute(book, rule, 10'000'000, 100, {}), 8);
}

}  // namespace
}  // namespace de::detect
