// Reading arguments and giving results inside SQL functions.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "daemoneye/schema/table.h"
#include "mirror/charge.h"
#include "mirror/functions.h"

namespace de::mirror {

inline bool is_null(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_NULL; }

// Borrowed until the function returns; numbers are turned into text.
inline std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

inline void give_text(sqlite3_context* context, std::string_view text) {
  const char* data = text.empty() ? "" : text.data();
  sqlite3_result_text64(context, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

inline void give_copy(sqlite3_context* context, const schema::Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return sqlite3_result_int64(context, *integer);
  if (const auto* real = std::get_if<double>(&cell)) return sqlite3_result_double(context, *real);
  if (const auto* view = std::get_if<std::string_view>(&cell)) return give_text(context, *view);
  if (const auto* text = std::get_if<std::string>(&cell)) return give_text(context, *text);
  sqlite3_result_null(context);
}

inline void give_error(sqlite3_context* context, const std::string& what) {
  sqlite3_result_error(context, what.c_str(), static_cast<int>(what.size()));
}

// To be asked before work of so many bytes. SQLite looks at the clock only where its program jumps back, and one row
// may have hundreds of calls. When there is no time left, the statement ends here.
inline bool has_time(sqlite3_context* context, std::size_t bytes) {
  Charge* charge = current_charge();
  if (charge == nullptr || !charge->is_late_for(bytes)) return true;
  sqlite3_result_error_code(context, SQLITE_INTERRUPT);
  return false;
}

}  // namespace de::mirror
