#include "alert/lineage.h"

#include "fixture.h"

namespace de::alert {
namespace {

class LineageTest : public SnapshotTest {};

TEST_F(LineageTest, FindsWhatTheSnapshotKnows) {
  load({{.pid = 7, .ppid = 1, .name = "sh", .start_ms = 50, .uid = uid_of('a'), .parent_uid = uid_of('b')}});
  const auto facts = lineage->find(7);
  ASSERT_TRUE(facts) << facts.error().message();
  ASSERT_TRUE(*facts);
  EXPECT_EQ((*facts)->ppid, 1U);
  EXPECT_EQ((*facts)->name, "sh");
  EXPECT_EQ((*facts)->executable_path, "/bin/sh");
  EXPECT_EQ((*facts)->user_id, "33");
  EXPECT_EQ((*facts)->process_uid, "61616161-6161-6161-6161-616161616161");
  EXPECT_EQ((*facts)->parent_uid, "62626262-6262-6262-6262-626262626262");
  EXPECT_EQ((*facts)->start_time_ms, 50);
  const auto nobody = lineage->find(8);
  ASSERT_TRUE(nobody);
  EXPECT_FALSE(*nobody);
}

TEST_F(LineageTest, WalksToTheFirstProcess) {
  load({{.pid = 1, .ppid = 0, .name = "init", .start_ms = 1},
        {.pid = 10, .ppid = 1, .name = "sshd", .start_ms = 10},
        {.pid = 20, .ppid = 10, .name = "bash", .start_ms = 20},
        {.pid = 30, .ppid = 20, .name = "curl", .start_ms = 30}});
  EXPECT_EQ(chain(30), "bash:20 sshd:10 init:1");
  EXPECT_EQ(chain(1), "");
}

struct ParentCase {
  const char* why;
  Proc parent;
  Proc child;
  const char* chain;
};

TEST_F(LineageTest, APidAloneMakesNoParent) {
  const ParentCase cases[] = {
      {"older", {.pid = 5, .name = "p", .start_ms = 10}, {.pid = 6, .ppid = 5, .name = "c", .start_ms = 20}, "p:5"},
      {"same tick", {.pid = 5, .name = "p", .start_ms = 20}, {.pid = 6, .ppid = 5, .name = "c", .start_ms = 20}, "p:5"},
      {"younger", {.pid = 5, .name = "p", .start_ms = 21}, {.pid = 6, .ppid = 5, .name = "c", .start_ms = 20}, ""},
      {"start unknown", {.pid = 5, .name = "p"}, {.pid = 6, .ppid = 5, .name = "c", .start_ms = 20}, "p:5"},
      {"same uid",
       {.pid = 5, .name = "p", .uid = uid_of('p')},
       {.pid = 6, .ppid = 5, .name = "c", .parent_uid = uid_of('p')},
       "p:5"},
      {"another uid, though older",
       {.pid = 5, .name = "p", .start_ms = 10, .uid = uid_of('q')},
       {.pid = 6, .ppid = 5, .name = "c", .start_ms = 20, .parent_uid = uid_of('p')},
       ""},
      {"parent gone", {.pid = 5, .name = "p"}, {.pid = 6, .ppid = 4, .name = "c"}, ""},
      {"no parent", {.pid = 5, .name = "p"}, {.pid = 6, .name = "c"}, ""},
  };
  for (const ParentCase& test : cases) {
    load({test.parent, test.child});
    // Every load comes from a new mirror whose generations start over, so this lineage must not remember.
    lineage.emplace(*session);
    EXPECT_EQ(chain(6), test.chain) << test.why;
  }
}

TEST_F(LineageTest, ARingEnds) {
  load({{.pid = 2, .ppid = 4, .name = "a", .start_ms = 5},
        {.pid = 3, .ppid = 2, .name = "b", .start_ms = 5},
        {.pid = 4, .ppid = 3, .name = "c", .start_ms = 5},
        {.pid = 9, .ppid = 9, .name = "self", .start_ms = 5}});
  EXPECT_EQ(chain(4), "b:3 a:2");
  EXPECT_EQ(chain(9), "");
}

TEST_F(LineageTest, DepthIsBounded) {
  std::vector<Proc> processes;
  for (std::uint32_t pid = 1; pid <= 100; ++pid)
    processes.push_back({.pid = pid, .ppid = pid - 1, .name = "p", .start_ms = pid});
  load(processes);
  const auto facts = lineage->find(100);
  ASSERT_TRUE(facts && *facts);
  const auto ancestors = lineage->ancestors(**facts);
  ASSERT_TRUE(ancestors);
  ASSERT_EQ(ancestors->size(), Lineage::kMaxDepth);
  EXPECT_EQ(ancestors->back().pid(), 68U);
}

TEST_F(LineageTest, HostileNamesStayBytes) {
  load(
      {{.pid = 1, .ppid = 0, .name = "\xff\n'; --", .start_ms = 1}, {.pid = 2, .ppid = 1, .name = "x", .start_ms = 2}});
  const auto facts = lineage->find(2);
  ASSERT_TRUE(facts && *facts);
  const auto ancestors = lineage->ancestors(**facts);
  ASSERT_TRUE(ancestors);
  ASSERT_EQ(ancestors->size(), 1U);
  EXPECT_TRUE((*ancestors)[0].name().ends_with("\n'; --"));
}

TEST(ReadAncestry, IsCutAndRefusesWhatIsNoAncestor) {
  pb::Ancestry ancestry;
  for (std::uint32_t pid = 1; pid <= Lineage::kMaxDepth + 10; ++pid) ancestry.add_ancestors()->set_pid(pid);
  const auto chain = read_ancestry(ancestry.SerializeAsString());
  ASSERT_TRUE(chain);
  ASSERT_EQ(chain->size(), Lineage::kMaxDepth);
  EXPECT_EQ(chain->back().pid(), Lineage::kMaxDepth) << "the nearest ones stay";
  ancestry.clear_ancestors();
  ancestry.add_ancestors()->set_name("nobody");
  EXPECT_EQ(read_ancestry(ancestry.SerializeAsString()).error().code(), Errc::Invalid);
  EXPECT_EQ(read_ancestry("\xff").error().code(), Errc::Invalid);
  EXPECT_TRUE(read_ancestry("")->empty());
}

}  // namespace
}  // namespace de::alert
