// Rules over a snapshot: what they raise, what is said when one cannot be evaluated, and what a reload changed.
#include "ingest/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "mirror/mirror.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DetectorTest : public testing::Test {
 protected:
  DetectorTest() {
    char name[] = "/tmp/de-detector-XXXXXX";
    dir_ = ::mkdtemp(name);
    mirror_ = std::move(*mirror::Mirror::create());
    whole_.set_complete(true);
  }
  ~DetectorTest() override { std::filesystem::remove_all(dir_); }

  void open(mirror::Budget budget = mirror::kRuleBudget) {
    DetectorOptions options;
    options.rules_dirs = {dir_};
    options.budget = budget;
    options.host = "host-1";
    detector_ = std::move(*Detector::open(options, system_clock()));
  }
  void rule(const std::string& id, const std::string& sql, const std::string& more = "") {
    std::ofstream(dir_ + "/" + id + ".yaml") << "id: " << id << "\nname: N\ndescription: D\nseverity: high\n"
                                             << "category: test\nsql: " << sql << "\n"
                                             << more;
  }
  std::shared_ptr<const mirror::Image> image(std::uint32_t count) {
    EXPECT_TRUE(mirror_->begin_scan(77, 1'767'355'200'000));
    for (std::uint32_t pid = 1; pid <= count; ++pid) {
      pb::ProcessRecord record;
      record.set_pid(pid);
      record.set_name("p" + std::to_string(pid));
      EXPECT_TRUE(mirror_->upsert(record, record.SerializeAsString()));
    }
    return *mirror_->finish_scan();
  }
  static std::vector<std::string> names(const std::vector<pb::Reason>& reasons) {
    std::vector<std::string> out;
    for (const pb::Reason& reason : reasons) out.push_back(reason.reason());
    return out;
  }

  std::string dir_;
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<Detector> detector_;
  pb::Completeness whole_;
};

TEST_F(DetectorTest, AMatchBecomesAnAlertThatSaysWhereItComesFrom) {
  rule("one", "SELECT pid, name FROM processes WHERE pid = 2", "dedup: {keys: [pid], seconds: 60}\n");
  open();
  pb::Completeness degraded;
  degraded.set_complete(false);
  degraded.add_reasons()->set_reason("EventsShed");
  const Round round = detector_->run(image(3), degraded);
  EXPECT_EQ(round.rules_run, 1u);
  EXPECT_THAT(round.reasons, IsEmpty());
  ASSERT_EQ(round.alerts.size(), 1u);
  const pb::Alert& alert = round.alerts[0].alert;
  EXPECT_EQ(round.alerts[0].dedupe_window_ms, 60'000);
  EXPECT_EQ(alert.rule_id(), "one");
  EXPECT_EQ(alert.severity(), pb::SEVERITY_HIGH);
  EXPECT_EQ(alert.host(), "host-1");
  EXPECT_EQ(alert.scan_id(), 77u);
  EXPECT_THAT(alert.affected_processes(), ElementsAre(2));
  EXPECT_EQ(alert.completeness().reasons(0).reason(), "EventsShed");
  EXPECT_GT(alert.rule_generation(), 0u);
  EXPECT_EQ(detector_->report()->health.at("one").matches, 1u);
}

TEST_F(DetectorTest, DisabledRulesDoNotRun) {
  rule("off", "SELECT pid FROM processes", "enabled: false\n");
  open();
  const Round round = detector_->run(image(3), whole_);
  EXPECT_EQ(round.rules_run, 0u);
  EXPECT_THAT(round.alerts, IsEmpty());
}

TEST_F(DetectorTest, ARuleOfEventsIsNotAskedOfASnapshot) {
  rule("at-once", "SELECT pid FROM processes", "on: event\n");
  open();
  EXPECT_EQ(detector_->run(image(3), whole_).rules_run, 0u);
}

TEST_F(DetectorTest, ARuleThatFailsIsNamedAndTheOthersStillRun) {
  // The pattern is a column: it is wrong only once there are rows.
  rule("bad", "SELECT pid FROM processes WHERE 'x' REGEXP ('(' || name)");
  rule("good", "SELECT pid FROM processes WHERE pid = 1");
  open();
  const Round round = detector_->run(image(2), whole_);
  EXPECT_EQ(round.rules_run, 2u);
  EXPECT_EQ(round.alerts.size(), 1u);
  ASSERT_THAT(names(round.reasons), ElementsAre("ExecutionError"));
  EXPECT_THAT(round.reasons[0].detail(), HasSubstr("bad"));
  EXPECT_FALSE(detector_->report()->health.at("bad").healthy);
  EXPECT_TRUE(detector_->report()->health.at("good").healthy);
}

TEST_F(DetectorTest, ARuleOverItsTimeIsAResourceLimit) {
  rule("slow", "SELECT count(*) AS n FROM processes a, processes b, processes c, processes d WHERE a.pid > 0");
  mirror::Budget budget = mirror::kRuleBudget;
  budget.time_ms = 5;
  open(budget);
  const Round round = detector_->run(image(500), whole_);
  EXPECT_THAT(names(round.reasons), ElementsAre("ResourceLimit"));
  EXPECT_THAT(round.alerts, IsEmpty());
}

TEST_F(DetectorTest, ARuleThatMatchesMoreThanItMaySaysSo) {
  rule("all", "SELECT pid FROM processes");
  mirror::Budget budget = mirror::kRuleBudget;
  budget.rows = 10;
  open(budget);
  const Round round = detector_->run(image(50), whole_);
  ASSERT_EQ(round.alerts.size(), 10u);
  for (const RaisedAlert& raised : round.alerts) {
    EXPECT_FALSE(raised.alert.completeness().complete());
    EXPECT_EQ(raised.alert.completeness().reasons(0).reason(), "ResultCapped");
  }
  EXPECT_FALSE(detector_->report()->health.at("all").healthy);
}

TEST_F(DetectorTest, ARuleThatDoesNotSayIsFoldedAsTheSettingsHaveIt) {
  rule("all", "SELECT pid FROM processes");
  rule("own", "SELECT pid FROM processes", "dedup: {seconds: 7}\n");
  open();
  const auto window_of = [&](const std::string& id) {
    for (const RaisedAlert& raised : detector_->run(image(1), whole_).alerts)
      if (raised.alert.rule_id() == id) return raised.dedupe_window_ms;
    return std::int64_t{-1};
  };
  EXPECT_EQ(window_of("all"), 300'000);
  detector_->set_dedup_seconds(20);
  EXPECT_EQ(window_of("all"), 20'000);
  EXPECT_EQ(window_of("own"), 7'000);
}

TEST_F(DetectorTest, AnotherBudgetCountsFromTheNextRun) {
  rule("all", "SELECT pid FROM processes");
  open();
  EXPECT_EQ(detector_->run(image(50), whole_).alerts.size(), 50u);
  mirror::Budget budget = mirror::kRuleBudget;
  budget.rows = 10;
  detector_->set_budget(budget);
  EXPECT_EQ(detector_->run(image(50), whole_).alerts.size(), 10u);
}

TEST_F(DetectorTest, WhatWasWrittenDownTellsWhatChangedSince) {
  rule("stays", "SELECT pid FROM processes WHERE pid = 1");
  rule("edited", "SELECT pid FROM processes WHERE pid = 1");
  rule("goes", "SELECT pid FROM processes WHERE pid = 1");
  open();
  const std::string written = to_text(digests_of(*detector_->report()->rules));
  rule("edited", "SELECT pid FROM processes WHERE pid IN (1, 2)");
  rule("comes", "SELECT pid FROM processes WHERE pid = 3");
  std::filesystem::remove(dir_ + "/goes.yaml");
  open();
  const auto& now = *detector_->report()->rules;
  const RuleChanges changes = compare(parse_digests(written), now);
  EXPECT_THAT(changes.added, ElementsAre("comes"));
  EXPECT_THAT(changes.changed, ElementsAre("edited"));
  EXPECT_THAT(changes.removed, ElementsAre("goes"));
  EXPECT_FALSE(compare(parse_digests(to_text(digests_of(now))), now).has_rules());
  EXPECT_THAT(parse_digests("rubbish"), IsEmpty());
}

TEST_F(DetectorTest, ReloadSaysWhatChangedAndKeepsTheLastGoodRule) {
  rule("stays", "SELECT pid FROM processes WHERE pid = 1");
  rule("edited", "SELECT pid FROM processes WHERE pid = 1");
  rule("goes", "SELECT pid FROM processes WHERE pid = 1");
  open();
  ASSERT_TRUE(detector_->reload());
  EXPECT_FALSE(*detector_->reload());
  rule("edited", "SELECT pid FROM processes WHERE pid IN (1, 2)");
  rule("comes", "SELECT pid FROM processes WHERE pid = 3");
  std::filesystem::remove(dir_ + "/goes.yaml");
  const auto changes = detector_->reload();
  ASSERT_TRUE(changes && *changes);
  EXPECT_THAT((*changes)->added, ElementsAre("comes"));
  EXPECT_THAT((*changes)->changed, ElementsAre("edited"));
  EXPECT_THAT((*changes)->removed, ElementsAre("goes"));
  EXPECT_EQ(detector_->run(image(3), whole_).alerts.size(), 4u);

  std::ofstream(dir_ + "/edited.yaml") << "id: [";
  const auto broken = detector_->reload();
  ASSERT_TRUE(broken && *broken);
  EXPECT_EQ((*broken)->rejected_files, 1u);
  EXPECT_THAT((*broken)->removed, IsEmpty());
  EXPECT_EQ(detector_->run(image(3), whole_).alerts.size(), 4u);
  EXPECT_EQ(detector_->report()->rules->errors.size(), 1u);
}

}  // namespace
}  // namespace de::ingest
