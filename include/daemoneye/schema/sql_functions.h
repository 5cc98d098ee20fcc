// The functions and operators that a statement may use.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string_view>

namespace de::schema {

// Lower case, sorted.
std::span<const std::string_view> sql_functions();

}  // namespace de::schema
