#include "collect/conformance.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemoneye/schema/describe.h"
#include "daemoneye/schema/predicate.h"

namespace de::collect {
namespace {

// As a column of that type would have it. Absent: no such column has it.
std::optional<schema::Cell> cell_of(const pb::Literal& value, schema::SqlType type) {
  switch (value.value_case()) {
    case pb::Literal::VALUE_NOT_SET:
      return schema::Cell{};
    case pb::Literal::kIntValue:
      if (type == schema::SqlType::Integer) return schema::Cell{std::int64_t{value.int_value()}};
      break;
    case pb::Literal::kFloatValue:
      if (type == schema::SqlType::Real) return schema::Cell{value.float_value()};
      break;
    case pb::Literal::kStringValue:
      if (type == schema::SqlType::Text) return schema::Cell{std::string_view(value.string_value())};
      break;
  }
  return std::nullopt;
}

pb::ConformanceOutcome outcome_of(const pb::ConformanceCase& one) {
  const std::optional<schema::SqlType> type = schema::type_on_wire(one.column_type());
  if (!type || !schema::check(one.predicate(), *type)) return pb::CONFORMANCE_REFUSES;
  const std::optional<schema::Cell> cell = cell_of(one.value(), *type);
  if (!cell) return pb::CONFORMANCE_REFUSES;
  return schema::admits(one.predicate(), *cell) ? pb::CONFORMANCE_ADMITS : pb::CONFORMANCE_EXCLUDES;
}

}  // namespace

Result<> check_conformance(const pb::ConformanceCheck& check, pb::DetectionResult& result) {
  if (check.cases_size() > kMaxConformanceCases) return fail(Errc::TooLarge, "conformance: more than 4096 cases");
  for (const pb::ConformanceCase& one : check.cases()) result.add_conformance(outcome_of(one));
  return {};
}

}  // namespace de::collect
