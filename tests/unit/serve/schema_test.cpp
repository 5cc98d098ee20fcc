// What tables, functions and rule files are said to be.
#include "control_fixture.h"
#include "daemoneye/schema/sql_functions.h"

namespace de::serve {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

using SchemaTest = ControlTest;

TEST_F(SchemaTest, ListsColumnsOfOneTableOrAll) {
  pb::ControlRequest request;
  request.mutable_schema()->set_table("processes");
  const Reply one = ask(request);
  EXPECT_THAT(one.rows, Contains(Contains("executable_path")));
  for (const auto& row : one.rows) EXPECT_EQ(row[0], "processes");
  request.mutable_schema()->set_table("");
  EXPECT_GE(ask(request).rows.size(), one.rows.size());
}

TEST_F(SchemaTest, UnknownTableIsRefusedWithASuggestion) {
  pb::ControlRequest request;
  request.mutable_schema()->set_table("procceses");
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(reply.message(), HasSubstr("did you mean \"processes\""));
  request.mutable_schema()->set_table("\x1b[2J");
  EXPECT_EQ(ask(request).message().find('\x1b'), std::string::npos);
}

TEST_F(SchemaTest, ListsFunctionsWithTheirForms) {
  pb::ControlRequest request;
  request.mutable_schema()->set_functions(true);
  const Reply reply = ask(request);
  EXPECT_THAT(reply.columns, ElementsAre("function", "kind", "form", "help"));
  EXPECT_EQ(reply.at("cidr_match", 2), "cidr_match(address, range)");
  EXPECT_EQ(reply.rows.size(), schema::sql_functions().size());
}

TEST_F(SchemaTest, ExplainSaysWhatIsLookedUpAndWhatItCost) {
  snapshot(3);
  pb::EventBatch batch;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(i);
    event.set_event_type(pb::EVENT_TYPE_START);
    event.set_event_time_ms(clock_.now_ms + static_cast<std::int64_t>(i));
    event.mutable_process()->set_pid(static_cast<std::uint32_t>(i % 3));
  }
  ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  pb::ControlRequest request;
  pb::QueryRequest& query = *request.mutable_query();
  query.set_mode(pb::QUERY_EXPLAIN);
  query.set_sql("SELECT e.sequence FROM processes.events AS e WHERE e.pid = 1 AND e.event_time_ms >= " +
                std::to_string(clock_.now_ms + 2) + " ORDER BY e.event_time_ms DESC");
  Reply reply = ask(request);
  EXPECT_THAT(reply.rows, Contains(ElementsAre("plan",
                                               "SCAN e: looked up by pid, its time from; newest first; about 16 "
                                               "rows")));
  EXPECT_THAT(reply.at("read"), HasSubstr("processes.events: 2 rows in 1 look, from 2026-"));
  EXPECT_THAT(reply.at("read"), HasSubstr(" to the last"));
  EXPECT_THAT(reply.at("cost"), testing::MatchesRegex("2 rows, [0-9]+ steps, [0-9.e-]+ ms"));

  query.set_sql("SELECT p.pid, (SELECT count(*) FROM processes.events AS e WHERE e.pid = p.pid) FROM processes AS p");
  reply = ask(request);
  EXPECT_THAT(reply.at("read"), HasSubstr("rows in 3 looks, from the first to the last"));
  query.set_sql("SELECT username FROM users");
  EXPECT_EQ(ask(request).at("plan"), "SCAN users");
  query.set_sql("SELECT pid FROM processes WHERE pid = ?");
  EXPECT_THAT(ask(request).at("cost"), HasSubstr("not known: the statement has 1 parameters"));
}

// As `rules validate` asks.
TEST_F(SchemaTest, AFileWhoseRuleCanNeverMatchSaysSo) {
  pb::ControlRequest request;
  request.mutable_rule_check()->set_file_name("a.yaml");
  request.mutable_rule_check()->set_text(
      "- {id: never, sql: \"SELECT pid FROM processes.events WHERE event_type = 'create'\"}\n"
      "- {id: may, sql: \"SELECT pid FROM processes.events WHERE event_type = 'exec'\"}\n"
      "- {id: env, sql: \"SELECT pid FROM processes WHERE environment LIKE '%LD_PRELOAD=%'\"}\n");
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_UNHEALTHY);
  EXPECT_EQ(reply.at("never", 1), "can never match");
  EXPECT_THAT(reply.at("never", 3), HasSubstr("a word that the column never has"));
  EXPECT_EQ(reply.at("may", 1), "valid");
  EXPECT_EQ(reply.at("env", 1), "valid") << "the file does not know what the host collects";
}

}  // namespace
}  // namespace de::serve
