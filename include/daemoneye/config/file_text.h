// The text of a configuration file, judged by itself: for whoever checks or edits one.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/config/config.h"

namespace de::config {

inline constexpr std::size_t kMaxMistakes = 1'000;

// Every mistake, whichever program it is about: one line each, which begins with the place and says what would be
// right. At most kMaxMistakes, and then one line that says so.
std::vector<std::string> mistakes_in(std::string_view file_name, std::string_view text);

// What every key of all programs is when there is nothing but this file. Errors: the first mistake.
Result<std::vector<Setting>> settings_in(std::string_view file_name, std::string_view text);

enum class Syntax : std::uint8_t { Yaml, Json, Toml };

// `typed`, as a flag would give it, in the form a file has it: 5, "/run/x", ["a", "b"], warn or "warn".
// Errors: Invalid (no such key, no such value), Unsupported (what that syntax cannot say in one line).
Result<std::string> value_for_file(const std::string& key, const std::string& typed, Syntax syntax);

}  // namespace de::config
