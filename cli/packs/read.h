// osquery's queries as files have them: one statement with a comment header (.sql), or a pack or configuration with
// many (.conf, .json).
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::packs {

constexpr std::size_t kMaxQueries = 2'000;  // In one file.

struct Query {
  std::string name;
  std::string sql;
  std::string title;        // The first line of a .sql file's header.
  std::string description;  // The rest of it, or what the pack says.
  std::string platform;     // "linux", "darwin,linux"; empty: all.
  std::string license;
  std::vector<std::string> tags;
  std::int64_t interval_s = 0;  // 0: it does not say.
};

// Errors: Invalid, with file and line.
Result<std::vector<Query>> read_queries(std::string_view file, std::string_view text);

}  // namespace de::packs
