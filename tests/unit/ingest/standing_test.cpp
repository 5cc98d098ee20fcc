// Rules that aggregate say something once for as long as it is so; none takes the time of the others; and those that
// can never match are named.
#include "ingest/standing_matches.h"
#include "rules_fixture.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Whatever is done while it is slow takes a tenth of a second.
struct SlowClock final : Clock {
  std::int64_t unix_ms() const override { return 1'767'355'200'000 + at_tenths * 100; }
  std::int64_t steady_ns() const override {
    if (is_slow) ++at_tenths;
    return at_tenths * 100'000'000;
  }
  bool is_slow = false;
  mutable std::int64_t at_tenths = 1;
};

class StandingTest : public RulesTest {
 protected:
  void open(const Clock& clock, std::uint32_t max_cpu_percent = 100) {
    DetectorOptions options;
    options.rules_dirs = {rules_};
    options.budget = {1'000'000'000, 32UL << 20, 1'000, 4UL << 20};
    options.max_cpu_percent = max_cpu_percent;
    detector_ = std::move(*Detector::open(options, clock));
    ASSERT_THAT(detector_->report()->rules->errors, IsEmpty());
  }
  std::shared_ptr<const mirror::Image> image(const std::vector<std::string>& names, bool with_environment = false) {
    EXPECT_TRUE(mirror_->begin_scan(++scan_, clock_.unix_ms()));
    std::uint32_t pid = 0;
    for (const std::string& name : names) {
      pb::ProcessRecord record;
      record.set_pid(++pid);
      record.set_name(name);
      if (with_environment) record.add_environment("PATH=/bin");
      EXPECT_TRUE(mirror_->upsert(record, record.SerializeAsString()));
    }
    return *mirror_->finish_scan();
  }
  // How many alerts the store has anew.
  std::size_t stored_of(const std::vector<std::string>& names) {
    clock_.now_ms += 1'000;
    std::size_t stored = 0;
    for (RaisedAlert& raised : detector_->run(image(names), whole_).alerts) {
      const auto outcome = store_->put_alert(raised.alert, {}, raised.dedupe_window_ms);
      EXPECT_TRUE(outcome);
      if (outcome && *outcome == store::AlertOutcome::Stored) ++stored;
    }
    return stored;
  }

  std::uint64_t scan_ = 0;
};

TEST_F(StandingTest, AnAggregateIsOneAlertForAsLongAsItStands) {
  rule("many", "SELECT name, count(*) AS n FROM processes GROUP BY name HAVING n > 1", "dedup: {seconds: 0}\n");
  open(clock_);
  EXPECT_EQ(stored_of({"a", "a", "b"}), 1U);
  EXPECT_EQ(stored_of({"a", "a", "a"}), 0U);
  clock_.now_ms += 30LL * 86'400'000;
  EXPECT_EQ(stored_of({"a", "a", "b", "b"}), 1U) << "of b alone";
  EXPECT_EQ(stored_of({"a", "b", "b"}), 0U);
  EXPECT_EQ(stored_of({"a", "a", "b", "b"}), 1U) << "a has ended in between";
  const auto alerts = store_->list_alerts({});
  ASSERT_TRUE(alerts);
  ASSERT_EQ(alerts->size(), 3U);
  std::vector<std::uint64_t> counts;
  for (const pb::Alert& alert : *alerts) counts.push_back(alert.count());
  EXPECT_THAT(counts, ElementsAre(1U, 3U, 3U)) << "newest first; what stood is counted";
}

TEST_F(StandingTest, AChangedRuleStartsOver) {
  rule("many", "SELECT name, count(*) AS n FROM processes GROUP BY name HAVING n > 1", "dedup: {seconds: 0}\n");
  rule("other", "SELECT name FROM processes WHERE name = 'zzz'");
  open(clock_);
  EXPECT_EQ(stored_of({"a", "a"}), 1U);
  rule("other", "SELECT name FROM processes WHERE name = 'yyyy'");
  ASSERT_TRUE(*detector_->reload());
  EXPECT_EQ(stored_of({"a", "a"}), 0U);
  rule("many", "SELECT name, count(*) AS n FROM processes GROUP BY name HAVING n >= 2", "dedup: {seconds: 0}\n");
  ASSERT_TRUE(*detector_->reload());
  EXPECT_EQ(stored_of({"a", "a"}), 1U);
}

TEST_F(StandingTest, RulesOverSingleRowsAreFoldedByTime) {
  rule("each", "SELECT pid, name FROM processes WHERE name = 'a'", "dedup: {seconds: 5}\n");
  rule("pairs", "SELECT p.pid, p.name FROM processes p JOIN processes q ON q.pid = p.pid + 1 WHERE q.name = 'b'",
       "dedup: {seconds: 5}\n");
  open(clock_);
  for (int i = 0; i < 2; ++i) {
    const Round round = detector_->run(image({"a", "b"}), whole_);
    ASSERT_EQ(round.alerts.size(), 2U);
    for (const RaisedAlert& raised : round.alerts) EXPECT_EQ(raised.dedupe_window_ms, 5'000);
  }
}

pb::Alert alert_of(const std::string& key) {
  pb::Alert alert;
  alert.set_dedupe_key(key);
  return alert;
}

TEST(StandingMatches, NothingIsKnownOfWhatWasNotTaken) {
  StandingMatches standing;
  detect::Rule rule;
  rule.id = "r";
  const std::vector<pb::Alert> a{alert_of("a")}, b{alert_of("b")};
  EXPECT_THAT(standing.take(rule, a, true), ElementsAre(false));
  EXPECT_THAT(standing.take(rule, b, false), ElementsAre(false)) << "a may still stand";
  EXPECT_THAT(standing.take(rule, a, true), ElementsAre(true));
  EXPECT_THAT(standing.take(rule, b, true), ElementsAre(false)) << "b was known to have ended";
  EXPECT_THAT(standing.take(rule, {}, true), IsEmpty());
  EXPECT_THAT(standing.take(rule, b, true), ElementsAre(false));
}

TEST(StandingMatches, AreBounded) {
  StandingMatches standing;
  detect::Rule rule;
  rule.id = "r";
  for (int i = 0; i < 3; ++i) {
    std::vector<pb::Alert> alerts;
    for (std::size_t j = 0; j < StandingMatches::kMaxOfRule; ++j)
      alerts.push_back(alert_of(std::to_string(i) + "." + std::to_string(j)));
    standing.take(rule, alerts, false);
  }
  const std::vector<pb::Alert> old{alert_of("0.1")}, last{alert_of("2.1")};
  EXPECT_THAT(standing.take(rule, old, false), ElementsAre(false));
  EXPECT_THAT(standing.take(rule, last, false), ElementsAre(true));
}

TEST_F(StandingTest, RulesWithoutTimeLeftArePassedOverAndNamed) {
  constexpr std::size_t kRules = 20;
  for (std::size_t i = 0; i < kRules; ++i)
    rule("greedy" + std::to_string(i), "SELECT pid FROM processes WHERE name = 'sh'");
  SlowClock slow;
  open(slow, 1);
  slow.is_slow = true;
  const auto passed_over = [&] {
    std::uint64_t sum = 0;
    for (const auto& [id, health] : detector_->report()->health) sum += health.passed_over;
    return sum;
  };
  Round round;
  int rounds = 0;
  while (rounds < 1'000 && round.reasons.empty()) {
    round = detector_->run(image({"a", "b"}), whole_);
    ++rounds;
  }
  EXPECT_GE(rounds, 2) << "what was saved up";
  ASSERT_FALSE(round.reasons.empty());
  EXPECT_EQ(round.reasons[0].reason(), "ResourceLimit");
  EXPECT_THAT(round.reasons[0].detail(), HasSubstr("rule greedy"));
  EXPECT_EQ(round.rules_run + round.reasons.size(), kRules);
  EXPECT_EQ(passed_over(), round.reasons.size());

  pb::ProcessEvent event;
  event.set_event_type(pb::EVENT_TYPE_EXEC);
  event.mutable_process()->set_pid(7);
  event.mutable_process()->set_name("sh");
  const NewEvent arrived{std::make_shared<const std::string>("procmond"),
                         std::make_shared<const pb::ProcessEvent>(event)};
  const std::vector<NewEvent> events{arrived, arrived};
  const std::uint64_t before = passed_over();
  round = detector_->run_events(events, whole_);
  ASSERT_FALSE(round.reasons.empty());
  EXPECT_EQ(round.rules_run + round.reasons.size(), kRules);
  EXPECT_EQ(passed_over(), before + 2 * round.reasons.size()) << "two events for each";
  detector_->set_max_cpu_percent(100);
  EXPECT_EQ(detector_->run_events(events, whole_).alerts.size(), 2 * kRules);
}

TEST_F(StandingTest, RulesThatCanNeverMatchAreNamed) {
  rule("preload", "SELECT pid FROM processes WHERE environment LIKE '%LD_PRELOAD=%'");
  rule("either", "SELECT pid FROM processes WHERE environment LIKE '%LD_PRELOAD=%' OR name = 'sh'");
  rule("created", "SELECT pid FROM processes.events WHERE event_type = 'create'");
  rule("false", "SELECT pid FROM processes WHERE name = 'a' AND 1 = 0");
  rule("exec", "SELECT pid FROM processes.events WHERE event_type IN ('exec', 'clone') AND severity LIKE 'cri%'");
  open(clock_);
  const auto hopeless = [&] {
    std::vector<std::string> ids;
    for (const auto& [id, why] : *detector_->report()->why_never) ids.push_back(id);
    return ids;
  };
  EXPECT_THAT(hopeless(), ElementsAre("created", "false"));
  auto tables = std::make_shared<mirror::ForeignTables>();
  tables->untold = {"processes.environment", "processes.events.environment"};
  ASSERT_TRUE(detector_->set_tables(tables));
  EXPECT_THAT(hopeless(), ElementsAre("created", "false", "preload"));
  EXPECT_THAT(detector_->report()->why_never->at("preload"), HasSubstr("collect.environment"));
  ASSERT_TRUE(detector_->set_tables(std::make_shared<mirror::ForeignTables>()));
  EXPECT_THAT(hopeless(), ElementsAre("created", "false")) << "a collector came that tells it";
}

}  // namespace
}  // namespace de::ingest
