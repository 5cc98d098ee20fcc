// What an alert rests on is found again, and the rule is asked of it again; whatever is in the way is said.
#include "ingest/evidence.h"

#include "rules_fixture.h"

namespace de::ingest {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kSame[] = "the rule, asked again, has the same match";

class EvidenceTest : public RulesTest {
 protected:
  // Stored and shown to the rules.
  Round happen(std::uint64_t first, std::uint64_t last) {
    const pb::Publish message = events(first, last);
    std::vector<NewEvent> arrived;
    for (const pb::ProcessEvent& event : message.events().events())
      arrived.push_back(
          {std::make_shared<const std::string>("procmond"), std::make_shared<const pb::ProcessEvent>(event)});
    acked(message);
    return detector_->run_events(arrived, whole_);
  }
  Round scan(std::uint64_t id, std::uint32_t count) {
    std::vector<pb::ProcessRecord> records;
    for (std::uint32_t pid = 1; pid <= count; ++pid) records.push_back(process(pid));
    acked(chunk(id, 0, true, records, count));
    return detector_->run(image_, whole_);
  }
  Evidence evidence(const pb::Alert& alert) {
    auto found = find_evidence({*store_, source_, nullptr}, alert, detector_->report()->rules->find(alert.rule_id()),
                               mirror::kRuleBudget, clock_);
    EXPECT_TRUE(found) << found.error().message();
    return found ? std::move(*found) : Evidence();
  }
  static std::string value(const Evidence& found, std::string_view column) {
    for (std::size_t i = 0; i < found.columns.size(); ++i) {
      if (found.columns[i] != column || !found.row) continue;
      const pb::Value& value = found.row->values(static_cast<int>(i));
      return value.kind_case() == pb::Value::kInteger ? std::to_string(value.integer()) : value.text();
    }
    return "none";
  }
};

TEST_F(EvidenceTest, OfAnEventIsTheEvent) {
  rule("p3", "SELECT pid, name, process_uid FROM processes WHERE name = 'p3'", "on: event\n");
  open_detector();
  const Round round = happen(1, 5);
  ASSERT_EQ(round.alerts.size(), 1U);
  Evidence found = evidence(round.alerts[0].alert);
  EXPECT_EQ(found.verdict, kSame);
  EXPECT_TRUE(found.is_reproduced);
  EXPECT_EQ(value(found, "sequence"), "3");
  EXPECT_EQ(value(found, "name"), "p3");
  EXPECT_THAT(found.missing, IsEmpty());

  pb::Alert other = round.alerts[0].alert;
  other.mutable_data(0)->mutable_value()->set_integer(77);
  EXPECT_EQ(evidence(other).verdict, "the rule, asked again, has the match with other values");
  other.mutable_event()->set_sequence(4);
  EXPECT_EQ(evidence(other).verdict, "the rule, asked again, has no such match");
  other.mutable_event()->set_collector("else'where");
  found = evidence(other);
  EXPECT_EQ(found.verdict, "what it was raised about is not stored any more");
  EXPECT_FALSE(found.row);
}

TEST_F(EvidenceTest, OfASnapshotIsTheProcessAsItWasThen) {
  rule("p2", "SELECT pid, name, process_uid FROM processes WHERE name = 'p2'", "on: snapshot\n");
  open_detector();
  const Round round = scan(7, 3);
  ASSERT_EQ(round.alerts.size(), 1U);
  clock_.now_ms += 30'000;
  EXPECT_THAT(scan(8, 1).alerts, IsEmpty());
  const Evidence found = evidence(round.alerts[0].alert);
  EXPECT_EQ(found.verdict, kSame);
  EXPECT_EQ(value(found, "scan_id"), "7");
  EXPECT_EQ(value(found, "pid"), "2");
  EXPECT_THAT(found.sql, HasSubstr("processes.history"));
  pb::Alert gone = round.alerts[0].alert;
  gone.set_scan_id(6);
  EXPECT_EQ(evidence(gone).verdict, "what it was raised about is not stored any more");
}

TEST_F(EvidenceTest, OfAnAggregateIsTheSnapshot) {
  rule("many", "SELECT count(*) AS n FROM processes HAVING count(*) > 2");
  rule("before", "SELECT count(*) AS n FROM processes.events HAVING count(*) > 2", "window: 1h\n");
  open_detector();
  happen(1, 4);
  const Round round = scan(7, 3);
  ASSERT_EQ(round.alerts.size(), 2U);
  clock_.now_ms += 30'000;
  happen(5, 9);
  for (const RaisedAlert& raised : round.alerts) {
    const Evidence found = evidence(raised.alert);
    EXPECT_EQ(found.verdict, kSame) << raised.alert.rule_id();
    EXPECT_THAT(found.sql, HasSubstr("FROM scans"));
    EXPECT_EQ(value(found, "scan_id"), "7");
  }
}

TEST_F(EvidenceTest, ARuleThatChangedIsNotAsked) {
  rule("p3", "SELECT pid, name FROM processes WHERE name = 'p3'", "on: event\n");
  open_detector();
  const pb::Alert alert = happen(1, 5).alerts.at(0).alert;
  rule("p3", "SELECT pid, name FROM processes WHERE name IN ('p3', 'p4')", "on: event\n");
  ASSERT_TRUE(*detector_->reload());
  Evidence found = evidence(alert);
  EXPECT_EQ(found.verdict, "the rule was changed since");
  EXPECT_EQ(value(found, "name"), "p3") << "the row is there all the same";
  std::filesystem::remove(rules_ + "/p3.yaml");
  ASSERT_TRUE(*detector_->reload());
  EXPECT_EQ(evidence(alert).verdict, "the rule is not there any more");
}

TEST_F(EvidenceTest, OfTheAgentsOwnAlertsThereIsNone) {
  open_detector();
  pb::Alert own;
  own.set_rule_id("daemoneye.spool");
  const Evidence found = evidence(own);
  EXPECT_THAT(found.sql, IsEmpty());
  EXPECT_FALSE(found.row);
  EXPECT_THAT(found.verdict, HasSubstr("about itself"));
}

}  // namespace
}  // namespace de::ingest
