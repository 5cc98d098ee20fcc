// One key of a configuration file's text set to another value; every other line stays as a person wrote it.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/config/file_text.h"

namespace de::console {

// By the name's ending, and by the text: what begins with a brace is JSON.
config::Syntax syntax_of(std::string_view file_name, std::string_view text);

// `value` is as value_for_file() makes it. The result was parsed again: it differs from `text` in that key and in
// nothing else. Errors: Unsupported (cannot be done so that this holds; says what to write by hand), and those of
// parsing `text`.
Result<std::string> set_in_text(std::string_view file_name, const std::string& text, const std::string& key,
                                const std::string& value);

}  // namespace de::console
