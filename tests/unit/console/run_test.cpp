#include "console/run.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "console/client.h"
#include "daemoneye/base/unique_fd.h"
#include "fake_agent.h"
#include "run_fixture.h"

namespace de::console {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

FakeAgent::Script two_rows() {
  return {{header({"pid", "name"}), page({{"1", "init"}}), page({{"2", "\x1b[31mred"}}), trailer(pb::STATUS_OK, "")},
          "",
          false};
}

TEST_F(Run, QueryPrintsTheResultAndNothingElse) {
  FakeAgent agent(socket_, {two_rows()});
  const Outcome outcome = run_with({"query", "SELECT pid, name FROM processes"});
  EXPECT_EQ(outcome.code, ExitCode::Complete);
  EXPECT_EQ(outcome.out, "pid  name\n---  ----\n1    init\n2    \\x1b[31mred\n");
  EXPECT_EQ(outcome.err, "");
  ASSERT_EQ(agent.requests().size(), 1u);
  EXPECT_EQ(agent.requests()[0].query().sql(), "SELECT pid, name FROM processes");
  EXPECT_EQ(agent.requests()[0].protocol_major(), 1u);
}

TEST_F(Run, JsonResult) {
  FakeAgent agent(socket_, {two_rows()});
  const Outcome outcome = run_with({"query", "--output", "json", "SELECT 1"});
  EXPECT_EQ(outcome.out,
            "{\"query\":\"SELECT 1\",\"columns\":[\"pid\",\"name\"],\"rows\":[\n[\"1\",\"init\"],\n"
            "[\"2\",\"\\u001b[31mred\"]\n],\"row_count\":2,\"execution_time_ms\":2.5,"
            "\"completeness\":{\"status\":\"complete\",\"reasons\":[]}}\n");
}

TEST_F(Run, QueryOptionsReachTheAgent) {
  FakeAgent agent(socket_, {two_rows()});
  const Outcome outcome = run_with({"query",          "--sql",   "SELECT ?",  "--param", "-7", "--param",   "1.5e1",
                                    "--param=text:9", "--param", "null:",     "--param", "",   "--param",   "[a,b]",
                                    "--param",        "007",     "--explain", "--limit", "5",  "--timeout", "900"});
  ASSERT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  ASSERT_EQ(agent.requests().size(), 1u);
  const pb::QueryRequest& query = agent.requests()[0].query();
  EXPECT_EQ(query.mode(), pb::QUERY_EXPLAIN);
  EXPECT_EQ(query.limit_rows(), 5u);
  EXPECT_EQ(query.timeout_ms(), 900u);
  ASSERT_EQ(query.params_size(), 7);
  EXPECT_EQ(query.params(0).integer(), -7);
  EXPECT_EQ(query.params(1).real(), 15.0);
  EXPECT_EQ(query.params(2).text(), "9");
  EXPECT_EQ(query.params(3).kind_case(), pb::Value::KIND_NOT_SET);
  EXPECT_TRUE(query.params(4).has_text());
  EXPECT_EQ(query.params(5).text(), "[a,b]");
  EXPECT_EQ(query.params(6).text(), "007");
}

TEST_F(Run, StatementFromFileAndStandardInput) {
  FakeAgent agent(socket_, {two_rows(), two_rows(), two_rows()});
  const std::string sql = file("q.sql", "SELECT 'file'");
  EXPECT_EQ(run_with({"query", "--file", sql.c_str()}).code, ExitCode::Complete);
  EXPECT_EQ(run_with({"query", "-"}, "SELECT 'in'").code, ExitCode::Complete);
  EXPECT_EQ(run_with({"query", "--file", "-"}, "SELECT 'in2'").code, ExitCode::Complete);
  ASSERT_EQ(agent.requests().size(), 3u);
  EXPECT_EQ(agent.requests()[0].query().sql(), "SELECT 'file'");
  EXPECT_EQ(agent.requests()[1].query().sql(), "SELECT 'in'");
  EXPECT_EQ(agent.requests()[2].query().sql(), "SELECT 'in2'");
}

TEST_F(Run, OtherCommandsBecomeTheirRequests) {
  std::deque<FakeAgent::Script> scripts;
  for (int i = 0; i < 9; ++i) scripts.push_back(two_rows());
  FakeAgent agent(socket_, scripts);
  const std::string rule = file("r.yaml", "id: x");
  run_with({"schema", "processes"});
  run_with({"rules", "list"});
  run_with({"rules", "show", "r-1"});
  run_with({"rules", "test"});
  run_with({"rules", "test", "r-1"});
  run_with({"rules", "test", rule.c_str()});
  run_with({"alerts", "list", "--rule", "r-1", "--severity", "high", "--limit", "3"});
  run_with({"alerts", "show", "a-1"});
  run_with({"health", "spool"});
  const auto& requests = agent.requests();
  ASSERT_EQ(requests.size(), 9u);
  EXPECT_EQ(requests[0].schema().table(), "processes");
  EXPECT_TRUE(requests[1].has_rules_list());
  EXPECT_EQ(requests[2].rule_show().rule_id(), "r-1");
  EXPECT_TRUE(requests[3].has_rule_test());
  EXPECT_EQ(requests[4].rule_test().rule_id(), "r-1");
  EXPECT_EQ(requests[5].rule_check().text(), "id: x");
  EXPECT_TRUE(requests[5].rule_check().run_tests());
  EXPECT_EQ(requests[6].alerts_list().severity(), "high");
  EXPECT_EQ(requests[6].alerts_list().limit(), 3u);
  EXPECT_EQ(requests[7].alert_show().alert_id(), "a-1");
  EXPECT_EQ(requests[8].health().component(), "spool");
}

TEST_F(Run, SeveralRuleFilesAreOneTable) {
  const auto checked = [](const char* name, pb::Status status) {
    return FakeAgent::Script{{header({"file", "ok"}), page({{name, "yes"}}), trailer(status, "")}, "", false};
  };
  FakeAgent agent(socket_, {checked("a", pb::STATUS_UNHEALTHY), checked("b", pb::STATUS_OK)});
  const std::string a = file("a.yaml", "id: a");
  const std::string b = file("b.yaml", "id: b");
  const Outcome outcome = run_with({"rules", "validate", a.c_str(), b.c_str(), "--output", "csv"});
  EXPECT_EQ(outcome.code, ExitCode::Failed) << "one bad file makes the whole run bad";
  EXPECT_EQ(outcome.out, "file,ok\r\na,yes\r\nb,yes\r\n");
}

struct Ending {
  const char* name;
  pb::ControlReply trailer;
  ExitCode code;
  const char* err;
};

class Endings : public Run, public testing::WithParamInterface<Ending> {};

TEST_P(Endings, DecideTheExitCode) {
  FakeAgent agent(socket_, {{{GetParam().trailer}, "", false}});
  const Outcome outcome = run_with({"query", "SELECT 1"});
  EXPECT_EQ(outcome.code, GetParam().code);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, GetParam().err);
}

pb::ControlReply undecided() {
  pb::ControlReply reply = trailer(pb::STATUS_OK, "");
  reply.mutable_trailer()->clear_completeness();
  return reply;
}

pb::ControlReply future() {
  pb::ControlReply reply = trailer(pb::STATUS_OK, "something new");
  reply.mutable_trailer()->set_status(static_cast<pb::Status>(99));
  return reply;
}

INSTANTIATE_TEST_SUITE_P(
    Trailers, Endings,
    testing::Values(
        Ending{"ok", trailer(pb::STATUS_OK, ""), ExitCode::Complete, ""},
        Ending{"failed", trailer(pb::STATUS_FAILED, "disk"), ExitCode::Failed, "daemoneye-cli: disk\n"},
        Ending{"refused", trailer(pb::STATUS_REFUSED, "no such column: pidd\nhint \x1b[2J"), ExitCode::Usage,
               "daemoneye-cli: no such column: pidd\nhint \\x1b[2J\n"},
        Ending{"denied", trailer(pb::STATUS_DENIED, ""), ExitCode::NotPermitted,
               "daemoneye-cli: not permitted; members of the group control.readers (daemoneye) may ask, of "
               "control.admins (daemoneye-admin) change\n"},
        Ending{"unhealthy", trailer(pb::STATUS_UNHEALTHY, "2 failed"), ExitCode::Failed, "daemoneye-cli: 2 failed\n"},
        Ending{"degraded", degraded("EventsShed", "procmond", "12 events"), ExitCode::Degraded,
               "daemoneye-cli: warning: the result is degraded\ndaemoneye-cli:   EventsShed (procmond): 12 events\n"},
        Ending{"undecided", undecided(), ExitCode::Failed,
               "daemoneye-cli: the agent's answer does not say whether it is complete, so it is no answer\n"},
        Ending{"future", future(), ExitCode::Failed, "daemoneye-cli: something new\n"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Run, DegradedJsonSaysWhy) {
  FakeAgent agent(socket_, {{{header({"n"}), page({{"1"}}), degraded("SequenceGap", "p", "4-9")}, "", false}});
  const Outcome outcome = run_with({"--output", "json", "query", "SELECT 1"});
  EXPECT_EQ(outcome.code, ExitCode::Degraded);
  EXPECT_THAT(outcome.out, HasSubstr("\"completeness\":{\"status\":\"degraded\",\"reasons\":[{\"reason\":"
                                     "\"SequenceGap\",\"collector\":\"p\",\"detail\":\"4-9\"}]}}\n"));
}

TEST_F(Run, AnswerThatBreaksOffIsAFailureAndStillJson) {
  FakeAgent agent(socket_, {{{header({"n"}), page({{"1"}})}, "", false}});
  const Outcome outcome = run_with({"--output", "json", "query", "SELECT 1"});
  EXPECT_EQ(outcome.code, ExitCode::Failed);
  EXPECT_THAT(outcome.out, HasSubstr("\"status\":\"degraded\",\"reasons\":[{\"reason\":\"ExecutionError\""));
  EXPECT_THAT(outcome.err, HasSubstr("the agent's answer broke off"));
}

TEST_F(Run, AgentThatClosesAtOnceIsUnreachable) {
  FakeAgent agent(socket_, {{{}, "", false}});
  EXPECT_EQ(run_with({"health"}).code, ExitCode::Unreachable);
}

TEST_F(Run, WhoWaitsIsToldSoAndGetsTheAnswerAllTheSame) {
  FakeAgent agent(socket_, {{.replies = {header({"n"}), page({{"1"}}), trailer(pb::STATUS_OK, "")},
                             .after = Client::kPatience + std::chrono::milliseconds(500)}});
  const Outcome outcome = run_with({"--output", "csv", "query", "SELECT 1 AS n"});
  EXPECT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  EXPECT_EQ(outcome.out, "n\r\n1\r\n");
  EXPECT_NE(outcome.err.find("no answer for 3 s"), outcome.err.npos) << outcome.err;
  EXPECT_NE(outcome.err.find("stands still"), outcome.err.npos) << outcome.err;
}

TEST_F(Run, NonsenseFromTheAgentIsAFailure) {
  pb::ControlReply unknown;
  const FakeAgent::Script garbage{{}, std::string("\xff\xff\xff\xff garbage"), false};
  const FakeAgent::Script too_large{{}, std::string((1 << 20) + 1, 'x'), false};
  const FakeAgent::Script wrong_row{{header({"a", "b"}), page({{"1"}}), trailer(pb::STATUS_OK, "")}, "", false};
  const FakeAgent::Script page_first{{page({{"1"}}), trailer(pb::STATUS_OK, "")}, "", false};
  FakeAgent agent(socket_, {garbage, too_large, wrong_row, page_first});
  for (int i = 0; i < 4; ++i) {
    const Outcome outcome = run_with({"health"});
    EXPECT_EQ(outcome.code, ExitCode::Failed) << i << ": " << outcome.err;
  }
}

TEST_F(Run, NoAgentSaysHowToStartOne) {
  const Outcome outcome = run_with({"health"});
  EXPECT_EQ(outcome.code, ExitCode::Unreachable);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("no agent answers on " + socket_));
  EXPECT_THAT(outcome.err, HasSubstr("daemoneye-agent --foreground --state-dir " + dir_));
  EXPECT_THAT(run_with({"--socket", (dir_ + "/other.sock").c_str(), "health"}).err, HasSubstr("other.sock"));
}

TEST_F(Run, ReaderThatLeavesIsNoFailure) {
  FakeAgent agent(socket_, {{{header({"n"}), page({{std::string(1000, 'x')}})}, "", true}});
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  reader.reset();
  const UniqueFd err(::open((dir_ + "/err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  const std::string empty = file("config.yaml", "");
  const std::vector<const char*> arguments{"--state-dir", dir_.c_str(), "--config", empty.c_str(),
                                           "query",       "SELECT 1",   "--output", "jsonl"};
  const char* env[] = {nullptr};
  EXPECT_EQ(run(arguments, env, {0, writer.get(), err.get()}, own_identity()), ExitCode::Complete);
  EXPECT_EQ(read(dir_ + "/err"), "");
}

TEST_F(Run, FullDiskIsAFailure) {
  FakeAgent agent(socket_, {two_rows()});
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  const UniqueFd err(::open((dir_ + "/err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  const std::vector<const char*> arguments{"--socket", socket_.c_str(), "query", "SELECT 1"};
  const char* env[] = {nullptr};
  EXPECT_EQ(run(arguments, env, {0, full.get(), err.get()}, own_identity()), ExitCode::Failed);
  EXPECT_THAT(read(dir_ + "/err"), HasSubstr("write the result"));
}

TEST_F(Run, RefusesForeignRights) {
  Identity identity = own_identity();
  identity.effective_user = identity.real_user + 1;
  const UniqueFd err(::open((dir_ + "/err").c_str(), O_WRONLY | O_CREAT, 0600));
  const std::vector<const char*> arguments{"version"};
  EXPECT_EQ(run(arguments, nullptr, {0, 1, err.get()}, identity), ExitCode::NotPermitted);
  identity = own_identity();
  identity.effective_group = identity.real_group + 1;
  EXPECT_EQ(run(arguments, nullptr, {0, 1, err.get()}, identity), ExitCode::NotPermitted);
}

struct Usage {
  const char* name;
  std::vector<const char*> arguments;
  const char* err;
};

class BadUsage : public Run, public testing::WithParamInterface<Usage> {};

TEST_P(BadUsage, EndsWithTwo) {
  const Outcome outcome = run_with(GetParam().arguments);
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("daemoneye-cli: "));
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().err));
}

INSTANTIATE_TEST_SUITE_P(
    CommandLines, BadUsage,
    testing::Values(Usage{"nothing", {}, "a command is required: query, schema"},
                    Usage{"unknown_command", {"halth"}, "unknown command \"halth\" (did you mean \"health\"?)"},
                    Usage{"half_a_command", {"rules"}, "a command is required: list, show, validate, enable"},
                    Usage{"unknown_half", {"rules", "lst"}, "unknown command \"lst\" (did you mean \"list\"?)"},
                    Usage{"surplus_word", {"rules", "list", "health"}, "health"},
                    Usage{"not_utf8", {"rules", "show", "\xff"}, "the rule is not valid UTF-8"},
                    Usage{"unknown_option", {"health", "--frob"}, "--frob"},
                    Usage{"no_statement", {"query"}, "a statement"},
                    Usage{"blank_statement", {"query", " \n"}, "empty"},
                    Usage{"two_statements", {"query", "SELECT 1", "--sql", "SELECT 2"}, "excludes"},
                    Usage{"two_modes", {"query", "SELECT 1", "--explain", "--validate"}, "excludes"},
                    Usage{"no_number", {"query", "SELECT 1", "--limit", "many"}, "--limit"},
                    Usage{"zero_limit", {"query", "SELECT 1", "--limit", "0"}, "--limit"},
                    Usage{"long_timeout", {"query", "SELECT 1", "--timeout", "600001"}, "--timeout"},
                    Usage{"huge_param", {"query", "SELECT ?", "--param", "9223372036854775808"}, "beyond 64 bits"},
                    Usage{"not_text", {"query", "SELECT '\xff'"}, "not valid UTF-8"},
                    Usage{"severity", {"alerts", "list", "--severity", "hgih"}, "--severity"},
                    Usage{"no_rule", {"rules", "show"}, "ID"}, Usage{"no_file", {"rules", "validate"}, "FILE"},
                    Usage{"format", {"health", "--output", "jsn"}, "did you mean \"json\"?"},
                    Usage{"program", {"config", "show", "sshd"}, "PROGRAM"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Run, TooLargeStatementIsRefusedBeforeItIsSent) {
  const std::string sql = file("big.sql", "SELECT '" + std::string(65500, 'x') + "'");
  const Outcome outcome = run_with({"query", "--file", sql.c_str(), "--param", std::string(100, 'y').c_str()});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_THAT(outcome.err, HasSubstr("at most 65536"));
}

TEST_F(Run, MissingFileIsNamed) {
  const Outcome outcome = run_with({"rules", "validate", "/nonexistent/rule.yaml"});
  EXPECT_EQ(outcome.code, ExitCode::Failed);
  EXPECT_THAT(outcome.err, HasSubstr("/nonexistent/rule.yaml: No such file"));
}

TEST_F(Run, HelpAndVersionAreResults) {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"--help"}, {"query", "--help"}, {"rules", "test", "-h"}}) {
    const Outcome outcome = run_plain(arguments);
    EXPECT_EQ(outcome.code, ExitCode::Complete);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: daemoneye-cli"));
    EXPECT_EQ(outcome.err, "");
  }
  EXPECT_EQ(run_plain({"version"}).out, "daemoneye-cli " DE_VERSION "\n");
  EXPECT_EQ(run_plain({"--version"}).out, "daemoneye-cli " DE_VERSION "\n");
}

}  // namespace
}  // namespace de::console
