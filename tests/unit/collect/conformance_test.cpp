// What is said about given values: one outcome for each case, and a reason where nothing can be said.
#include "collect/conformance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "collect/tasks.h"
#include "own_source.h"

namespace de::collect {
namespace {

class Conformance : public testing::Test {
 protected:
  pb::ConformanceCase& add(pb::ColumnType type, pb::PredicateOp op) {
    pb::ConformanceCase& out = *task_.mutable_conformance()->add_cases();
    out.set_column_type(type);
    out.mutable_predicate()->set_op(op);
    out.mutable_predicate()->set_column("whatever");
    return out;
  }
  void add_text(const std::string& value, pb::PredicateOp op, const std::string& literal) {
    pb::ConformanceCase& one = add(pb::COLUMN_TYPE_TEXT, op);
    one.mutable_value()->set_string_value(value);
    one.mutable_predicate()->add_values()->set_string_value(literal);
  }
  pb::DetectionResult answer() {
    task_.set_task_id("c-1");
    task_.set_task_type(pb::CHECK_CONFORMANCE);
    const auto source = test::real_source();
    return run_task(task_, *source, nullptr);
  }
  std::vector<int> outcomes() {
    const pb::DetectionResult result = answer();
    EXPECT_TRUE(result.success()) << result.error_message();
    EXPECT_EQ(result.processes_size(), 0);
    return {result.conformance().begin(), result.conformance().end()};
  }
  pb::DetectionTask task_;
};

TEST_F(Conformance, EachCaseHasItsOutcomeInTheirOrder) {
  add_text("nginx", pb::PREDICATE_OP_LIKE, "NG%");
  add_text("nginx", pb::PREDICATE_OP_GLOB, "NG*");
  add_text("nginx", pb::PREDICATE_OP_UNSPECIFIED, "nginx");
  pb::ConformanceCase& number = add(pb::COLUMN_TYPE_INTEGER, pb::PREDICATE_OP_IN);
  number.mutable_value()->set_int_value(INT64_MIN);
  number.mutable_predicate()->add_values()->set_int_value(1);
  number.mutable_predicate()->add_values()->set_int_value(INT64_MIN);
  pb::ConformanceCase& real = add(pb::COLUMN_TYPE_REAL, pb::PREDICATE_OP_GT);
  real.mutable_value()->set_float_value(0.0);
  real.mutable_predicate()->add_values()->set_float_value(-0.0);
  pb::ConformanceCase& null = add(pb::COLUMN_TYPE_INTEGER, pb::PREDICATE_OP_NE);
  null.mutable_predicate()->add_values()->set_int_value(1);
  EXPECT_EQ(outcomes(), (std::vector<int>{pb::CONFORMANCE_ADMITS, pb::CONFORMANCE_EXCLUDES, pb::CONFORMANCE_REFUSES,
                                          pb::CONFORMANCE_ADMITS, pb::CONFORMANCE_EXCLUDES, pb::CONFORMANCE_EXCLUDES}));
}

TEST_F(Conformance, WhatNoColumnHasIsRefused) {
  pb::ConformanceCase& no_type = add(pb::COLUMN_TYPE_UNSPECIFIED, pb::PREDICATE_OP_EQ);
  no_type.mutable_predicate()->add_values()->set_int_value(1);
  pb::ConformanceCase& blob = add(static_cast<pb::ColumnType>(3), pb::PREDICATE_OP_EQ);
  blob.mutable_predicate()->add_values()->set_string_value("x");
  pb::ConformanceCase& mixed = add(pb::COLUMN_TYPE_INTEGER, pb::PREDICATE_OP_EQ);
  mixed.mutable_value()->set_string_value("1");
  mixed.mutable_predicate()->add_values()->set_int_value(1);
  add(pb::COLUMN_TYPE_TEXT, pb::PREDICATE_OP_EQ).mutable_value()->set_string_value("no literal");
  EXPECT_EQ(outcomes(), std::vector<int>(4, pb::CONFORMANCE_REFUSES));
}

TEST_F(Conformance, AtMostFourThousandAndAFew) {
  for (int i = 0; i < 4096; ++i) add_text("x", pb::PREDICATE_OP_EQ, "x");
  EXPECT_EQ(outcomes(), std::vector<int>(4096, pb::CONFORMANCE_ADMITS));
  add_text("x", pb::PREDICATE_OP_EQ, "x");
  const pb::DetectionResult refused = answer();
  EXPECT_FALSE(refused.success());
  EXPECT_EQ(refused.task_id(), "c-1");
  EXPECT_EQ(refused.conformance_size(), 0);
  EXPECT_EQ(refused.error_message(), "conformance: more than 4096 cases");
}

TEST_F(Conformance, ATaskWithoutCasesSaysSo) {
  EXPECT_EQ(answer().error_message(), "conformance: is missing");
  task_.mutable_conformance();
  EXPECT_TRUE(outcomes().empty());
}

}  // namespace
}  // namespace de::collect
