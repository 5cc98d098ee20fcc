// What is taken for a predicate. What they mean is asked of SQLite itself, in tests/unit/mirror/predicate_test.cpp.
#include "daemoneye/schema/predicate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>

namespace de::schema {
namespace {

pb::Literal text_literal(std::string text) {
  pb::Literal out;
  out.set_string_value(std::move(text));
  return out;
}

pb::Literal int_literal(std::int64_t value) {
  pb::Literal out;
  out.set_int_value(value);
  return out;
}

pb::Literal real_literal(double value) {
  pb::Literal out;
  out.set_float_value(value);
  return out;
}

pb::Predicate made(int op, std::initializer_list<pb::Literal> values) {
  pb::Predicate out;
  out.set_op(static_cast<pb::PredicateOp>(op));
  for (const pb::Literal& value : values) *out.add_values() = value;
  return out;
}

std::optional<Errc> refusal(const pb::Predicate& predicate, SqlType type) {
  const Result<> checked = check(predicate, type);
  return checked ? std::nullopt : std::optional(checked.error().code());
}

TEST(Predicate, OperationsAreThoseThatAreKnown) {
  for (const int op : {1, 2, 3, 4, 5, 6, 7}) {
    EXPECT_EQ(refusal(made(op, {int_literal(1)}), SqlType::Integer), std::nullopt) << op;
    EXPECT_EQ(refusal(made(op, {real_literal(1)}), SqlType::Real), std::nullopt) << op;
    EXPECT_EQ(refusal(made(op, {text_literal("x")}), SqlType::Text), std::nullopt) << op;
  }
  for (const int op : {0, 9, 11, 1000, -1})
    EXPECT_EQ(refusal(made(op, {int_literal(1)}), SqlType::Integer), Errc::Unsupported) << op;
  for (const int op : {pb::PREDICATE_OP_LIKE, pb::PREDICATE_OP_GLOB}) {
    EXPECT_EQ(refusal(made(op, {text_literal("x")}), SqlType::Text), std::nullopt);
    EXPECT_EQ(refusal(made(op, {int_literal(1)}), SqlType::Integer), Errc::Unsupported);
    EXPECT_EQ(refusal(made(op, {real_literal(1)}), SqlType::Real), Errc::Unsupported);
  }
}

TEST(Predicate, OneValueOrAList) {
  for (const int op : {1, 2, 3, 4, 5, 6, 8, 10}) {
    EXPECT_EQ(refusal(made(op, {}), SqlType::Text), Errc::Invalid) << op;
    EXPECT_EQ(refusal(made(op, {text_literal("a"), text_literal("b")}), SqlType::Text), Errc::Invalid) << op;
  }
  pb::Predicate list = made(pb::PREDICATE_OP_IN, {});
  EXPECT_EQ(refusal(list, SqlType::Integer), Errc::Invalid);
  for (int i = 0; i < 256; ++i) *list.add_values() = int_literal(i);
  EXPECT_EQ(refusal(list, SqlType::Integer), std::nullopt);
  *list.add_values() = int_literal(256);
  EXPECT_EQ(refusal(list, SqlType::Integer), Errc::Invalid);
}

TEST(Predicate, ValuesAreOfTheColumnsTypeAndNeverNull) {
  const pb::Literal none;
  const pb::Literal values[] = {int_literal(1), real_literal(1), text_literal("1")};
  const SqlType types[] = {SqlType::Integer, SqlType::Real, SqlType::Text};
  for (std::size_t value = 0; value < 3; ++value) {
    for (std::size_t type = 0; type < 3; ++type)
      EXPECT_EQ(refusal(made(1, {values[value]}), types[type]),
                value == type ? std::nullopt : std::optional(Errc::Invalid));
    EXPECT_EQ(refusal(made(1, {none}), types[value]), Errc::Invalid);
    EXPECT_EQ(refusal(made(pb::PREDICATE_OP_IN, {values[value], none}), types[value]), Errc::Invalid);
  }
  EXPECT_EQ(refusal(made(1, {real_literal(std::nan(""))}), SqlType::Real), Errc::Invalid);
}

TEST(Predicate, TextsHaveALimit) {
  EXPECT_EQ(refusal(made(1, {text_literal(std::string(4096, 'x'))}), SqlType::Text), std::nullopt);
  EXPECT_EQ(refusal(made(1, {text_literal(std::string(4097, 'x'))}), SqlType::Text), Errc::TooLarge);
  for (const int op : {pb::PREDICATE_OP_LIKE, pb::PREDICATE_OP_GLOB}) {
    EXPECT_EQ(refusal(made(op, {text_literal(std::string(256, 'x'))}), SqlType::Text), std::nullopt);
    EXPECT_EQ(refusal(made(op, {text_literal(std::string(257, 'x'))}), SqlType::Text), Errc::TooLarge);
  }
}

TEST(Predicate, NullAndWhatIsOfAnotherTypeIsNeverAdmitted) {
  for (const int op : {1, 2, 3, 4, 5, 6, 7}) {
    EXPECT_FALSE(admits(made(op, {int_literal(1)}), Cell{})) << op;
    EXPECT_FALSE(admits(made(op, {text_literal("")}), Cell{})) << op;
    EXPECT_FALSE(admits(made(op, {real_literal(1)}), Cell{std::nan("")})) << op;
    EXPECT_FALSE(admits(made(op, {int_literal(1)}), Cell{1.0})) << op;
  }
  EXPECT_TRUE(admits(made(pb::PREDICATE_OP_GE, {real_literal(-0.0)}), Cell{0.0}));
  EXPECT_TRUE(admits(made(pb::PREDICATE_OP_EQ, {text_literal("own")}), Cell{std::string("own")}));
  EXPECT_TRUE(admits(made(pb::PREDICATE_OP_LT, {text_literal("\xff")}), Cell{std::string_view("z")}));
}

}  // namespace
}  // namespace de::schema
