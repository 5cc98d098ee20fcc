// What each kind of request is answered with, right and wrong ones.
#include "control_fixture.h"

namespace de::serve {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kRule[] = R"(id: demo
name: Demo
description: Finds proc1.
severity: high
category: test
sql: SELECT pid, name FROM processes WHERE name = 'proc1'
tests:
  match:
    - rows: [{pid: 1, name: proc1}]
  no_match:
    - rows: [{pid: 2, name: proc2}]
)";

pb::ControlRequest rule_show(const std::string& id) {
  pb::ControlRequest request;
  request.mutable_rule_show()->set_rule_id(id);
  return request;
}
pb::ControlRequest alert_show(const std::string& id) {
  pb::ControlRequest request;
  request.mutable_alert_show()->set_alert_id(id);
  return request;
}

using QueryTest = ControlTest;

TEST_F(QueryTest, SeesTheLatestSnapshotAndSaysHowCompleteItIs) {
  EXPECT_EQ(query("SELECT count(*) FROM processes").at("0", 0), "0");
  snapshot(3);
  known_.set_complete(false);
  known_.add_reasons()->set_reason("EventsShed");
  const Reply reply = query("SELECT pid, name FROM processes ORDER BY pid DESC");
  EXPECT_THAT(reply.columns, ElementsAre("pid", "name"));
  ASSERT_EQ(reply.rows.size(), 3u);
  EXPECT_THAT(reply.rows[0], ElementsAre("3", "proc3"));
  EXPECT_EQ(reply.status(), pb::STATUS_OK);
  EXPECT_FALSE(reply.trailer->completeness().complete());
  EXPECT_EQ(reply.trailer->completeness().reasons(0).reason(), "EventsShed");
}

TEST_F(QueryTest, EventsAreReadAndWhatIsMissingOfThemIsSaid) {
  pb::EventBatch batch;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(i);
    event.set_event_type(pb::EVENT_TYPE_START);
    event.set_event_time_ms(clock_.now_ms + static_cast<std::int64_t>(i));
    event.mutable_process()->set_pid(static_cast<std::uint32_t>(i));
  }
  ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  pb::Gap gap;
  gap.set_first_sequence(10);
  gap.set_last_sequence(12);
  gap.set_from_ms(clock_.now_ms + 2);
  gap.set_to_ms(clock_.now_ms + 2);
  gap.set_reason("size cap");
  ASSERT_TRUE(store_->append_gap("procmond", "spool", gap));
  const Reply all = query("SELECT pid, event_type, collector FROM processes.events ORDER BY event_time_ms DESC");
  ASSERT_EQ(all.rows.size(), 3U) << all.message();
  EXPECT_THAT(all.rows[0], ElementsAre("3", "start", "procmond"));
  EXPECT_FALSE(all.trailer->completeness().complete());
  ASSERT_EQ(all.trailer->completeness().reasons_size(), 1);
  EXPECT_EQ(all.trailer->completeness().reasons(0).reason(), "EventsShed");
  EXPECT_EQ(all.trailer->completeness().reasons(0).detail(), "3 events lost, sequences 10 to 12 (size cap)");
  const Reply later = query("SELECT pid FROM events WHERE event_time_ms > " + std::to_string(clock_.now_ms + 2));
  EXPECT_EQ(later.rows.size(), 1U);
  EXPECT_TRUE(later.trailer->completeness().complete());
  // The snapshot's completeness names the same gap for an hour: once is enough.
  known_.set_complete(false);
  *known_.add_reasons() = all.trailer->completeness().reasons(0);
  EXPECT_EQ(query("SELECT pid FROM events").trailer->completeness().reasons_size(), 1);
}

TEST_F(QueryTest, WhatHasArrivedIsStoredBeforeAQuestionIsAnswered) {
  on_settle_ = [this] {
    pb::EventBatch batch;
    batch.add_events()->set_sequence(1);
    batch.mutable_events(0)->set_event_type(pb::EVENT_TYPE_EXEC);
    batch.mutable_events(0)->set_event_time_ms(clock_.now_ms);
    batch.mutable_events(0)->mutable_process()->set_pid(77);
    EXPECT_TRUE(store_->append_events("procmond", "spool", batch));
  };
  const Reply reply = query("SELECT pid FROM processes.events");
  ASSERT_EQ(reply.rows.size(), 1U) << reply.message();
  EXPECT_THAT(reply.rows[0], ElementsAre("77"));
  pb::ControlRequest follow;
  follow.mutable_follow()->set_after(ask(follow).trailer->position());
  on_settle_ = [this] {
    pb::EventBatch batch;
    batch.add_events()->set_sequence(2);
    batch.mutable_events(0)->set_event_time_ms(clock_.now_ms);
    EXPECT_TRUE(store_->append_events("procmond", "spool", batch));
  };
  EXPECT_EQ(ask(follow).rows.size(), 1U) << "the same for somebody who watches";
}

TEST_F(QueryTest, FollowingGivesWhatWasStoredSinceTheLastLook) {
  const auto put = [&](std::uint64_t first, std::uint64_t last) {
    pb::EventBatch batch;
    for (std::uint64_t i = first; i <= last; ++i) {
      pb::ProcessEvent& event = *batch.add_events();
      event.set_sequence(i);
      event.set_event_type(pb::EVENT_TYPE_EXEC);
      event.set_event_time_ms(clock_.now_ms - static_cast<std::int64_t>(i));
      event.mutable_process()->set_pid(static_cast<std::uint32_t>(i));
    }
    ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  };
  std::optional<std::uint64_t> position;
  const auto look = [&] {
    pb::ControlRequest request;
    request.mutable_follow();
    if (position) request.mutable_follow()->set_after(*position);
    Reply reply = ask(request);
    EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
    position = reply.trailer->position();
    return reply;
  };
  put(1, 3);
  EXPECT_EQ(look().rows.size(), 0U);
  put(4, 5);
  const Reply two = look();
  EXPECT_EQ(two.rows.size(), 2U);
  EXPECT_THAT(two.columns, Contains("command_line"));
  EXPECT_EQ(look().rows.size(), 0U);
  put(6, 6'005);
  const Reply many = look();
  EXPECT_EQ(many.rows.size(), 5'000U);
  EXPECT_EQ(many.trailer->left_out(), 1'000U);
  EXPECT_EQ(look().rows.size(), 0U);
}

TEST_F(QueryTest, ParametersAreValuesNotText) {
  snapshot(3);
  pb::ControlRequest request = query_request("SELECT pid FROM processes WHERE name = ? OR pid = ?");
  request.mutable_query()->add_params()->set_text("proc1' OR '1'='1");
  request.mutable_query()->add_params()->set_integer(2);
  const Reply reply = ask(request);
  ASSERT_EQ(reply.rows.size(), 1u);
  EXPECT_EQ(reply.rows[0][0], "2");
  for (int i = 0; i < 40; ++i) request.mutable_query()->add_params()->set_integer(i);
  EXPECT_EQ(ask(request).status(), pb::STATUS_REFUSED);
}

TEST_F(QueryTest, AnswerThatWasCutByTheAgentIsDegradedOneCutByTheAskerIsNot) {
  snapshot(10);
  context_->query_budget.rows = 4;
  const Reply capped = query("SELECT pid FROM processes");
  EXPECT_EQ(capped.rows.size(), 4u);
  EXPECT_FALSE(capped.trailer->completeness().complete());
  EXPECT_EQ(capped.trailer->completeness().reasons(0).reason(), "ResultCapped");
  pb::ControlRequest request = query_request("SELECT pid FROM processes");
  request.mutable_query()->set_limit_rows(2);
  const Reply limited = ask(request);
  EXPECT_EQ(limited.rows.size(), 2u);
  EXPECT_TRUE(limited.trailer->completeness().complete());
  request.mutable_query()->set_limit_rows(100);
  EXPECT_EQ(ask(request).rows.size(), 4u);
}

TEST_F(QueryTest, AskingForMoreThanTheAgentGivesIsDegradedToo) {
  snapshot(10);
  context_->query_budget.rows = 4;
  pb::ControlRequest request = query_request("SELECT pid FROM processes");
  request.mutable_query()->set_limit_rows(9);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.rows.size(), 4u);
  EXPECT_FALSE(reply.trailer->completeness().complete());
}

TEST_F(QueryTest, RefusedSqlSaysWhyAndIsEnteredInTheLedger) {
  const Reply reply = query("DELETE FROM processes");
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_FALSE(reply.message().empty());
  EXPECT_TRUE(reply.rows.empty());
  ASSERT_EQ(audited_.size(), 1u);
  EXPECT_THAT(audited_[0], HasSubstr("query.refused"));
  EXPECT_THAT(audited_[0], HasSubstr("\"uid\":" + std::to_string(::geteuid())));
  EXPECT_THAT(audited_[0], HasSubstr("DELETE FROM processes"));
}

TEST_F(QueryTest, LedgerEntryOfHostileSqlStaysSmallValidJson) {
  EXPECT_EQ(query("SELECT \"\n\x01\" " + std::string(10'000, '"')).status(), pb::STATUS_REFUSED);
  ASSERT_EQ(audited_.size(), 1u);
  EXPECT_LT(audited_[0].size(), 10'000u);
  EXPECT_EQ(audited_[0].find('\n'), std::string::npos);
  EXPECT_EQ(audited_[0].find('\x01'), std::string::npos);
}

TEST_F(QueryTest, UnknownColumnsAndTablesAreSuggested) {
  EXPECT_THAT(query("SELECT pdi FROM processes").message(), HasSubstr("pid"));
  EXPECT_THAT(query("SELECT pid FROM proceses").message(), HasSubstr("did you mean \"processes\""));
}

TEST_F(QueryTest, AQueryThatTakesTooLongIsStopped) {
  pb::ControlRequest request = query_request(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000000000) SELECT count(*) FROM n");
  request.mutable_query()->set_timeout_ms(50);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_FAILED);
  EXPECT_TRUE(audited_.empty());
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
}

TEST_F(QueryTest, ExplainAndValidateDoNotRunIt) {
  pb::ControlRequest request = query_request("SELECT p.pid FROM processes p WHERE p.name = ?");
  request.mutable_query()->set_mode(pb::QUERY_EXPLAIN);
  const Reply explained = ask(request);
  EXPECT_EQ(explained.at("table"), "processes");
  EXPECT_THAT(explained.rows, Contains(ElementsAre("column", "processes.name")));
  request.mutable_query()->set_mode(pb::QUERY_VALIDATE);
  const Reply valid = ask(request);
  ASSERT_EQ(valid.rows.size(), 1u);
  EXPECT_THAT(valid.rows[0], ElementsAre("yes", "1", "1"));
  request.mutable_query()->set_sql("SELECT nothing");
  EXPECT_EQ(ask(request).status(), pb::STATUS_REFUSED);
}

using RulesTest = ControlTest;

TEST_F(RulesTest, ListShowsRulesAndWhatIsWrongWithTheFiles) {
  rule_file("demo.yaml", kRule);
  pb::ControlRequest request;
  request.mutable_rules_list();
  Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_OK);
  ASSERT_EQ(reply.rows.size(), 1u);
  EXPECT_EQ(reply.rows[0][0], "demo");
  EXPECT_EQ(reply.at("demo"), "high");
  EXPECT_EQ(reply.at("demo", 3), "both") << "what it runs on";
  EXPECT_EQ(reply.at("demo", 4), "not run yet");
  rule_file("broken.yaml", "id: [");
  reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_UNHEALTHY);
  EXPECT_THAT(reply.message(), HasSubstr("broken.yaml"));
  EXPECT_EQ(reply.rows.size(), 1u);
}

TEST_F(RulesTest, ShowHasEveryFieldAndUnknownOnesAreSuggested) {
  rule_file("demo.yaml", kRule);
  const Reply reply = ask(rule_show("demo"));
  EXPECT_EQ(reply.at("severity"), "high");
  EXPECT_EQ(reply.at("sql"), "SELECT pid, name FROM processes WHERE name = 'proc1'");
  EXPECT_THAT(reply.at("file"), HasSubstr("demo.yaml:1"));
  EXPECT_EQ(reply.at("tests"), "2");
  const Reply wrong = ask(rule_show("dmeo"));
  EXPECT_EQ(wrong.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(wrong.message(), HasSubstr("did you mean \"demo\""));
}

TEST_F(RulesTest, CheckFindsMistakesInATextThatIsNotLoaded) {
  pb::ControlRequest request;
  request.mutable_rule_check()->set_file_name("new.yaml");
  request.mutable_rule_check()->set_text(kRule);
  EXPECT_THAT(ask(request).rows, ElementsAre(ElementsAre("demo", "valid", "", "processes")));
  request.mutable_rule_check()->set_run_tests(true);
  EXPECT_EQ(ask(request).at("demo"), "passed");
  std::string wrong = kRule;
  wrong.replace(wrong.find("name = 'proc1'"), 14, "nmae = 'proc1'");
  request.mutable_rule_check()->set_text(wrong);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(reply.message(), HasSubstr("new.yaml:"));
  EXPECT_THAT(reply.message(), HasSubstr("nmae"));
}

TEST_F(RulesTest, TestRunsTheTestsOfOneRuleOrAll) {
  rule_file("demo.yaml", kRule);
  std::string wrong = kRule;
  wrong.replace(wrong.find("demo"), 4, "fail");
  wrong.replace(wrong.find("name = 'proc1'"), 14, "name = 'proc2'");
  rule_file("fail.yaml", wrong);
  pb::ControlRequest request;
  request.mutable_rule_test()->set_rule_id("demo");
  Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_OK);
  EXPECT_EQ(reply.at("demo"), "passed");
  request.mutable_rule_test()->set_rule_id("");
  reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_UNHEALTHY);
  EXPECT_EQ(reply.at("demo"), "passed");
  EXPECT_EQ(reply.at(dir_ + "/rules/fail.yaml"), "refused") << "it is not in force";
  EXPECT_THAT(reply.at(dir_ + "/rules/fail.yaml", 3),
              HasSubstr("its test match 1 fails: expected a match, found none"));
  request.mutable_rule_test()->set_rule_id("nothing-like-it");
  EXPECT_EQ(ask(request).status(), pb::STATUS_REFUSED);
}

using AlertsTest = ControlTest;

TEST_F(AlertsTest, ListIsNewestFirstAndFiltered) {
  put_alert("aaaaaaaa-1", pb::SEVERITY_LOW);
  put_alert("bbbbbbbb-2", pb::SEVERITY_CRITICAL, "other");
  pb::ControlRequest request;
  request.mutable_alerts_list();
  const Reply all = ask(request);
  ASSERT_EQ(all.rows.size(), 2u);
  EXPECT_EQ(all.rows[0][0], "bbbbbbbb-2");
  EXPECT_EQ(all.at("bbbbbbbb-2", 2), "critical");
  EXPECT_EQ(all.at("bbbbbbbb-2", 3), "open");
  request.mutable_alerts_list()->set_limit(1);
  EXPECT_EQ(ask(request).rows.size(), 1u);
  request.mutable_alerts_list()->set_limit(0);
  request.mutable_alerts_list()->set_severity("low");
  EXPECT_EQ(ask(request).rows.at(0)[0], "aaaaaaaa-1");
  request.mutable_alerts_list()->clear_severity();
  request.mutable_alerts_list()->set_rule_id("other");
  EXPECT_EQ(ask(request).rows.at(0)[0], "bbbbbbbb-2");
}

TEST_F(AlertsTest, UnknownSeverityIsRefusedWithASuggestion) {
  pb::ControlRequest request;
  request.mutable_alerts_list()->set_severity("hihg");
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(reply.message(), HasSubstr("did you mean \"high\""));
}

TEST_F(AlertsTest, ShowFindsByPrefixAndShowsDeliveries) {
  put_alert("aaaaaaaa-1", pb::SEVERITY_LOW);
  put_alert("aaaaaabb-2", pb::SEVERITY_LOW);
  const Reply reply = ask(alert_show("aaaaaaaa"));
  EXPECT_EQ(reply.at("id"), "aaaaaaaa-1");
  EXPECT_EQ(reply.at("title"), "title of aaaaaaaa-1");
  EXPECT_EQ(reply.at("delivery.file"), "pending");
  EXPECT_EQ(reply.at("completeness"), "complete");
  for (const char* id : {"aaaaaa", "aaa", "cccccccc", ""}) {
    const Reply refused = ask(alert_show(id));
    EXPECT_EQ(refused.status(), pb::STATUS_REFUSED) << id;
    EXPECT_FALSE(refused.message().empty());
  }
}

using HealthTest = ControlTest;

TEST_F(HealthTest, NamesEveryPartAndAnExpectedCollectorThatIsMissing) {
  pb::ControlRequest request;
  request.mutable_health();
  EXPECT_EQ(ask(request).status(), pb::STATUS_OK);
  registry_.expect("procmond", "process", 1000, 1000);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_UNHEALTHY);
  EXPECT_EQ(reply.at("agent", 2), "SteadyState");
  EXPECT_EQ(reply.at("collector.procmond"), "failed");
  EXPECT_THAT(reply.at("ledger", 2), HasSubstr("3 entries wait"));
  for (const char* part : {"ingest.records", "ingest.events", "store", "alerts", "rules", "control"})
    EXPECT_THAT(reply.rows, Contains(Contains(part)));
}

TEST_F(HealthTest, SaysWhatBecameOfNewEvents) {
  pb::ControlRequest request;
  request.mutable_health()->set_component("rules.events");
  const Reply reply = ask(request);
  EXPECT_EQ(reply.at("rules.events", 2), "new 7 = looked at 4 + passed over 2 + waiting 1");
}

TEST_F(HealthTest, OneComponentAlone) {
  registry_.expect("procmond", "process", 1000, 1000);
  pb::ControlRequest request;
  request.mutable_health()->set_component("store");
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_OK);
  ASSERT_EQ(reply.rows.size(), 1u);
  EXPECT_EQ(reply.rows[0][0], "store");
  request.mutable_health()->set_component("stor");
  EXPECT_EQ(ask(request).status(), pb::STATUS_REFUSED);
}

}  // namespace
}  // namespace de::serve
