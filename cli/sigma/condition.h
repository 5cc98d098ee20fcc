// The condition of a Sigma detection: its named parts put together.
// Source: Sigma rules specification 2.1.0, "Condition".
//
// Thread: any (pure functions).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::sigma {

constexpr std::size_t kMaxConditionBytes = 16'384;
constexpr int kMaxConditionDepth = 50;

// SQL of each named part.
using Parts = std::map<std::string, std::string, std::less<>>;

// `not` is true where a part is unknown, because a field of it is missing. Errors: Invalid, without a place.
Result<std::string> condition_to_sql(std::string_view condition, const Parts& parts);

}  // namespace de::sigma
