// Which columns on demand are read of whom: what is taken for a plan, whom it means, and how it ends.
#include "collect/column_plans.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>

#include "daemoneye/schema/describe.h"
#include "daemoneye/schema/process_columns.h"

namespace de::collect {
namespace {

using testing::HasSubstr;

class MovedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ns / 1'000'000; }
  std::int64_t steady_ns() const override { return now_ns += per_look_ns; }
  mutable std::int64_t now_ns = 1'000'000'000;
  std::int64_t per_look_ns = 0;
};

pb::PushdownPlan plan_for(std::initializer_list<const char*> columns, std::uint32_t ttl_ms = 60'000) {
  pb::PushdownPlan out;
  out.set_table("processes");
  out.set_ttl_ms(ttl_ms);
  for (const char* column : columns) out.add_projection(column);
  return out;
}

void add_text(pb::PushdownPlan& plan, const char* column, pb::PredicateOp op, const char* value) {
  pb::Predicate& predicate = *plan.add_predicates();
  predicate.set_column(column);
  predicate.set_op(op);
  predicate.add_values()->set_string_value(value);
}

void add_number(pb::PushdownPlan& plan, const char* column, pb::PredicateOp op, std::int64_t value) {
  pb::Predicate& predicate = *plan.add_predicates();
  predicate.set_column(column);
  predicate.set_op(op);
  predicate.add_values()->set_int_value(value);
}

pb::ProcessRecord process_named(const char* name, std::uint32_t pid = 1) {
  pb::ProcessRecord out;
  out.set_pid(pid);
  out.set_name(name);
  return out;
}

class Plans : public testing::Test {
 protected:
  // Why it is refused; empty: it is not.
  std::string refusal(const pb::PushdownPlan& plan, const std::string& task = "refused") {
    const Result<> accepted = plans_.accept(task, plan);
    return accepted ? "" : accepted.error().message();
  }
  std::string changed(const std::function<void(pb::PushdownPlan&)>& change) {
    pb::PushdownPlan plan = plan_for({"fd_count"});
    add_text(plan, "name", pb::PREDICATE_OP_EQ, "x");
    change(plan);
    return refusal(plan);
  }
  MovedClock clock_;
  ColumnPlans plans_{clock_};
};

TEST_F(Plans, NobodyWantsAnythingAtFirst) {
  EXPECT_EQ(plans_.wanted(process_named("x")), kNothing);
  const Demand demand = plans_.begin_snapshot();
  EXPECT_EQ(demand.of_all | demand.of_some, kNothing);
  EXPECT_FALSE(plans_.wants_all("fd_count"));
}

TEST_F(Plans, WithoutPredicatesEverybodyIsMeant) {
  ASSERT_TRUE(plans_.accept("t", plan_for({"io_read_bytes"})));
  EXPECT_EQ(plans_.begin_snapshot().of_all, kIoRead);
  EXPECT_TRUE(plans_.wants_all("io_read_bytes"));
  EXPECT_FALSE(plans_.wants_all("fd_count"));
  EXPECT_FALSE(plans_.wants_all("name"));
  EXPECT_EQ(plans_.wanted(process_named("x")), kIoRead);
}

TEST_F(Plans, AllPredicatesOfAPlanAndAnyPlan) {
  pb::PushdownPlan both = plan_for({"fd_count"});
  add_text(both, "name", pb::PREDICATE_OP_GLOB, "ng*");
  add_number(both, "pid", pb::PREDICATE_OP_GT, 10);
  ASSERT_TRUE(plans_.accept("both", both));
  pb::PushdownPlan other = plan_for({"io_read_bytes", "io_write_bytes"});
  add_text(other, "name", pb::PREDICATE_OP_LIKE, "NGINX");
  ASSERT_TRUE(plans_.accept("other", other));
  const Demand demand = plans_.begin_snapshot();
  EXPECT_EQ(demand.of_all, kNothing);
  EXPECT_EQ(demand.of_some, kEverything);
  EXPECT_EQ(plans_.wanted(process_named("nginx", 11)), kEverything);
  EXPECT_EQ(plans_.wanted(process_named("nginx", 10)), kIo);
  EXPECT_EQ(plans_.wanted(process_named("ngrep", 11)), kFdCount);
  EXPECT_EQ(plans_.wanted(process_named("bash", 11)), kNothing);
  EXPECT_EQ(plans_.wanted(pb::ProcessRecord()), kNothing) << "NULL is never admitted";
  // Who wants it of all needs no predicates.
  ASSERT_TRUE(plans_.accept("all", plan_for({"fd_count"})));
  EXPECT_EQ(plans_.wanted(process_named("bash", 11)), kFdCount);
  EXPECT_EQ(plans_.begin_snapshot().of_some, kIo);
}

TEST_F(Plans, WhatIsRefusedSaysWhy) {
  EXPECT_EQ(changed([](auto&) {}), "");
  EXPECT_THAT(changed([](auto& plan) { plan.set_table("processes.events"); }), HasSubstr("processes.events"));
  EXPECT_THAT(changed([](auto& plan) { plan.set_table("no\nsuch"); }), HasSubstr("no\\x0asuch"));
  EXPECT_THAT(changed([](auto& plan) { plan.clear_projection(); }), HasSubstr("projection"));
  EXPECT_THAT(changed([](auto& plan) { plan.add_projection("fds"); }), HasSubstr("'fds'"));
  EXPECT_THAT(changed([](auto& plan) { plan.add_projection("name"); }), HasSubstr("name is in every snapshot"));
  EXPECT_THAT(changed([](auto& plan) { plan.set_ttl_ms(0); }), HasSubstr("ttl_ms"));
  EXPECT_THAT(changed([](auto& plan) { plan.set_ttl_ms(300'001); }), HasSubstr("300001"));
  EXPECT_EQ(changed([](auto& plan) { plan.set_ttl_ms(300'000); }), "");
  EXPECT_THAT(changed([](auto& plan) { add_number(plan, "pids", pb::PREDICATE_OP_EQ, 1); }), HasSubstr("'pids'"));
  EXPECT_THAT(changed([](auto& plan) { add_text(plan, "pid", pb::PREDICATE_OP_EQ, "1"); }),
              HasSubstr("predicate of pid: a value is not of the column's type INTEGER"));
  EXPECT_THAT(changed([](auto& plan) { add_text(plan, "name", static_cast<pb::PredicateOp>(9), "x"); }),
              HasSubstr("predicate of name"));
  EXPECT_THAT(changed([](auto& plan) { plan.mutable_predicates(0)->add_values()->set_string_value("y"); }),
              HasSubstr("= takes one value"));
  for (const char* late : {"fd_count", "memory_usage", "environment_length"})
    EXPECT_THAT(changed([late](auto& plan) { add_number(plan, late, pb::PREDICATE_OP_GT, 1); }), HasSubstr(late));
  for (const char* late : {"executable_hash", "command_line_now", "platform_data", "environment", "state"})
    EXPECT_THAT(changed([late](auto& plan) { add_text(plan, late, pb::PREDICATE_OP_EQ, "x"); }), HasSubstr(late));
  const auto add_many = [](int count) {
    return [count](pb::PushdownPlan& plan) {
      while (plan.predicates_size() < count) add_number(plan, "pid", pb::PREDICATE_OP_NE, 1);
    };
  };
  EXPECT_EQ(changed(add_many(64)), "");
  EXPECT_THAT(changed(add_many(65)), HasSubstr("64 predicates"));
  EXPECT_THAT(refusal(plan_for({"fd_count"}), ""), HasSubstr("task_id"));
}

TEST_F(Plans, ARefusedPlanChangesNothing) {
  ASSERT_TRUE(plans_.accept("t", plan_for({"fd_count"})));
  pb::PushdownPlan bad = plan_for({"io_read_bytes", "name"});
  EXPECT_NE(refusal(bad, "t"), "");
  EXPECT_EQ(plans_.begin_snapshot().of_all, kFdCount);
  EXPECT_EQ(plans_.counts().alive, 1u);
  EXPECT_EQ(plans_.counts().refused, 1u);
}

TEST_F(Plans, TheSameTaskAgainReplacesAndBeginsAnew) {
  ASSERT_TRUE(plans_.accept("t", plan_for({"fd_count"}, 1'000)));
  clock_.now_ns += 900'000'000;
  ASSERT_TRUE(plans_.accept("t", plan_for({"io_write_bytes"}, 1'000)));
  clock_.now_ns += 900'000'000;
  EXPECT_EQ(plans_.begin_snapshot().of_all, kIoWrite);
  EXPECT_EQ(plans_.counts().alive, 1u);
  clock_.now_ns += 100'000'000;
  EXPECT_EQ(plans_.begin_snapshot().of_all, kNothing);
  EXPECT_EQ(plans_.counts().alive, 0u);
  EXPECT_EQ(plans_.counts().expired, 1u);
}

TEST_F(Plans, EndWhenRevokedOrWithTheSession) {
  for (const char* task : {"a", "b", "c"}) ASSERT_TRUE(plans_.accept(task, plan_for({"fd_count"})));
  plans_.revoke("b");
  plans_.revoke("b");
  plans_.revoke("unknown");
  EXPECT_EQ(plans_.counts().alive, 2u);
  EXPECT_EQ(plans_.counts().revoked, 1u);
  EXPECT_TRUE(plans_.wants_all("fd_count"));
  plans_.clear();
  EXPECT_EQ(plans_.counts().alive, 0u);
  EXPECT_FALSE(plans_.wants_all("fd_count"));
  EXPECT_EQ(plans_.wanted(process_named("x")), kNothing);
}

TEST_F(Plans, AtMostSixtyFourAreAlive) {
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(plans_.accept(std::to_string(i), plan_for({"fd_count"}, 1'000)));
  const Result<> one_more = plans_.accept("64", plan_for({"fd_count"}));
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code(), Errc::Exhausted);
  EXPECT_TRUE(plans_.accept("63", plan_for({"fd_count"}, 1'000))) << "a renewal is no further one";
  clock_.now_ns += 1'000'000'000;
  EXPECT_TRUE(plans_.accept("64", plan_for({"fd_count"}))) << "the others have expired";
  EXPECT_EQ(plans_.counts().alive, 1u);
  EXPECT_EQ(plans_.counts().expired, 64u);
}

// Predicates that take too long do not hold up a snapshot: those who are left are read.
TEST_F(Plans, WhenThereIsNoTimeToJudgeEverybodyIsWanted) {
  pb::PushdownPlan plan = plan_for({"fd_count"});
  add_text(plan, "name", pb::PREDICATE_OP_EQ, "nobody");
  ASSERT_TRUE(plans_.accept("t", plan));
  clock_.per_look_ns = kMaxJudgingNs / 3 + 1;
  (void)plans_.begin_snapshot();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(plans_.wanted(process_named("x")), kNothing) << i;
  EXPECT_EQ(plans_.wanted(process_named("x")), kFdCount);
  EXPECT_EQ(plans_.counts().unjudged, 1u);
  (void)plans_.begin_snapshot();
  EXPECT_EQ(plans_.wanted(process_named("x")), kNothing) << "the next one begins anew";
}

// A column that is added on demand without a bit for it would be read by nobody.
TEST(OnDemand, EveryColumnOnDemandHasItsPlace) {
  for (const auto& column : schema::process_columns())
    EXPECT_EQ(on_demand(column.name) != kNothing, column.on_demand == schema::OnDemand::Yes) << column.name;
  pb::ProcessRecord record;
  EXPECT_EQ(told_in(record), kNothing);
  record.set_fd_count(1);
  record.set_io_read_bytes(1);
  record.set_io_write_bytes(1);
  EXPECT_EQ(told_in(record), kEverything);
  keep_only(kIoWrite, record);
  EXPECT_EQ(told_in(record), kIoWrite);
}

}  // namespace
}  // namespace de::collect
