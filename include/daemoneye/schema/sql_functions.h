// The functions and operators that a statement may use.
//
// Thread: any (immutable).
#pragma once

#include <span>
#include <string_view>

namespace de::schema {

struct SqlFunction {
  std::string_view name;
  std::string_view kind;  // "text", "aggregates"
  std::string_view form;  // "substr(x, from, count)"
  std::string_view help;
};

// Sorted by name.
std::span<const SqlFunction> sql_function_rows();
// Their names; lower case, sorted.
std::span<const std::string_view> sql_functions();

}  // namespace de::schema
