// Text that people and programs read: escaping of hostile bytes, JSON, suggestions.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace de {

// Appends `text` as a JSON string with quotes. Control characters become \u00XX; bytes that are not valid
// UTF-8 become U+FFFD, so that the output always parses.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// Appends a double as JSON: shortest form that reads back equal; NaN and infinities become null.
void append_json_number(std::string& out, double value);

// Control characters (C0, DEL, C1) as \xNN and invalid UTF-8 bytes as \xNN: safe to print on a terminal.
std::string escape_controls(std::string_view text);

// The candidate nearest to `word` (at most a third of its length in edits, case ignored), or empty.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// ` (did you mean "x"?)` or nothing; made to be appended to an error.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

// Lower-case hexadecimal.
std::string to_hex(std::string_view bytes);

}  // namespace de
