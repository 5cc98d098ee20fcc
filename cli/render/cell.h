// One value or name as it appears in each output format. Everything a process chose (its name, its arguments) passes
// through here, so that nothing it wrote can act on a terminal, forge a row, or turn into markup.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemoneye/control.pb.h"

namespace de::render {

// What table and line show for a value that is not there; JSON has null, CSV an empty field.
constexpr std::string_view kNull = "NULL";

// Control characters, invalid UTF-8 and characters that reorder the text around them, as \xNN and \uNNNN.
std::string visible(std::string_view text);

// For a person: visible text, x'..' for a blob, kNull.
std::string plain(const pb::Value& value);

void append_json(std::string& out, std::string_view text);
void append_json(std::string& out, const pb::Value& value);  // A blob is its hexadecimal digits.

// RFC 4180, except that line breaks within a field are escaped like other control characters. An empty text is ""
// and an absent value is nothing at all.
void append_csv(std::string& out, std::string_view text);
void append_csv(std::string& out, const pb::Value& value);

// Text in a table cell of CommonMark with tables.
std::string markdown(std::string_view visible_text);

// Columns of a terminal that visible text covers, and the longest start of it that covers at most `columns`.
std::size_t columns_of(std::string_view visible_text);
std::string_view fit(std::string_view visible_text, std::size_t columns);

}  // namespace de::render
