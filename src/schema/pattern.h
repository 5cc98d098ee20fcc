// LIKE and GLOB as sqlite3_strlike() (without an escape) and sqlite3_strglob() have them, for who links no SQLite.
//
// Thread: any (pure functions).
#pragma once

#include <string_view>

namespace de::schema {

// Both texts end at their first NUL.
bool is_like(std::string_view pattern, std::string_view text);
bool is_glob(std::string_view pattern, std::string_view text);

}  // namespace de::schema
