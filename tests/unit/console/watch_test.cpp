// `watch processes` and `tree` against an agent that is played from a script.
#include "console/watch.h"

#include <gmock/gmock.h>

#include <csignal>
#include <thread>

#include "console/tree.h"
#include "fake_agent.h"
#include "run_fixture.h"

namespace de::console {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

pb::ControlReply follow_end(std::uint64_t position, std::uint64_t left_out = 0) {
  pb::ControlReply reply = trailer(pb::STATUS_OK, "");
  reply.mutable_trailer()->mutable_completeness()->set_complete(true);
  reply.mutable_trailer()->set_position(position);
  reply.mutable_trailer()->set_left_out(left_out);
  return reply;
}

const std::vector<std::string> kColumns = {"event_type", "name", "user_name", "command_line"};

TEST_F(Run, WatchGoesOnWhereItWas) {
  pb::ControlReply gap = degraded("EventsShed", "procmond", "3 events lost");
  gap.mutable_trailer()->set_position(9);
  FakeAgent agent(socket_,
                  {{{header(kColumns), follow_end(5)}, "", false},
                   {{header(kColumns), page({{"exec", "sh", "root", "sh -c \x1b[2Jid"}}), follow_end(7)}, "", false},
                   {{header(kColumns), gap}, "", false},
                   {{header(kColumns), gap}, "", false},
                   {{header(kColumns), follow_end(9, 4)}, "", false}});
  const Outcome outcome = run_with({"watch", "processes"});
  EXPECT_EQ(outcome.code, ExitCode::Unreachable);  // The script is over.
  EXPECT_THAT(outcome.out, HasSubstr(" exec               root       sh sh -c \\x1b[2Jid\n"));
  EXPECT_THAT(outcome.err, HasSubstr("warning: events may be missing: EventsShed (procmond): 3 events lost"));
  EXPECT_EQ(outcome.err.find("3 events lost"), outcome.err.rfind("3 events lost"));  // Said once.
  EXPECT_THAT(outcome.err, HasSubstr("4 events were left out"));
  const auto& asked = agent.requests();
  ASSERT_GE(asked.size(), 5U);
  EXPECT_FALSE(asked[0].follow().has_after());
  EXPECT_EQ(asked[1].follow().after(), 5U);
  EXPECT_EQ(asked[2].follow().after(), 7U);
}

TEST_F(Run, WatchEndsWithTheSignal) {
  std::deque<FakeAgent::Script> scripts(100, FakeAgent::Script{{header(kColumns), follow_end(5)}, "", false});
  FakeAgent agent(socket_, scripts);
  std::thread later([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    ::kill(::getpid(), SIGINT);
  });
  const Outcome outcome = run_with({"watch", "processes"});
  later.join();
  EXPECT_EQ(outcome.code, ExitCode::Complete);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Run, WatchAsJsonLines) {
  FakeAgent agent(socket_, {{{header(kColumns), page({{"exit", "a", "b", "c"}}), follow_end(5)}, "", false},
                            {{header(kColumns), page({{"exec", "a", "b", "c"}}), follow_end(6)}, "", false}});
  const Outcome outcome = run_with({"watch", "processes", "--json"});
  EXPECT_EQ(outcome.out, R"({"event_type":"exit","name":"a","user_name":"b","command_line":"c"}
{"event_type":"exec","name":"a","user_name":"b","command_line":"c"}
)");
}

TEST_F(Run, WatchWithoutAgentSaysHowToStartOne) {
  const Outcome outcome = run_with({"watch", "processes"});
  EXPECT_EQ(outcome.code, ExitCode::Unreachable);
  EXPECT_THAT(outcome.err, HasSubstr("Start it with"));
}

pb::Row process(std::int64_t pid, std::int64_t ppid, const std::string& name, const std::string& uid = "",
                const std::string& parent = "") {
  pb::Row row;
  row.add_values()->set_integer(pid);
  row.add_values()->set_integer(ppid);
  row.add_values()->set_text(name);
  row.add_values()->set_text("root");
  row.add_values()->set_text(uid);
  row.add_values()->set_text(parent);
  return row;
}

std::string draw(const std::vector<pb::Row>& rows, std::optional<std::uint32_t> root = std::nullopt) {
  Tree tree;
  for (const pb::Row& row : rows) EXPECT_TRUE(tree.add(row));
  const auto drawn = tree.draw(root);
  return drawn ? *drawn : drawn.error().message();
}

TEST(Tree, PutsChildrenBelowTheirParents) {
  const std::vector<pb::Row> rows = {process(1, 0, "init"), process(5, 1, "sshd"), process(7, 5, "bash"),
                                     process(8, 7, "vi\nx"), process(9, 1, "cron")};
  EXPECT_EQ(draw(rows),
            "1 init (root)\n"
            "|- 5 sshd (root)\n"
            "|  `- 7 bash (root)\n"
            "|     `- 8 vi\\x0ax (root)\n"
            "`- 9 cron (root)\n");
  EXPECT_EQ(draw(rows, 5), "5 sshd (root)\n`- 7 bash (root)\n   `- 8 vi\\x0ax (root)\n");
  EXPECT_EQ(draw(rows, 99), "no process 99 in the snapshot");
}

TEST(Tree, AUsedAgainPidIsNoParentAndARingIsShown) {
  EXPECT_EQ(draw({process(5, 1, "new", "uid-2"), process(7, 5, "orphan", "uid-3", "uid-1")}),
            "5 new (root)\n7 orphan (root)\n");
  EXPECT_EQ(draw({process(5, 6, "a"), process(6, 5, "b"), process(7, 7, "self")}),
            "7 self (root)\n5 a (root)\n`- 6 b (root)\n");
}

TEST_F(Run, TreeIsDrawnOrGivenAsRows) {
  pb::ControlReply rows;
  *rows.mutable_page()->add_rows() = process(1, 0, "init");
  *rows.mutable_page()->add_rows() = process(5, 1, "sshd");
  const FakeAgent::Script script{
      {header({"pid", "ppid", "name", "user", "process_uid", "parent_uid"}), rows, follow_end(0)}, "", false};
  FakeAgent agent(socket_, {script, script, script});
  const Outcome drawn = run_with({"tree"});
  EXPECT_EQ(drawn.code, ExitCode::Complete) << drawn.err;
  EXPECT_EQ(drawn.out, "1 init (root)\n`- 5 sshd (root)\n");
  const Outcome csv = run_with({"--output", "csv", "tree", "5"});
  EXPECT_EQ(csv.code, ExitCode::Complete) << csv.err;
  EXPECT_EQ(csv.out, "depth,pid,ppid,name,user\r\n0,5,1,sshd,root\r\n");
  const Outcome none = run_with({"tree", "77"});
  EXPECT_EQ(none.code, ExitCode::Failed);
  EXPECT_THAT(none.err, HasSubstr("no process 77 in the snapshot"));
}

}  // namespace
}  // namespace de::console
