#include "mirror/conformance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/schema/predicate.h"

namespace de::mirror {
namespace {

schema::SqlType type_of(pb::ColumnType type) {
  return type == pb::COLUMN_TYPE_INTEGER ? schema::SqlType::Integer
         : type == pb::COLUMN_TYPE_REAL  ? schema::SqlType::Real
                                         : schema::SqlType::Text;
}

schema::Cell cell_of(const pb::Literal& value) {
  if (value.has_int_value()) return static_cast<std::int64_t>(value.int_value());
  if (value.has_float_value()) return value.float_value();
  if (value.has_string_value()) return std::string_view(value.string_value());
  return {};
}

pb::ConformanceOutcome outcome_of(const pb::ConformanceCase& one) {
  if (!schema::check(one.predicate(), type_of(one.column_type()))) return pb::CONFORMANCE_REFUSES;
  return schema::admits(one.predicate(), cell_of(one.value())) ? pb::CONFORMANCE_ADMITS : pb::CONFORMANCE_EXCLUDES;
}

// `lie` may change what procmond's own code says.
template <class Lie>
std::set<Operation> conforming(const Lie& lie) {
  Conformance conformance;
  for (const pb::ConformanceCheck& check : conformance_checks()) {
    pb::DetectionResult result;
    for (const pb::ConformanceCase& one : check.cases()) result.add_conformance(lie(one, outcome_of(one)));
    EXPECT_TRUE(conformance.take(check, result));
  }
  return conformance.conforming();
}

const auto kHonest = [](const pb::ConformanceCase&, pb::ConformanceOutcome outcome) { return outcome; };

TEST(Conformance, ProcmondComparesAsSqliteDoes) {
  const auto operations = conforming(kHonest);
  EXPECT_EQ(operations.size(), 3U * 7U + 2U) << "of text also LIKE and GLOB";
  EXPECT_TRUE(operations.contains({pb::COLUMN_TYPE_TEXT, pb::PREDICATE_OP_LIKE}));
}

TEST(Conformance, OneWrongAnswerIsEnough) {
  for (const Operation& wrong : conforming(kHonest)) {
    int lies = 0;
    const auto operations = conforming([&](const pb::ConformanceCase& one, pb::ConformanceOutcome outcome) {
      const bool is_it = one.column_type() == wrong.first && one.predicate().op() == wrong.second;
      if (!is_it || outcome == pb::CONFORMANCE_REFUSES || lies++ != 20) return outcome;
      return outcome == pb::CONFORMANCE_ADMITS ? pb::CONFORMANCE_EXCLUDES : pb::CONFORMANCE_ADMITS;
    });
    EXPECT_FALSE(operations.contains(wrong)) << wrong.first << " " << pb::PredicateOp_Name(wrong.second);
    EXPECT_EQ(operations.size(), 22U);
  }
}

TEST(Conformance, WhoOnlyRefusesOrAdmitsDoesNotPass) {
  EXPECT_TRUE(conforming([](const auto&, auto) { return pb::CONFORMANCE_REFUSES; }).empty());
  EXPECT_TRUE(conforming([](const auto&, auto) { return pb::CONFORMANCE_ADMITS; }).empty());
}

TEST(Conformance, AnAnswerOfAnotherLengthIsNone) {
  Conformance conformance;
  EXPECT_EQ(conformance.take(conformance_checks().front(), pb::DetectionResult()).error().code(), Errc::Corrupt);
}

TEST(Conformance, EveryCheckFitsAMessage) {
  for (const pb::ConformanceCheck& check : conformance_checks()) EXPECT_LT(check.ByteSizeLong(), 60'000U);
}

}  // namespace
}  // namespace de::mirror
