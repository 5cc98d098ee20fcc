// A Sigma rule as a rule of ours.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "sigma/item.h"

namespace de::sigma {

struct Converted {
  std::string id;    // "sigma-" and the rule's own.
  std::string yaml;  // A rule file.
  std::string sql;
  std::string table;
  bool is_served = true;  // Else this version has no such table yet, and the rule waits.
};

struct ConvertOptions {
  Placeholders placeholders{};
  std::string source{};  // Where the rule came from; kept on it.
};

// What cannot be said in SQL exactly is an error, never something near it. `file` begins errors. Errors: Invalid
// (with "file:line:column:"), TooLarge.
Result<Converted> convert(std::string_view file, std::string_view text, const ConvertOptions& options);

}  // namespace de::sigma
