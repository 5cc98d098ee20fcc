#include "trace/tracer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clock.h"

namespace de::trace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string uid(char c) { return std::string(16, c); }

class TracerTest : public testing::Test {
 protected:
  static detect::Rule rule(const std::string& id = "r") {
    detect::Rule out;
    out.id = id;
    out.trace.emplace();
    out.trace->for_ms = 10'000;
    return out;
  }
  void happen(pb::EventType type, char process, char parent = 'z') {
    pb::EventBatch batch;
    pb::ProcessEvent& event = *batch.add_events();
    event.set_event_type(type);
    event.mutable_process()->set_pid(static_cast<std::uint32_t>(process));
    event.mutable_process()->set_process_uid(uid(process));
    event.mutable_process()->set_parent_uid(uid(parent));
    tracer_.take(batch);
  }
  // "a match".
  std::vector<std::string> due(std::size_t most = 100) {
    std::vector<std::string> out;
    for (const Reading& one : tracer_.pop(most))
      out.push_back(one.subject.process_uid.substr(0, 1) + " " + one.reason + (one.is_last ? " last" : ""));
    return out;
  }
  std::shared_ptr<const Trace> begin(char process, const std::string& id = "r") {
    return tracer_.begin(rule(id), "alert", {static_cast<std::uint32_t>(process), uid(process)});
  }

  StandingClock clock_;
  Tracer tracer_{clock_, {3, 6}};
};

TEST_F(TracerTest, AProcessIsReadWhenItMatchesAndWhenItExecutes) {
  ASSERT_NE(begin('a'), nullptr);
  EXPECT_THAT(due(), ElementsAre("a match"));
  happen(pb::EVENT_TYPE_EXEC, 'a');
  happen(pb::EVENT_TYPE_MODIFIED, 'a');
  EXPECT_THAT(due(), ElementsAre("a exec"));
  happen(pb::EVENT_TYPE_EXEC, 'b', 'z');
  EXPECT_THAT(due(), IsEmpty()) << "somebody else";
}

TEST_F(TracerTest, DescendantsAreReadAsTheyCome) {
  const auto trace = begin('a');
  tracer_.add_descendant(*trace, {1, uid('o')});
  tracer_.add_descendant(*trace, {1, uid('o')});
  EXPECT_THAT(due(), ElementsAre("a match", "o descendant"));
  happen(pb::EVENT_TYPE_START, 'b', 'a');
  EXPECT_THAT(due(), ElementsAre("b fork"));
  happen(pb::EVENT_TYPE_EXIT, 'a');
  happen(pb::EVENT_TYPE_START, 'c', 'b');
  EXPECT_THAT(due(), ElementsAre("c fork")) << "a grandchild whose forefather is gone";
  happen(pb::EVENT_TYPE_EXIT, 'c');
  happen(pb::EVENT_TYPE_START, 'd', 'c');
  EXPECT_THAT(due(), IsEmpty()) << "nobody can be forked by who has ended";
}

TEST_F(TracerTest, DescendantsAreNotReadWhereTheRuleDoesNotWantThem) {
  detect::Rule alone = rule();
  alone.trace->descendants = false;
  ASSERT_NE(tracer_.begin(alone, "alert", {1, uid('a')}), nullptr);
  happen(pb::EVENT_TYPE_START, 'b', 'a');
  EXPECT_THAT(due(), ElementsAre("a match"));
}

TEST_F(TracerTest, OfOneProcessOneReadingWaits) {
  ASSERT_NE(begin('a'), nullptr);
  happen(pb::EVENT_TYPE_START, 'b', 'a');
  happen(pb::EVENT_TYPE_EXEC, 'b', 'a');
  happen(pb::EVENT_TYPE_EXEC, 'b', 'a');
  EXPECT_THAT(due(), ElementsAre("a match", "b exec"));
}

TEST_F(TracerTest, WhatIsTracedAlreadyIsNotTracedAgain) {
  ASSERT_NE(begin('a'), nullptr);
  EXPECT_EQ(begin('a'), nullptr);
  happen(pb::EVENT_TYPE_START, 'b', 'a');
  EXPECT_EQ(begin('b'), nullptr) << "a descendant that matches the same rule";
  EXPECT_EQ(tracer_.counts().same, 2U);
  EXPECT_NE(begin('a', "other"), nullptr);
  EXPECT_EQ(tracer_.begin(rule(), "alert", {5, ""}), nullptr);
  EXPECT_EQ(tracer_.counts().unknown, 1U);
}

TEST_F(TracerTest, ATraceEndsByItself) {
  ASSERT_NE(begin('a'), nullptr);
  (void)due();
  clock_.advance_ms(10'000);
  happen(pb::EVENT_TYPE_EXEC, 'a');
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_EQ(tracer_.active(), 0U);
  EXPECT_NE(begin('a'), nullptr) << "and begins anew with the next match";
}

TEST_F(TracerTest, OneTraceReadsSoOftenAndSaysSo) {
  ASSERT_NE(begin('a'), nullptr);
  for (int i = 0; i < 5; ++i) {
    (void)due();
    happen(pb::EVENT_TYPE_EXEC, 'a');
  }
  EXPECT_THAT(due(), ElementsAre("a exec last"));
  happen(pb::EVENT_TYPE_EXEC, 'a');
  happen(pb::EVENT_TYPE_START, 'b', 'a');
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_EQ(tracer_.counts().shed, 2U);
  ASSERT_EQ(tracer_.reasons().size(), 1U);
  EXPECT_THAT(tracer_.reasons().front().detail(), HasSubstr("traces.max_readings"));
}

TEST_F(TracerTest, SoManyRunAtATime) {
  for (const char process : {'a', 'b', 'c'}) ASSERT_NE(begin(process), nullptr);
  EXPECT_EQ(begin('d'), nullptr);
  EXPECT_EQ(tracer_.counts().refused, 1U);
  ASSERT_EQ(tracer_.reasons().size(), 1U);
  EXPECT_THAT(tracer_.reasons().front().detail(), HasSubstr("traces.max_active"));
  clock_.advance_ms(60'001);
  EXPECT_THAT(tracer_.reasons(), IsEmpty());
  EXPECT_NE(begin('d'), nullptr);
}

}  // namespace
}  // namespace de::trace
