#include "catalog/demand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog_fixture.h"

namespace de::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HandClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return 1'000'000 + ms; }
  std::int64_t steady_ns() const override { return ms * 1'000'000; }
  std::int64_t ms = 0;
};

mirror::ColumnNeeds needs(const std::string& column, const std::string& name = "") {
  mirror::ColumnNeeds out;
  out.columns.insert(column);
  auto& list = out.of.emplace_back();
  if (name.empty()) return out;
  pb::Predicate& predicate = list.emplace_back();
  predicate.set_column("name");
  predicate.set_op(pb::PREDICATE_OP_EQ);
  predicate.add_values()->set_string_value(name);
  return out;
}

class DemandTest : public testing::Test {
 protected:
  DemandTest() {
    description_.tells_processes = true;
    description_.on_demand = {"fd_count", "io_read_bytes"};
    description_.operations["name"] = {pb::PREDICATE_OP_EQ};
  }
  // The collector says what SQLite would; `conforms` false: the opposite.
  void start(bool conforms = true) {
    demand_.start(&description_);
    for (int i = 0; i < 20; ++i)
      for (const pb::Envelope& message : demand_.due()) {
        if (message.task().task_type() != pb::CHECK_CONFORMANCE) continue;
        pb::DetectionResult result;
        result.set_task_id(message.task().task_id());
        for (const pb::ConformanceCase& one : message.task().conformance().cases()) {
          const bool equal = one.value().SerializeAsString() == one.predicate().values(0).SerializeAsString() &&
                             one.value().value_case() != pb::Literal::VALUE_NOT_SET;
          const pb::Literal& with = one.predicate().values(0);
          const bool fits = (with.has_int_value() && one.column_type() == pb::COLUMN_TYPE_INTEGER) ||
                            (with.has_string_value() && one.column_type() == pb::COLUMN_TYPE_TEXT);
          result.add_conformance(!fits || one.predicate().op() != pb::PREDICATE_OP_EQ ? pb::CONFORMANCE_REFUSES
                                 : equal == conforms                                  ? pb::CONFORMANCE_ADMITS
                                                                                      : pb::CONFORMANCE_EXCLUDES);
        }
        EXPECT_FALSE(demand_.take(result));
      }
  }
  // What is sent now: "columns-1 fd_count name=x", "-columns-1" for what is revoked.
  std::vector<std::string> due() {
    std::vector<std::string> out;
    for (const pb::Envelope& message : demand_.due()) {
      if (message.has_revoke_task()) {
        out.push_back("-" + message.revoke_task().task_id());
        continue;
      }
      const pb::PushdownPlan& plan = message.task().pushdown_plan();
      EXPECT_EQ(plan.ttl_ms(), 300'000U);
      std::string text = message.task().task_id();
      for (const std::string& column : plan.projection()) text += " " + column;
      for (const pb::Predicate& one : plan.predicates())
        text += " " + one.column() + "=" + one.values(0).string_value();
      out.push_back(text);
    }
    return out;
  }
  bool answer(const std::string& id, const std::string& error = "") {
    pb::DetectionResult result;
    result.set_task_id(id);
    result.set_success(error.empty());
    if (!error.empty()) result.set_error_message(error);
    return demand_.take(result);
  }

  HandClock clock_;
  Description description_;
  Demand demand_{clock_};
};

TEST_F(DemandTest, NobodyIsAskedBeforeThereIsACollector) {
  demand_.set_rules({needs("fd_count")});
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count")));
}

TEST_F(DemandTest, WhatRulesNeedIsAskedForRenewedAndRevoked) {
  start();
  EXPECT_EQ(demand_.conforming(), 2U) << "EQ of text and of integers";
  demand_.set_rules({needs("fd_count", "sshd")});
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count name=sshd"));
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count", "sshd")));
  clock_.ms = 50;
  EXPECT_TRUE(answer("columns-1")) << "there is something new";
  EXPECT_EQ(demand_.told_since_ms(needs("fd_count", "sshd")), 1'000'050);
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count", "other")));
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count")));
  EXPECT_FALSE(answer("columns-1"));
  clock_.ms = Demand::kRenewMs - 1;
  EXPECT_THAT(due(), IsEmpty());
  clock_.ms = Demand::kRenewMs + 1;
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count name=sshd"));
  EXPECT_EQ(demand_.told_since_ms(needs("fd_count", "sshd")), 1'000'050) << "it never ended";
  demand_.set_rules({});
  EXPECT_THAT(due(), ElementsAre("-columns-1"));
  EXPECT_EQ(demand_.counts().revoked, 1U);
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count", "sshd")));
}

TEST_F(DemandTest, OneOfAllProcessesMakesOthersUnneeded) {
  start();
  demand_.set_rules({needs("fd_count", "a"), needs("fd_count", "b"), needs("fd_count", "a")});
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count name=a", "columns-2 fd_count name=b"));
  demand_.set_rules({needs("fd_count", "a"), needs("fd_count"), needs("io_read_bytes", "b")});
  EXPECT_THAT(due(), ElementsAre("columns-3 fd_count", "columns-4 io_read_bytes name=b", "-columns-1", "-columns-2"))
      << "asked for before the others end";
  answer("columns-3");
  EXPECT_TRUE(demand_.told_since_ms(needs("fd_count", "a")));
}

TEST_F(DemandTest, ManyPlansBecomeOne) {
  start();
  std::vector<mirror::ColumnNeeds> many;
  for (std::size_t i = 0; i <= Demand::kMaxPlans; ++i) many.push_back(needs("fd_count", "p" + std::to_string(i)));
  demand_.set_rules(many);
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
}

TEST_F(DemandTest, WhatDoesNotConformIsNotLeftToTheCollector) {
  start(false);
  EXPECT_EQ(demand_.conforming(), 0U);
  demand_.set_rules({needs("fd_count", "sshd")});
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
}

TEST_F(DemandTest, ACollectorThatSaysNothingOfConformanceIsAskedForAll) {
  demand_.start(&description_);
  demand_.set_rules({needs("fd_count", "sshd")});
  EXPECT_EQ(demand_.due().size(), 1U) << "the first of the checks";
  EXPECT_THAT(demand_.due(), IsEmpty());
  clock_.ms = Demand::kConformanceMs + 1;
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
}

TEST_F(DemandTest, WhatTheCollectorRefusesIsAskedWithoutConditions) {
  start();
  demand_.set_rules({needs("fd_count", "sshd")});
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count name=sshd"));
  EXPECT_FALSE(answer("columns-1", "unknown column"));
  EXPECT_THAT(due(), ElementsAre("columns-2 fd_count", "-columns-1"));
  answer("columns-2", "too many plans");
  ASSERT_EQ(demand_.reasons().size(), 1U);
  EXPECT_EQ(demand_.reasons().front().detail(), "fd_count of all processes is not collected: too many plans");
  clock_.ms = Demand::kRenewMs + 1;
  EXPECT_THAT(due(), ElementsAre("columns-2 fd_count"));
  EXPECT_TRUE(answer("columns-2"));
  EXPECT_THAT(demand_.reasons(), IsEmpty());
}

TEST_F(DemandTest, ANeedOfAQueryLastsAWhile) {
  start();
  demand_.want(needs("fd_count"));
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
  clock_.ms = 200'000;
  demand_.want(needs("fd_count"));
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
  clock_.ms = 499'000;
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
  clock_.ms = 500'001;
  EXPECT_THAT(due(), ElementsAre("-columns-1"));
}

TEST_F(DemandTest, OnlySoManyQueriesAreRemembered) {
  start();
  for (std::size_t i = 0; i < Demand::kMaxQueries + 3; ++i) demand_.want(needs("fd_count", "p" + std::to_string(i)));
  EXPECT_EQ(demand_.counts().shed, 3U);
}

TEST_F(DemandTest, AnotherSessionIsAskedAnew) {
  start();
  demand_.set_rules({needs("fd_count")});
  EXPECT_THAT(due(), ElementsAre("columns-1 fd_count"));
  answer("columns-1");
  demand_.start(nullptr);
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_FALSE(demand_.told_since_ms(needs("fd_count")));
  start();
  EXPECT_THAT(demand_.plans(), ElementsAre("fd_count of all processes, not confirmed"));
}

TEST_F(DemandTest, WhatIsAlwaysToldIsNotAskedFor) {
  description_.on_demand = {};
  start();
  demand_.set_rules({needs("fd_count")});
  EXPECT_THAT(due(), IsEmpty());
  EXPECT_EQ(demand_.told_since_ms(needs("fd_count")), 0);
}

}  // namespace
}  // namespace de::catalog
