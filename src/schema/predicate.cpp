#include "daemoneye/schema/predicate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "pattern.h"

namespace de::schema {
namespace {

bool is_pattern_op(pb::PredicateOp op) { return op == pb::PREDICATE_OP_LIKE || op == pb::PREDICATE_OP_GLOB; }

Result<> check_literal(const pb::Literal& literal, SqlType type) {
  switch (literal.value_case()) {
    case pb::Literal::kIntValue:
      if (type == SqlType::Integer) return {};
      break;
    case pb::Literal::kFloatValue:
      if (std::isnan(literal.float_value())) return fail(Errc::Invalid, "a value is not a number");
      if (type == SqlType::Real) return {};
      break;
    case pb::Literal::kStringValue:
      if (literal.string_value().size() > kMaxLiteralBytes) return fail(Errc::TooLarge, "a text of more than 4 KiB");
      if (type == SqlType::Text) return {};
      break;
    case pb::Literal::VALUE_NOT_SET:
      return fail(Errc::Invalid, "nothing compares with NULL");
  }
  return fail(Errc::Invalid, "a value is not of the column's type " + std::string(to_text(type)));
}

std::optional<std::string_view> text_in(const Cell& cell) {
  if (const auto* borrowed = std::get_if<std::string_view>(&cell)) return *borrowed;
  if (const auto* owned = std::get_if<std::string>(&cell)) return *owned;
  return std::nullopt;
}

template <class T>
bool holds(pb::PredicateOp op, const T& value, const T& literal) {
  switch (op) {
    case pb::PREDICATE_OP_EQ:
    case pb::PREDICATE_OP_IN:
      return value == literal;
    case pb::PREDICATE_OP_NE:
      return value != literal;
    case pb::PREDICATE_OP_LT:
      return value < literal;
    case pb::PREDICATE_OP_LE:
      return value <= literal;
    case pb::PREDICATE_OP_GT:
      return value > literal;
    case pb::PREDICATE_OP_GE:
      return value >= literal;
    default:
      return false;
  }
}

bool holds_text(pb::PredicateOp op, std::string_view value, std::string_view literal) {
  if (op == pb::PREDICATE_OP_LIKE) return is_like(literal, value);
  if (op == pb::PREDICATE_OP_GLOB) return is_glob(literal, value);
  return holds(op, value, literal);  // char_traits compares chars as unsigned: BINARY.
}

bool admits_one(pb::PredicateOp op, const pb::Literal& literal, const Cell& cell) {
  switch (literal.value_case()) {
    case pb::Literal::kIntValue: {
      const auto* value = std::get_if<std::int64_t>(&cell);
      return value != nullptr && holds(op, *value, std::int64_t{literal.int_value()});
    }
    case pb::Literal::kFloatValue: {
      const auto* value = std::get_if<double>(&cell);
      if (value == nullptr || std::isnan(*value)) return false;  // SQLite stores NULL for it.
      return holds(op, *value, literal.float_value());
    }
    case pb::Literal::kStringValue: {
      const std::optional<std::string_view> value = text_in(cell);
      return value && holds_text(op, *value, literal.string_value());
    }
    case pb::Literal::VALUE_NOT_SET:
      break;
  }
  return false;
}

}  // namespace

std::string_view to_text(pb::PredicateOp op) {
  switch (op) {
    case pb::PREDICATE_OP_EQ:
      return "=";
    case pb::PREDICATE_OP_NE:
      return "<>";
    case pb::PREDICATE_OP_LT:
      return "<";
    case pb::PREDICATE_OP_LE:
      return "<=";
    case pb::PREDICATE_OP_GT:
      return ">";
    case pb::PREDICATE_OP_GE:
      return ">=";
    case pb::PREDICATE_OP_IN:
      return "IN";
    case pb::PREDICATE_OP_LIKE:
      return "LIKE";
    case pb::PREDICATE_OP_GLOB:
      return "GLOB";
    default:  // Protobuf keeps numbers it does not know.
      return {};
  }
}

Result<> check(const pb::Predicate& predicate, SqlType type) {
  const pb::PredicateOp op = predicate.op();
  if (to_text(op).empty()) return fail(Errc::Unsupported, "no operation of ours");
  if (is_pattern_op(op) && type != SqlType::Text)
    return fail(Errc::Unsupported, std::string(to_text(op)) + " is for text only");
  const auto values = static_cast<std::size_t>(predicate.values_size());
  if (op == pb::PREDICATE_OP_IN && (values == 0 || values > kMaxListedValues))
    return fail(Errc::Invalid, "IN takes 1 to 256 values");
  if (op != pb::PREDICATE_OP_IN && values != 1)
    return fail(Errc::Invalid, std::string(to_text(op)) + " takes one value");
  for (const pb::Literal& literal : predicate.values()) DE_CHECK(check_literal(literal, type));
  if (is_pattern_op(op) && predicate.values(0).string_value().size() > kMaxPatternBytes)
    return fail(Errc::TooLarge, "a pattern of more than 256 bytes");
  return {};
}

bool admits(const pb::Predicate& predicate, const Cell& cell) {
  return std::ranges::any_of(predicate.values(),
                             [&](const pb::Literal& literal) { return admits_one(predicate.op(), literal, cell); });
}

}  // namespace de::schema
