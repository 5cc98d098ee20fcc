// Budgets, parameters, images and explanations.
#include "mirror/session.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fixture.h"

namespace de::mirror {
namespace {

using testing::HasSubstr;

std::int64_t elapsed_ms(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
}

// 2^20 of what c(n) holds, without a table.
const std::string kCounter = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) ";
const std::string kHundred = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<100) ";
const std::string kMillion = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<3000000) ";

// Half of what a value may have.
std::string long_text(std::string_view seed) {
  std::string sql = "'" + std::string(seed) + "'";
  for (std::size_t bytes = seed.size(); bytes * 8 <= 1UL << 19; bytes *= 8) sql = "replace('zzzzzzzz','z'," + sql + ")";
  return sql;
}

std::string exploding_ctes() {
  std::string sql = "WITH a0 AS (SELECT 1 AS x)";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "a" + std::to_string(i - 1);
    sql += ", a" + std::to_string(i) + " AS (SELECT DISTINCT l.x FROM " + before + " l, " + before + " r)";
  }
  return sql + " SELECT x FROM a29";
}

// Hundreds of milliseconds of work within one row.
std::string many_json_checks() {
  std::string checks = "0";
  for (int i = 0; i < 240; ++i) checks += "+json_valid(s||x)";
  return "WITH RECURSIVE d(n,s) AS (SELECT 1,'1,1,1,1,1,1,1' UNION ALL SELECT n+1,s||','||s FROM d WHERE n<17), "
         "b(s) AS (SELECT '['||max(s)||']' FROM d), "
         "c(x,y) AS (SELECT 1,0 UNION ALL SELECT x+1," +
         checks + " FROM c,b) SELECT count(*) FROM c";
}

TEST(SessionTime, BombsEndWithinTwiceTheBudget) {
  const std::vector<std::pair<const char*, std::string>> bombs = {
      {"endless recursion", kCounter + "SELECT count(*) FROM c"},
      {"endless rows filtered out", kCounter + "SELECT n FROM c WHERE n<0"},
      {"cross join", kHundred + "SELECT count(*) FROM c a, c b, c d, c e, c f"},
      {"distinct", kHundred + "SELECT count(DISTINCT a.n*b.n+d.n*e.n) FROM c a, c b, c d, c e, c f"},
      {"big sort", kCounter + "SELECT n FROM c ORDER BY -n"},
      {"union",
       "WITH RECURSIVE c(n) AS (SELECT 1 UNION SELECT (n*1103515245+12345)%2147483648 FROM c) "
       "SELECT count(*) FROM c"},
      {"group_concat past the length limit", kHundred + "SELECT group_concat(a.n) FROM c a, c b, c d, c e, c f"},
      {"patterns that explode backtracking",
       kCounter + "SELECT count(*) FROM c WHERE " + long_text("aaaaaaaa") + " || n REGEXP '(a|aa)*b$'"},
      {"patterns that outgrow the automaton",
       kCounter + "SELECT count(*) FROM c WHERE " + long_text("abababba") + " || n REGEXP '(a|b)*a(a|b){200}c'"},
      {"wildcards", kCounter + "SELECT count(*) FROM c WHERE " + long_text("aaaaaaaa") + " || n LIKE '%a%a%a%a%a%a%b'"},
      {"pieces that each read the whole text", kCounter + "SELECT count(*) FROM c WHERE regex_split(" +
                                                   long_text(",,,,,,,,") + "||n, '(.*y)|,', 5000) IS NULL"},
      {"trim", kCounter + "SELECT count(trim(" + long_text("abcdefgh") + "||(n&0), 'hgfedcba0')) FROM c"},
      {"instr", kCounter + "SELECT count(instr(" + long_text("aaaaaaaa") + "||n, " + "'aaaaaaaaaaaaaaaab')) FROM c"},
      {"JSON, which takes refused memory for bad JSON", many_json_checks()},
      {"doubling while preparing", exploding_ctes()},
  };
  const auto session = few_session();
  const Budget budget{400, 512UL << 20, 10, 1 << 20};
  for (const auto& [name, sql] : bombs) {
    std::string error;
    const std::int64_t ms = elapsed_ms([&] {
      const Answer answer = ask(*session, sql, budget);
      if (!answer.outcome) error = answer.outcome.error().message();
      EXPECT_FALSE(answer.outcome) << name << answer.text();
      if (!answer.outcome) {
        const Errc code = answer.outcome.error().code();
        EXPECT_TRUE(code == Errc::Timeout || code == Errc::Exhausted || code == Errc::Invalid) << name;
      }
    });
    EXPECT_LE(ms, 800) << name << ": " << error;
    EXPECT_EQ(ask(*session, "SELECT count(*) FROM processes").text(), "4") << "after " << name;
  }
}

TEST(SessionTime, NamesTheLimit) {
  const Answer answer = ask(*few_session(), kCounter + "SELECT count(*) FROM c", Budget{50, 64UL << 20, 10, 1000});
  ASSERT_FALSE(answer.outcome);
  EXPECT_EQ(answer.outcome.error().code(), Errc::Timeout);
  EXPECT_THAT(answer.text(), HasSubstr("longer than its limit of 50 ms"));
}

// Each look at it costs this much, of which nothing was computed here: the processor was somebody else's.
class ClockOfABusyHost final : public Clock {
 public:
  explicit ClockOfABusyHost(std::int64_t step_ms) : step_ns_(step_ms * 1'000'000) {}
  std::int64_t unix_ms() const override { return 0; }
  std::int64_t steady_ns() const override { return now_ns_ += step_ns_; }

 private:
  const std::int64_t step_ns_;
  mutable std::atomic<std::int64_t> now_ns_ = 0;
};

TEST(SessionTime, WithPatienceOnlyWhatTheRunComputesCounts) {
  constexpr Budget kPatient{1'000, 64UL << 20, 10, 1000, 10'000};
  const ClockOfABusyHost busy(2'000);
  const auto session = std::move(*Session::create(Origin::Rule, busy));
  EXPECT_EQ(ask(*session, "SELECT 1", kPatient).text(), "1") << "it was late, and had done nothing yet";
  EXPECT_EQ(ask(*session, "SELECT 1", {1'000, 64UL << 20, 10, 1000}).outcome.error().code(), Errc::Timeout);
  const ClockOfABusyHost stuck(11'000);
  const auto other = std::move(*Session::create(Origin::Rule, stuck));
  EXPECT_EQ(ask(*other, "SELECT 1", kPatient).outcome.error().code(), Errc::Timeout) << "it has an end all the same";
  const auto before = std::chrono::steady_clock::now();
  const Answer endless = ask(*few_session(), kCounter + "SELECT count(*) FROM c", {50, 64UL << 20, 10, 1000, 600'000});
  EXPECT_EQ(endless.outcome.error().code(), Errc::Timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(60));
}

TEST(SessionMemory, BombsEndAtTheBudget) {
  const std::vector<std::pair<const char*, std::string>> bombs = {
      {"sort", kMillion + "SELECT n, 'some more text to keep in the sorter' || n FROM c ORDER BY 2"},
      {"distinct", kMillion + "SELECT count(DISTINCT n || 'some text to keep in the set of seen values') FROM c"},
      {"json_group_array", kMillion + "SELECT length(json_group_array(n)) FROM c"},
      {"group by", kMillion + "SELECT n || 'text text text', count(*) FROM c GROUP BY 1"},
      {"union recursion", "WITH RECURSIVE c(n) AS (SELECT 1 UNION SELECT n+1 FROM c) SELECT count(*) FROM c"},
      {"window", kMillion + "SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) "
                            "FROM c"},
  };
  const auto session = few_session();
  const Budget budget{20'000, 8UL << 20, 1'000, 1 << 20};
  for (const auto& [name, sql] : bombs) {
    const Answer answer = ask(*session, sql, budget);
    ASSERT_FALSE(answer.outcome) << name;
    EXPECT_EQ(answer.outcome.error().code(), Errc::Exhausted) << name << ": " << answer.text();
    EXPECT_THAT(answer.text(), HasSubstr("more memory than its limit of 8 MiB")) << name;
    EXPECT_EQ(ask(*session, "SELECT count(*) FROM processes", budget).text(), "4") << "after " << name;
  }
}

// json_valid() takes refused memory for bad JSON, and nothing comes after the only row.
TEST(SessionMemory, ARowIsNotLeftOutForWantOfMemory) {
  const std::string sql =
      "WITH RECURSIVE d(s) AS (SELECT '1,1,1,1,1,1,1' UNION ALL SELECT s||','||s FROM d WHERE length(s) < 200000), "
      "b(s) AS (SELECT '['||max(s)||']' FROM d) SELECT length(s) > 200000 FROM b WHERE json_valid(s)";
  const auto session = few_session();
  EXPECT_EQ(ask(*session, sql).text(), "1");
  EXPECT_THAT(ask(*session, sql, {20'000, 3UL << 20, 10, 1000}).text(), HasSubstr("more memory than its limit"));
}

TEST(SessionMemory, OneSessionsBombDoesNotReachAnother) {
  std::atomic<bool> done{false};
  std::thread bomber([&] {
    const auto session = few_session();
    for (int i = 0; i < 5; ++i)
      EXPECT_FALSE(ask(*session, kMillion + "SELECT n||'x' FROM c ORDER BY 1", {20'000, 4UL << 20, 10, 1000}).outcome);
    done = true;
  });
  const auto session = few_session();
  int good = 0;
  while (!done || good == 0) {
    EXPECT_EQ(ask(*session, "SELECT name FROM processes ORDER BY command_line LIMIT 1").text(), "init");
    ++good;
  }
  bomber.join();
}

TEST(SessionCaps, RowCapTruncates) {
  const Answer answer = ask(*few_session(), "SELECT pid FROM processes ORDER BY pid", {1'000, 1 << 20, 2, 1'000});
  ASSERT_TRUE(answer.outcome);
  EXPECT_EQ(answer.text(), "1\n10");
  EXPECT_EQ(answer.outcome->rows, 2U);
  EXPECT_TRUE(answer.outcome->truncated);
}

TEST(SessionCaps, ExactlyTheCapIsNotTruncated) {
  const Answer answer = ask(*few_session(), "SELECT pid FROM processes", {1'000, 1 << 20, 4, 1'000});
  ASSERT_TRUE(answer.outcome);
  EXPECT_FALSE(answer.outcome->truncated);
}

TEST(SessionCaps, ByteCapTruncates) {
  const Answer answer =
      ask(*few_session(), "SELECT replace('aaaa','a','bbbbbbbbbb') FROM processes", {1'000, 1 << 20, 100, 100});
  ASSERT_TRUE(answer.outcome);
  EXPECT_EQ(answer.outcome->rows, 2U);
  EXPECT_TRUE(answer.outcome->truncated);
}

TEST(SessionCaps, CallbackMayStop) {
  const auto session = few_session();
  int rows = 0;
  const auto outcome = session->run(
      "SELECT pid FROM processes", {}, kAdHocBudget, [](auto) {}, [&](auto) { return ++rows < 2; });
  ASSERT_TRUE(outcome);
  EXPECT_EQ(rows, 2);
  EXPECT_TRUE(outcome->truncated);
}

TEST(SessionRun, ColumnsComeOnceAlsoWithoutRows) {
  const Answer answer = ask(*few_session(), "SELECT pid, name AS n FROM processes WHERE 0");
  ASSERT_TRUE(answer.outcome);
  EXPECT_THAT(answer.columns, testing::ElementsAre("pid", "n"));
  EXPECT_TRUE(answer.rows.empty());
}

TEST(SessionRun, WorkIsCounted) {
  const auto session = few_session();
  const Answer small = ask(*session, "SELECT pid FROM processes WHERE pid=1");
  const Answer large = ask(*session, kHundred + "SELECT count(*) FROM c a, c b");
  ASSERT_TRUE(small.outcome && large.outcome);
  EXPECT_GT(small.outcome->vm_steps, 0U);
  EXPECT_GT(large.outcome->vm_steps, 10'000U);
}

TEST(SessionRun, EveryKindOfParameterComesBack) {
  const auto session = few_session();
  const std::string text = "it's; DROP TABLE \"x\" -- ";
  const std::vector<Value> params = {Value(std::int64_t{42}), Value(1.5), Value(std::string_view(text)),
                                     Value(Blob{std::string_view("\0z", 2)}), Value()};
  const Answer answer = ask(*session, "SELECT ?, ?, ?, typeof(?), typeof(?)", kAdHocBudget, params);
  EXPECT_EQ(answer.text(), "42|1.500000|" + text + "|blob|null");
}

TEST(SessionRun, ParameterCountMustMatch) {
  const std::vector<Value> two = {Value(std::int64_t{1}), Value(std::int64_t{2})};
  EXPECT_THAT(ask(*few_session(), "SELECT ?", kAdHocBudget, two).text(), HasSubstr("has 1 parameters, 2 were given"));
}

TEST(SessionRun, NotFromWithinACallback) {
  const auto session = few_session();
  const auto outcome = session->run(
      "SELECT pid FROM processes", {}, kAdHocBudget, [](auto) {},
      [&](auto) {
        const auto inner = session->run(
            "SELECT 1", {}, kAdHocBudget, [](auto) {}, [](auto) { return true; });
        EXPECT_FALSE(inner);
        EXPECT_EQ(inner.error().code(), Errc::Conflict);
        const auto loaded = session->load(few_processes());
        EXPECT_FALSE(loaded);
        EXPECT_EQ(loaded.error().code(), Errc::Conflict);
        EXPECT_FALSE(session->validate("SELECT 1"));
        return true;
      });
  EXPECT_TRUE(outcome);
}

TEST(SessionRun, AnotherSessionMayRunWithinACallback) {
  const auto outer = few_session();
  const auto inner = few_session();
  const auto outcome = outer->run(
      "SELECT pid FROM processes", {}, kAdHocBudget, [](auto) {},
      [&](auto) { return ask(*inner, "SELECT 1").text() == "1"; });
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->rows, 4U);
}

TEST(SessionImage, StartsEmpty) {
  const auto session = Session::create(Origin::AdHoc, system_clock());
  ASSERT_TRUE(session) << session.error().message();
  EXPECT_EQ(ask(**session, "SELECT count(*) FROM processes").text(), "0");
  EXPECT_EQ(ask(**session, "SELECT pid, name, scan_id FROM processes.snapshots").text(), "");
  EXPECT_EQ((*session)->image()->generation, 0U);
}

TEST(SessionImage, SwapsManyTimes) {
  const auto session = few_session();
  const auto empty = must(empty_image());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(session->load(empty));
    EXPECT_EQ(ask(*session, "SELECT count(*) FROM processes").text(), "0");
    ASSERT_TRUE(session->load(few_processes()));
    EXPECT_EQ(ask(*session, "SELECT count(*) FROM processes").text(), "4");
  }
}

TEST(SessionImage, OneImageServesManyThreads) {
  const auto image = few_processes();
  const std::string before(reinterpret_cast<const char*>(image->bytes.get()), image->size_bytes);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      auto session = Session::create(Origin::Rule, system_clock());
      ASSERT_TRUE(session);
      ASSERT_TRUE((*session)->load(image));
      for (int i = 0; i < 100; ++i)
        EXPECT_EQ(ask(**session, "SELECT max(pid) FROM processes WHERE name LIKE '%sh'").text(), "12");
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(before, std::string(reinterpret_cast<const char*>(image->bytes.get()), image->size_bytes));
}

TEST(SessionImage, HostileTextIsOnlyText) {
  const std::vector<NamedRow> rows = {{{"pid", Value(std::int64_t{5})},
                                       {"name", Value(std::string_view("'); DROP TABLE x;--"))},
                                       {"command_line", Value(std::string_view("a\0b\xff\x1b[31m", 9))}}};
  const auto session = few_session();
  ASSERT_TRUE(session->load(must(image_from_rows(rows, 0))));
  EXPECT_EQ(ask(*session, "SELECT name FROM processes").text(), "'); DROP TABLE x;--");
  EXPECT_EQ(ask(*session, "SELECT command_line FROM processes").text(), std::string("a\0b\xff\x1b[31m", 9));
}

TEST(SessionExplain, ShowsIndexUseWithPublicNames) {
  const auto explained = few_session()->explain("SELECT pid FROM processes WHERE name = 'sh'");
  ASSERT_TRUE(explained) << explained.error().message();
  ASSERT_EQ(explained->plan.size(), 1U);
  EXPECT_THAT(explained->plan[0], HasSubstr("SEARCH processes USING"));
  EXPECT_THAT(explained->plan[0], HasSubstr("by_name"));
  EXPECT_THAT(explained->plan[0], testing::Not(HasSubstr("de_")));
  EXPECT_TRUE(explained->warnings.empty());
  EXPECT_THAT(explained->statement.tables, testing::ElementsAre("processes"));
}

TEST(SessionExplain, SelfJoinsUseThePrimaryKey) {
  const auto explained = few_session()->explain(
      "SELECT c.pid, p.name, g.name FROM processes c LEFT JOIN processes p ON p.pid=c.ppid "
      "LEFT JOIN processes g ON g.pid=p.ppid WHERE c.name='sh'");
  ASSERT_TRUE(explained);
  std::string plan;
  for (const std::string& line : explained->plan) plan += line + "\n";
  EXPECT_THAT(plan, HasSubstr("INTEGER PRIMARY KEY"));
  EXPECT_THAT(plan, testing::Not(HasSubstr("AUTOMATIC"))) << plan;
  EXPECT_THAT(plan, testing::Not(HasSubstr("MATERIALIZE"))) << plan;
}

TEST(SessionExplain, WarnsOfCartesianProducts) {
  const auto joined = few_session()->explain("SELECT a.pid FROM processes a, processes b WHERE a.ppid = b.pid");
  ASSERT_TRUE(joined);
  EXPECT_TRUE(joined->warnings.empty());
  const auto product = few_session()->explain("SELECT a.pid FROM processes a, processes b WHERE a.cwd <> b.cwd");
  ASSERT_TRUE(product);
  ASSERT_EQ(product->warnings.size(), 1U);
  EXPECT_THAT(product->warnings[0], HasSubstr("every row of processes is combined with every row of processes"));
}

TEST(SessionExplain, RefusesWhatRunRefuses) {
  EXPECT_FALSE(few_session()->explain("DROP TABLE de_rows"));
  EXPECT_FALSE(few_session()->explain("SELECT 1; SELECT 2"));
  EXPECT_FALSE(few_session()->explain("SELECT * FROM sqlite_master"));
}

TEST(RowImage, RefusesWhatIsNoRow) {
  const auto make = [](const NamedRow& row) { return image_from_rows(std::vector<NamedRow>{row, row}, 0); };
  const Value one(std::int64_t{1});
  EXPECT_THAT(make({{"nam", one}}).error().message(),
              HasSubstr("row 1: no column \"nam\" in processes (did you mean \"name\"?)"));
  EXPECT_THAT(make({{"pid", Value(std::string_view("x"))}}).error().message(),
              HasSubstr("pid must be of type INTEGER"));
  EXPECT_THAT(make({{"pid", one}}).error().message(), HasSubstr("row 2: pid 1 appears twice"));
  EXPECT_TRUE(make({{"name", Value(std::string_view("x"))}, {"scan_id", one}}));
}

}  // namespace
}  // namespace de::mirror
