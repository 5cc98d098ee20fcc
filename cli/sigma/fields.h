// Which table a Sigma log source is, and which column a field of it.
// Source: Sigma taxonomy appendix 2.1.0; docs/sigma.md has the table.
//
// Thread: any (constants).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::sigma {

enum class FieldKind : std::uint8_t {
  Text,
  Number,
  Further,  // No column of its own: what a recording may have brought is in platform_data, else it is missing.
};

struct Field {
  std::string_view name;  // As Sigma has it.
  std::string_view sql;   // A column, or an expression of columns.
  FieldKind kind = FieldKind::Text;
  bool is_keyword = false;  // Looked at by detections that name no field.
};

struct LogSource {
  std::string_view category;
  std::string_view table;
  std::string_view event;    // A condition on its rows.
  std::string_view columns;  // Of an alert.
  bool is_served;            // By this version: else rules are converted and wait.
  std::span<const Field> fields;
};

// Errors: NotFound, with those there are.
Result<const LogSource*> find_log_source(std::string_view product, std::string_view category, std::string_view service);
// As an SQL expression.
std::string sql_of(const Field& field);
// Errors: NotFound, with the nearest name.
Result<const Field*> find_field(const LogSource& source, std::string_view name);

}  // namespace de::sigma
