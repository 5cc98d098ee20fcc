// The socket itself: who may ask, what is no request, and clients that leave, crowd or do not read.
#include "control_fixture.h"

namespace de::serve {
namespace {

using testing::HasSubstr;

TEST_F(ControlTest, OneAnswerPerConnectionEndedByATrailer) {
  link::Connection connection = connect();
  const Reply reply = run(exchange(connection, query_request("SELECT 1 AS one").SerializeAsString()));
  EXPECT_EQ(reply.columns, std::vector<std::string>{"one"});
  EXPECT_EQ(reply.at("1", 0), "1");
  ASSERT_TRUE(reply.trailer);
  EXPECT_EQ(reply.trailer->rows(), 1u);
  EXPECT_EQ(reply.end, Errc::Closed);
}

TEST_F(ControlTest, AnAnswerSaysHowLongItTook) {
  pb::ControlRequest schema;
  schema.mutable_schema();
  const auto begin = std::chrono::steady_clock::now();
  const Reply reply = ask(schema);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(reply.trailer);
  EXPECT_GT(reply.trailer->elapsed_us(), 0u);
  EXPECT_LE(std::chrono::microseconds(reply.trailer->elapsed_us()), took);
}

TEST_F(ControlTest, AnotherMajorVersionIsRefusedAndNamesBoth) {
  pb::ControlRequest request = query_request("SELECT 1");
  request.set_protocol_major(9);
  const Reply reply = ask(request);
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(reply.message(), HasSubstr("9"));
  EXPECT_THAT(reply.message(), HasSubstr("1"));
  EXPECT_TRUE(reply.columns.empty());
}

TEST_F(ControlTest, ARequestFromTheFutureIsRefused) {
  pb::ControlRequest request;
  request.set_protocol_major(1);
  EXPECT_EQ(ask_bytes(request.SerializeAsString() + "\xfa\x07\x01x").status(), pb::STATUS_REFUSED);
}

TEST_F(ControlTest, GarbageAndOversizedRequestsAreHungUpOnAndCounted) {
  EXPECT_FALSE(ask_bytes("\xff\xff\xff").trailer);
  EXPECT_FALSE(ask_bytes(std::string((64u << 10) + 1, '\n')).trailer);
  drive([this] { return control_->counts().violations == 2; });
  EXPECT_EQ(control_->counts().violations, 2u);
  pb::ControlRequest health;
  health.mutable_health()->set_component("control");
  EXPECT_THAT(ask(health).at("control", 2), HasSubstr("2 malformed"));
}

TEST_F(ControlTest, LargestRequestIsAnswered) {
  pb::ControlRequest request = query_request("SELECT 1");
  request.mutable_query()->set_sql("SELECT 1 --" + std::string((64u << 10) - request.ByteSizeLong() - 8, 'x'));
  ASSERT_LE(request.ByteSizeLong(), 64u << 10);
  EXPECT_EQ(ask(request).status(), pb::STATUS_REFUSED);  // By the length of a statement, not of a message.
}

TEST_F(ControlTest, AClientThatLeavesEarlyHarmsNobody) {
  { link::Connection silent = connect(); }
  {
    link::Connection asked = connect();
    ASSERT_TRUE(run(asked.write(query_request("SELECT 1").SerializeAsString(), 5s)));
  }
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
  EXPECT_EQ(control_->counts().violations, 0u);
}

TEST_F(ControlTest, AClientThatLeavesInTheMiddleOfItsAnswerHarmsNobody) {
  snapshot(1000, std::string(4000, 'n'));
  {
    link::Connection connection = connect();
    ASSERT_TRUE(run(connection.write(query_request("SELECT name FROM processes").SerializeAsString(), 5s)));
    EXPECT_TRUE(run(link::read_message<pb::ControlReply>(connection, 5s)));
  }
  EXPECT_EQ(query("SELECT count(*) FROM processes").at("1000", 0), "1000");
  EXPECT_EQ(control_->counts().violations, 0u);
}

// Control-C at a console ends the work as well, also of what waits for its turn behind it.
TEST_F(ControlTest, TheQuestionOfOneWhoLeftIsNotWorkedOn) {
  const std::string endless = query_request(
                                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                                  "i < 100000000000) SELECT count(*) FROM n")
                                  .SerializeAsString();
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<link::Connection> asked;
    for (int i = 0; i < 6; ++i) {
      asked.push_back(connect());
      ASSERT_TRUE(run(asked.back().write(endless, 5s)));
    }
    drive([this] { return control_->counts().requests == 6; });
  }
  drive([this] { return control_->counts().abandoned == 6; });
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s) << "one of them would have taken 5 s";
}

TEST_F(ControlTest, LongAnswersComeInPages) {
  snapshot(1000, std::string(4000, 'n'));
  const Reply reply = query("SELECT pid, name FROM processes ORDER BY pid");
  ASSERT_EQ(reply.rows.size(), 1000u);
  for (std::size_t i = 0; i < reply.rows.size(); ++i) EXPECT_EQ(reply.rows[i][0], std::to_string(i + 1));
  EXPECT_EQ(reply.trailer->rows(), 1000u);
  EXPECT_GE(reply.pages, 4'000'000u / (512u << 10));
  EXPECT_LE(reply.pages, 20u);
}

TEST_F(ControlTest, ARowThatFitsNoFrameIsAnErrorWithATrailer) {
  snapshot(200, std::string(4000, 'n'));
  const Reply fits = query("SELECT group_concat(name) FROM processes");
  EXPECT_EQ(fits.status(), pb::STATUS_OK) << fits.message();
  ASSERT_EQ(fits.rows.size(), 1u);
  EXPECT_GT(fits.rows[0][0].size(), 800'000u);
  const Reply too_large = query("SELECT group_concat(name), group_concat(name) FROM processes");
  EXPECT_EQ(too_large.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(too_large.message(), HasSubstr("row 1"));
  EXPECT_TRUE(too_large.rows.empty());
  EXPECT_EQ(control_->counts().violations, 0u);
}

TEST_F(ControlTest, ARowThatFillsAFrameComesAfterASmallerOne) {
  snapshot(200, std::string(5000, 'n'));
  const Reply reply = query(
      "SELECT group_concat(name) FROM processes WHERE pid <= 50 UNION ALL SELECT group_concat(name) FROM processes");
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
  EXPECT_EQ(reply.rows.size(), 2u);
  EXPECT_EQ(reply.pages, 2u);
}

TEST_F(ControlTest, ManyClientsAtOnceAreAllAnswered) {
  snapshot(50);
  std::vector<link::Connection> clients;
  for (std::size_t i = 0; i < Control::kMaxConnections; ++i) clients.push_back(connect());
  std::size_t answered = 0;
  for (link::Connection& client : clients)
    boost::asio::co_spawn(io_, exchange(client, query_request("SELECT count(*) FROM processes").SerializeAsString()),
                          [&answered](const std::exception_ptr&, const Reply& reply) {
                            if (reply.status() == pb::STATUS_OK && reply.at("50", 0) == "50") ++answered;
                          });
  drive([&] { return answered == clients.size(); });
  EXPECT_EQ(answered, clients.size());
}

TEST_F(ControlTest, TheThirtyThirdConnectionIsTurnedAwayUntilOneLeaves) {
  std::vector<link::Connection> clients;
  for (std::size_t i = 0; i < Control::kMaxConnections; ++i) clients.push_back(connect());
  EXPECT_FALSE(query("SELECT 1").trailer);
  EXPECT_EQ(control_->counts().turned_away, 1u);
  clients.pop_back();
  drive([this] { return query("SELECT 1").status() == pb::STATUS_OK; });
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
}

TEST_F(ControlTest, WhoTakesMoreThanHisShareIsToldSo) {
  listener_->close();
  drive([this] { return ended_; });
  limits_.connections = 2;
  start(std::nullopt);
  link::Connection one = connect(), two = connect();
  for (std::size_t times = 1; times <= 3; ++times) {  // To be refused makes no room.
    const Reply refused = query("SELECT 1");
    EXPECT_EQ(refused.status(), pb::STATUS_FAILED);
    EXPECT_THAT(refused.message(), testing::HasSubstr("control.max_connections"));
    EXPECT_EQ(control_->counts().turned_away, times);
  }
  two.close();
  drive([this] { return query("SELECT 1").status() == pb::STATUS_OK; });
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
}

TEST_F(ControlTest, AFloodOfThoseWhoTakeTooMuchIsNotAnswered) {
  limits_.connections = 1;
  restart(std::nullopt, std::nullopt);
  link::Connection one = connect();
  constexpr std::uint64_t kTries = 60;
  std::size_t told = 0;
  for (std::uint64_t i = 0; i < kTries; ++i) told += query("SELECT 1").trailer ? 1U : 0U;
  EXPECT_EQ(control_->counts().turned_away, kTries);
  EXPECT_GE(told, 1u);
  EXPECT_LT(told, kTries);
}

TEST_F(ControlTest, WhoIsToldThatThereIsNoRoomTakesNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  limits_.connections = 24;
  restart(::getegid(), std::nullopt);
  std::vector<link::Connection> others, own;
  while (others.size() < 24) others.push_back(connect());
  while (own.size() < 4) own.push_back(connect_as_other());  // Half of what was left.
  for (int i = 0; i < 12; ++i) {
    link::Connection refused = connect_as_other();
    EXPECT_THAT(run(read_reply(refused)).message(), HasSubstr("too many connections are open"));
  }
  own.clear();
  for (int i = 0; i < 50; ++i) io_.run_one_for(1ms);  // Until they were seen to be closed.
  link::Connection again = connect_as_other();
  const Reply reply = run(exchange(again, query_request("SELECT 1").SerializeAsString()));
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
}

TEST_F(ControlTest, RequestsOfOneUserTakeTurns) {
  limits_.at_work = 1;
  restart(std::nullopt, std::nullopt);
  int begun = 0, answered = 0;
  on_settle_ = [&begun] { ++begun; };
  is_held_ = true;
  link::Connection first = connect(), second = connect();
  for (link::Connection* client : {&first, &second})
    boost::asio::co_spawn(
        io_, exchange(*client, query_request("SELECT count(*) FROM processes.events").SerializeAsString()),
        [&answered](const std::exception_ptr&, const Reply& reply) { answered += reply.rows.empty() ? 0 : 1; });
  drive([&] { return control_->counts().requests == 2 && begun > 0; });
  for (int i = 0; i < 50; ++i) io_.run_one_for(1ms);
  EXPECT_EQ(begun, 1);
  is_held_ = false;
  drive([&] { return answered == 2; });
  EXPECT_EQ(answered, 2);
  EXPECT_EQ(begun, 2);
}

TEST_F(ControlTest, ARequestThatThrowsEndsItsTurn) {
  limits_.at_work = 1;
  restart(std::nullopt, std::nullopt);
  on_settle_ = [] { throw std::bad_alloc(); };
  EXPECT_FALSE(query("SELECT count(*) FROM processes.events").trailer);
  on_settle_ = nullptr;
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
}

TEST_F(ControlTest, AnswersNobodyReadsCountUntilTheyAreRead) {
  listener_->close();
  drive([this] { return ended_; });
  limits_.held_bytes = 1 << 20;
  start(std::nullopt);
  snapshot(1000, std::string(4000, 'n'));
  const std::string large = query_request("SELECT name FROM processes").SerializeAsString();
  link::Connection lazy = connect();
  ASSERT_TRUE(run(lazy.write(large, 5s)));
  ASSERT_TRUE(run(link::read_message<pb::ControlReply>(lazy, 5s))) << "the answer has begun";
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK) << "beside the largest there is room for small ones";
  const Reply refused = ask_bytes(large);
  EXPECT_EQ(refused.status(), pb::STATUS_FAILED);
  EXPECT_THAT(refused.message(), HasSubstr("not read yet"));
  EXPECT_EQ(run(read_reply(lazy)).trailer->rows(), 1000u) << "nobody takes away what has begun";
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
  EXPECT_EQ(ask_bytes(large).rows.size(), 1000u) << "one of any size";
}

TEST_F(ControlTest, AClientThatNeverAsksIsCutOff) {
  link::Connection silent = connect();
  const auto begin = std::chrono::steady_clock::now();
  const Reply reply = run(read_reply(silent));
  EXPECT_FALSE(reply.trailer);
  EXPECT_EQ(reply.end, Errc::Closed);
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(waited, 4s);
  EXPECT_LT(waited, 9s);
}

TEST_F(ControlTest, AnotherUserIsDeniedUnlessInTheReadersGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  link::Connection denied = connect_as_other();
  const Reply reply = run(exchange(denied, query_request("SELECT 1").SerializeAsString()));
  EXPECT_EQ(reply.status(), pb::STATUS_DENIED);
  EXPECT_THAT(reply.message(), HasSubstr("group daemoneye"));
  EXPECT_EQ(control_->counts().denied, 1u);
  EXPECT_EQ(control_->counts().requests, 0u);
}

TEST_F(ControlTest, WhomTheAgentRunsAsMayAsk) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  link::Connection own = connect_as_other();
  ASSERT_EQ(::seteuid(65'534), 0);
  const Reply reply = run(exchange(own, query_request("SELECT 1").SerializeAsString()));
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
}

// Who tries again and again neither fills the ledger nor is answered each time.
TEST_F(ControlTest, AFloodOfTheDeniedIsCountedAndNotWrittenDown) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  constexpr std::uint64_t kTries = 60;
  for (std::uint64_t i = 0; i < kTries; ++i) {
    link::Connection denied = connect_as_other();
    drive([&] { return control_->counts().denied > i; });
  }
  EXPECT_EQ(control_->counts().denied, kTries);
  EXPECT_GE(audited_.size(), 1u);
  EXPECT_LT(audited_.size(), kTries);
}

pb::ControlRequest reload_request() {
  pb::ControlRequest request;
  request.set_protocol_major(1);
  request.mutable_config_reload();
  return request;
}

TEST_F(ControlTest, AReloadTellsEachChangedKeyAndWhetherItCounts) {
  reloaded_ = std::vector<ChangedSetting>{{"query.max_rows", "5", "7", "/c.yaml:1:2", true},
                                          {"sinks", "[]", "[{name: a}]", "/c.yaml:3:4", false}};
  const Reply reply = ask(reload_request());
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
  EXPECT_EQ(reply.columns, (std::vector<std::string>{"key", "before", "after", "place", "effect"}));
  EXPECT_EQ(reply.at("query.max_rows", 4), "in force");
  EXPECT_EQ(reply.at("query.max_rows", 2), "7");
  EXPECT_EQ(reply.at("sinks", 4), "after a restart of the agent");
  EXPECT_EQ(reloaded_by_, std::vector<uid_t>{::geteuid()});
  reloaded_ = std::vector<ChangedSetting>{};
  EXPECT_EQ(ask(reload_request()).message(), "nothing has changed");
}

TEST_F(ControlTest, AReloadThatIsRefusedSaysWhy) {
  reloaded_ = fail(Errc::Invalid, "/c.yaml:1:2: wrong");
  const Reply reply = ask(reload_request());
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_EQ(reply.message(), "/c.yaml:1:2: wrong");
}

pb::ControlRequest switch_request(const std::string& id, pb::RulePosition position) {
  pb::ControlRequest request;
  request.set_protocol_major(1);
  request.mutable_rule_switch()->set_rule_id(id);
  request.mutable_rule_switch()->set_position(position);
  return request;
}

TEST_F(ControlTest, ARuleIsSwitchedInTheNameOfWhoAsks) {
  const std::string me = std::to_string(::geteuid());
  const Reply reply = ask(switch_request("a", pb::RULE_OFF));
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
  EXPECT_EQ(reply.at("a", 1), "off");
  EXPECT_EQ(reply.at("a", 2), "9");
  EXPECT_EQ(ask(switch_request("a", pb::RULE_ON)).at("a", 1), "on");
  EXPECT_EQ(ask(switch_request("b", pb::RULE_DELETED)).at("b", 1), "deleted");
  EXPECT_EQ(switched_, (std::vector<std::string>{me + " a off", me + " a on", me + " b deleted"}));
  EXPECT_EQ(ask(switch_request("none", pb::RULE_OFF)).status(), pb::STATUS_REFUSED);
  EXPECT_EQ(ask(switch_request("a", pb::RULE_POSITION_UNKNOWN)).status(), pb::STATUS_REFUSED);
  EXPECT_EQ(ask(switch_request("a", static_cast<pb::RulePosition>(9))).status(), pb::STATUS_REFUSED);
  EXPECT_EQ(switched_.size(), 3U);
}

TEST_F(ControlTest, ReadOnlyRefusesChangesAndNothingElse) {
  context_->settings.read_only = true;
  EXPECT_EQ(ask(switch_request("a", pb::RULE_OFF)).status(), pb::STATUS_DENIED);
  EXPECT_TRUE(switched_.empty());
  const Reply reply = ask(reload_request());
  EXPECT_EQ(reply.status(), pb::STATUS_DENIED);
  EXPECT_THAT(reply.message(), HasSubstr("control.read_only"));
  EXPECT_TRUE(reloaded_by_.empty());
  EXPECT_EQ(query("SELECT 1").status(), pb::STATUS_OK);
}

TEST_F(ControlTest, HealthTellsWhatASettingWaitsForAndWhyAReloadFailed) {
  pb::ControlRequest health;
  health.mutable_health()->set_component("settings");
  EXPECT_EQ(ask(health).at("settings", 1), "ok");
  context_->settings.waiting = {"sinks", "rules.dirs"};
  EXPECT_EQ(ask(health).at("settings", 2), "a restart is needed for sinks, rules.dirs");
  context_->settings.refused = "/c.yaml:1:2: wrong";
  EXPECT_EQ(ask(health).at("settings", 1), "degraded");
  EXPECT_THAT(ask(health).at("settings", 2), HasSubstr("/c.yaml:1:2: wrong"));
}

TEST_F(ControlTest, WhoMayAskMayNotThereforeChange) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const gid_t own = ::getegid();
  constexpr gid_t kAnother = 12'345;
  for (const std::optional<gid_t> admins : {std::optional<gid_t>(), std::optional(kAnother)}) {
    restart(own, admins);
    link::Connection stranger = connect_as_other();
    EXPECT_EQ(run(exchange(stranger, reload_request().SerializeAsString())).status(), pb::STATUS_DENIED);
  }
  audited_.clear();
  restart(own, std::nullopt);
  link::Connection reader = connect_as_other();
  EXPECT_EQ(run(exchange(reader, query_request("SELECT 1").SerializeAsString())).status(), pb::STATUS_OK);
  reader = connect_as_other();
  const Reply denied = run(exchange(reader, reload_request().SerializeAsString()));
  EXPECT_EQ(denied.status(), pb::STATUS_DENIED);
  EXPECT_THAT(denied.message(), HasSubstr("group daemoneye-admin"));
  EXPECT_EQ(control_->counts().denied, 1u);
  EXPECT_TRUE(reloaded_by_.empty());
  ASSERT_EQ(audited_.size(), 1u);
  EXPECT_EQ(audited_[0], "control.denied {\"uid\":65534,\"request\":\"config reload\"}");
  restart(own, own);
  link::Connection admin = connect_as_other();
  EXPECT_EQ(run(exchange(admin, reload_request().SerializeAsString())).status(), pb::STATUS_OK);
  EXPECT_EQ(reloaded_by_, std::vector<uid_t>{65'534});
}

}  // namespace
}  // namespace de::serve
