// A query of osquery's as a rule of ours.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "packs/read.h"

namespace de::packs {

struct ConvertOptions {
  std::string source;   // Kept on the rule.
  std::string license;  // When the file does not say.
};

struct Converted {
  std::string id;    // "osquery-" and the query's name.
  std::string yaml;  // A rule file.
  std::string runs;  // "snapshot", "event", "snapshot, window 1h"
};

std::string id_of(const Query& query);
// Whether Linux is among what it was written for.
bool is_for_this_platform(std::string_view platform);

// Errors: Invalid: what cannot be answered, by name.
Result<Converted> convert(const Query& query, const ConvertOptions& options);

}  // namespace de::packs
