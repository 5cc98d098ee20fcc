// Each of the hostile statements, in a session of its own kind: refused with a reason, or ended by its budget, and the
// next who asks is none the wiser.
//
// A machine may be slow and sanitizers are, so that what is measured is the processor time of the thread, and ten times
// what is promised (twice the budget) is allowed. What is counted is exact.
#include <gmock/gmock.h>

#include <iostream>
#include <map>

#include "mirror/batch_session.h"
#include "mirror/charge.h"
#include "mirror/fixture.h"
#include "mirror/hostile_statements.h"

namespace de::mirror {
namespace {

using hostile::Fate;
using testing::HasSubstr;

constexpr std::int64_t kBudgetMs = 50;
constexpr Budget kSmall{kBudgetMs, 32UL << 20, 1'000, 4UL << 20};
constexpr std::int64_t kPromiseMs = 2 * kBudgetMs;
constexpr std::int64_t kLookNs = 10'000;
constexpr std::uint32_t kProcesses = 3'000;
constexpr std::size_t kLongArgument = 60'000;

// Every look at it takes a little of the budget, so that on a fast machine it is the steps of SQLite that count.
class CountedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return system_clock().unix_ms(); }
  std::int64_t steady_ns() const override { return system_clock().steady_ns() + ++looks * kLookNs; }
  mutable std::int64_t looks = 0;
};

// More events than anybody will read.
class Flood final : public StoredSource {
 public:
  Flood() {
    event_.set_event_type(pb::EVENT_TYPE_EXEC);
    event_.set_event_time_ms(1'700'000'000'000);
    event_.mutable_process()->set_name("flood");
    event_.mutable_process()->add_command_line(std::string(100, 'f'));
  }
  NextRows read(const StoredQuery&) const override {
    return [left = 100'000, event = event_,
            rows = std::vector<StoredRow>()]() mutable -> Result<std::span<const StoredRow>> {
      Charge* charge = current_charge();
      if (left % 64 == 0 && charge != nullptr && charge->is_late()) return fail(Errc::Timeout, "no time left");
      event.set_sequence(static_cast<std::uint64_t>(left));
      event.mutable_process()->set_pid(static_cast<std::uint32_t>(left % 5'000));
      rows.assign(left-- > 0 ? 1 : 0, StoredRow{"procmond", &event});
      return std::span<const StoredRow>(rows);
    };
  }
  Result<std::vector<pb::Reason>> missing(StoredTable, std::int64_t, std::int64_t) const override {
    return std::vector<pb::Reason>();
  }

 private:
  pb::ProcessEvent event_;
};

std::shared_ptr<const Image> many_processes() {
  auto mirror = std::move(*Mirror::create());
  EXPECT_TRUE(mirror->begin_scan(1, 1'700'000'000'000));
  for (std::uint32_t pid = 1; pid <= kProcesses; ++pid) {
    pb::ProcessRecord record;
    record.set_pid(pid);
    record.set_ppid(pid / 2);
    record.set_name("p" + std::to_string(pid % 100));
    record.set_executable_path("/usr/bin/p" + std::to_string(pid % 100));
    record.add_command_line("p" + std::to_string(pid));
    record.add_command_line(std::string(pid % 1'000 == 0 ? kLongArgument : 50, 'a'));
    EXPECT_TRUE(mirror->upsert(record, record.SerializeAsString()));
  }
  return must(mirror->finish_scan());
}

// What one statement used, whatever became of it.
struct Used {
  explicit Used(const CountedClock& clock) : clock_(clock), cpu_ns_(thread_cpu_ns()), looks_(clock.looks) {
    bytes_ = sqlite3_memory_used();
    (void)sqlite3_memory_highwater(1);
  }
  std::int64_t cpu_ms() const { return (thread_cpu_ns() - cpu_ns_) / 1'000'000; }
  std::int64_t looks() const { return clock_.looks - looks_; }
  std::int64_t bytes() const { return sqlite3_memory_highwater(0) - bytes_; }

 private:
  const CountedClock& clock_;
  std::int64_t cpu_ns_;
  std::int64_t looks_;
  std::int64_t bytes_;
};

class Hostile : public testing::TestWithParam<std::string> {
 protected:
  Hostile() {
    session_ = std::move(*Session::create(Origin::Rule, clock_, &flood_));
    static const auto kImage = many_processes();
    EXPECT_TRUE(session_->load(kImage));
  }

  void expect_bounded(const Used& used, const std::string& shown) {
    if (used.cpu_ms() > worst_ms_) worst_ = shown;
    worst_ms_ = std::max(worst_ms_, used.cpu_ms());
    EXPECT_LE(used.cpu_ms(), 10 * kPromiseMs) << shown;
    EXPECT_LE(used.looks() * kLookNs, kPromiseMs * 1'000'000) << shown;
    // The page cache of the session belongs to it, not to the statement.
    EXPECT_LE(used.bytes(), static_cast<std::int64_t>(kSmall.memory_bytes) + (1 << 20)) << shown;
  }
  void expect_others_unharmed(const std::string& shown) {
    EXPECT_EQ(ask(*session_, "SELECT count(*), max(pid), min(name) FROM processes", kRuleBudget).text(), "3000|3000|p0")
        << "after " << shown;
  }

  CountedClock clock_;
  const Flood flood_;
  std::unique_ptr<Session> session_;
  std::int64_t worst_ms_ = 0;
  std::string worst_;
  std::map<std::string, int> ends_;
};

std::string shown(const hostile::Statement& statement) {
  return statement.kind + ": " +
         (statement.sql.size() > 400
              ? statement.sql.substr(0, 200) + " ... " + statement.sql.substr(statement.sql.size() - 200)
              : statement.sql);
}

std::string end_of(Errc code) {
  if (code == Errc::Timeout) return "out of time";
  return code == Errc::Exhausted ? "out of memory" : "refused";
}

std::map<std::string, std::vector<const hostile::Statement*>> by_kind() {
  std::map<std::string, std::vector<const hostile::Statement*>> out;
  for (const hostile::Statement& statement : hostile::statements()) out[statement.kind].push_back(&statement);
  return out;
}

std::vector<std::string> kinds() {
  std::vector<std::string> out;
  for (const auto& [kind, statements] : by_kind()) out.push_back(kind);
  return out;
}

TEST(HostileList, HasFiveHundredDifferentOnes) {
  std::size_t all = 0;
  for (const auto& [kind, statements] : by_kind()) {
    std::cout << kind << ": " << statements.size() << '\n';
    all += statements.size();
  }
  std::cout << "together: " << all << std::endl;
  std::map<std::string, int> times;
  for (const hostile::Statement& statement : hostile::statements())
    EXPECT_EQ(++times[statement.sql], 1) << shown(statement);
  EXPECT_GE(all, 500U);
}

TEST_P(Hostile, IsRefusedOrEnds) {
  const auto mine = by_kind()[GetParam()];
  for (const hostile::Statement* statement : mine) {
    const Used used(clock_);
    if (statement->fate == Fate::Refused) {
      const auto valid = session_->validate(statement->sql);
      ASSERT_FALSE(valid) << shown(*statement);
      EXPECT_EQ(valid.error().code(), Errc::Invalid) << shown(*statement);
      EXPECT_THAT(valid.error().message(), HasSubstr(statement->why)) << shown(*statement);
      EXPECT_FALSE(valid.error().message().empty()) << shown(*statement);
    }
    const Answer answer = ask(*session_, statement->sql, kSmall);
    expect_bounded(used, shown(*statement));
    if (statement->fate != Fate::Bounded) {
      EXPECT_FALSE(answer.outcome) << shown(*statement);
    }
    ++ends_[answer.outcome ? "answered" : end_of(answer.outcome.error().code())];
    if (!answer.outcome) {
      const Errc code = answer.outcome.error().code();
      EXPECT_TRUE(code == Errc::Invalid || code == Errc::Timeout || code == Errc::Exhausted) << answer.text();
      // A bad pattern may be found by the gate only, because no row comes that far.
      if (code == Errc::Invalid) {
        EXPECT_THAT(answer.text(), HasSubstr(statement->why)) << shown(*statement);
      }
    }
    expect_others_unharmed(shown(*statement));
  }
  for (const auto& [end, count] : ends_) std::cout << end << ": " << count << ", ";
  std::cout << "longest: " << worst_ms_ << " ms of processor time, budget " << kBudgetMs << " ms: " << worst_
            << std::endl;
}

// Events as they arrive: with long arguments, and one that an ordinary rule is about.
std::vector<pb::ProcessEvent> new_events() {
  std::vector<pb::ProcessEvent> events(8);
  for (std::uint32_t i = 0; i < 8; ++i) {
    pb::ProcessEvent& event = events[i];
    event.set_event_type(pb::EVENT_TYPE_EXEC);
    event.set_event_time_ms(1'700'000'000'000);
    event.mutable_process()->set_pid(100 + i);
    event.mutable_process()->set_name(i == 5 ? "xmrig" : "p" + std::to_string(i));
    event.mutable_process()->add_command_line(std::string(i < 4 ? kLongArgument : 50, i % 2 == 0 ? 'a' : '1'));
  }
  return events;
}

class HostileToEvents : public Hostile {
 protected:
  HostileToEvents() : batch_(std::move(*BatchSession::create(clock_, {}))) {
    for (const pb::ProcessEvent& event : events_) rows_.push_back({"procmond", &event});
  }
  void run(std::size_t number, const std::string& shown) {
    batch_->load(rows_);
    const Used used(clock_);
    const auto outcome = batch_->run(
        number, kSmall, [](auto) {}, [](auto, auto) { return true; });
    expect_bounded(used, shown);
    if (!outcome) {
      EXPECT_NE(outcome.error().code(), Errc::Io) << shown;
    }
  }
  // The one about xmrig is number 0.
  std::size_t ordinary_matches() {
    std::size_t matches = 0;
    batch_->load(rows_);
    const auto outcome = batch_->run(
        0, kRuleBudget, [](auto) {},
        [&](auto, std::size_t event) {
          EXPECT_EQ(event, 5U);
          ++matches;
          return true;
        });
    EXPECT_TRUE(outcome) << outcome.error().message();
    return matches;
  }

  std::unique_ptr<BatchSession> batch_;
  const std::vector<pb::ProcessEvent> events_ = new_events();
  std::vector<EventRow> rows_;
};

TEST_P(HostileToEvents, IsRefusedOrEnds) {
  ASSERT_TRUE(batch_->add("SELECT pid FROM processes WHERE name = 'xmrig'"));
  const auto mine = by_kind()[GetParam()];
  for (const hostile::Statement* statement : mine) {
    const auto added = batch_->add(statement->sql);
    ++ends_[added ? "asked" : "refused"];
    if (added) {
      // What a pattern is worth is looked at once, when the rule is read.
      EXPECT_TRUE(statement->fate != Fate::Refused || statement->kind == "bad patterns") << shown(*statement);
      run(*added, shown(*statement));
    } else {
      EXPECT_NE(added.error().code(), Errc::Io) << shown(*statement);
      EXPECT_FALSE(added.error().message().empty()) << shown(*statement);
    }
  }
  EXPECT_EQ(ordinary_matches(), 1U);
  for (const auto& [end, count] : ends_) std::cout << end << ": " << count << ", ";
  std::cout << "longest: " << worst_ms_ << " ms of processor time: " << worst_ << std::endl;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase_if(name, [](char c) { return c == ' ' || c == '-'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(Statements, Hostile, testing::ValuesIn(kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(Statements, HostileToEvents, testing::ValuesIn(kinds()), name_of);

}  // namespace
}  // namespace de::mirror
