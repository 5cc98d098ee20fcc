// What a column of the public schema holds, as text to compare.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "daemoneye/schema/table.h"

namespace de::schema {

inline std::string text(const Cell& cell) {
  if (const auto* view = std::get_if<std::string_view>(&cell)) return std::string(*view);
  if (const auto* owned = std::get_if<std::string>(&cell)) return *owned;
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
  return std::holds_alternative<std::monostate>(cell) ? "NULL" : "real";
}

}  // namespace de::schema
