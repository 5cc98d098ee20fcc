#include "render/cell.h"

#include <array>
#include <charconv>
#include <cmath>

#include "daemoneye/base/text.h"

namespace de::render {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Marks and overrides of text direction: "gpj.exe" can be made to look like "exe.jpg".
constexpr Range kBidi[] = {{0x61C, 0x61C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}};
// Line breaks that some programs honour, and the invisible characters that hide a difference between two names.
constexpr Range kInvisible[] = {{0xAD, 0xAD}, {0x200B, 0x200D}, {0x2028, 0x2029}, {0x2060, 0x2064}, {0xFEFF, 0xFEFF}};
// Characters of no width and of two columns, coarse: a wrong guess costs alignment, nothing else.
constexpr Range kZeroWidth[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},    {0x610, 0x61A},
                                {0x64B, 0x65F},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},  {0x20D0, 0x20FF},
                                {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
                           {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                           {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};

template <std::size_t N>
bool within(const Range (&ranges)[N], char32_t c) {
  for (const Range& range : ranges)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

// The first character of valid UTF-8 and its length in bytes.
struct Character {
  char32_t code;
  std::size_t bytes;
};
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned char lead = byte(0);
  if (lead < 0xC0) return {lead, 1};
  const std::size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) code = (code << 6) | (byte(i) & 0x3FU);
  return {code, bytes};
}

std::size_t width_of(char32_t code) {
  if (within(kZeroWidth, code)) return 0;
  return within(kWide, code) ? 2 : 1;
}

void append_code(std::string& out, char32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(code >> shift) & 15U];
}

// Copies valid UTF-8 with what would deceive a reader as \uNNNN, which is also what JSON calls it.
void append_undeceiving(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Character c = first_of(text);
    const bool c1 = c.code >= 0x80 && c.code < 0xA0;
    if (c1 || within(kBidi, c.code) || within(kInvisible, c.code)) {
      append_code(out, c.code);
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(std::min(c.bytes, text.size()));
  }
}

// Like JSON, but with the words a person knows for what is no number.
std::string real_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::string out;
  append_json_number(out, value);
  return out;
}

}  // namespace

std::string visible(std::string_view text) {
  std::string out;
  append_undeceiving(out, escape_controls(text));
  return out;
}

std::string plain(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      return std::to_string(value.integer());
    case pb::Value::kReal:
      return real_text(value.real());
    case pb::Value::kText:
      return visible(value.text());
    case pb::Value::kBlob:
      return "x'" + to_hex(value.blob()) + "'";
    case pb::Value::KIND_NOT_SET:
      break;
  }
  return std::string(kNull);
}

void append_json(std::string& out, std::string_view text) { append_undeceiving(out, json_string(text)); }

void append_json(std::string& out, const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      out += std::to_string(value.integer());
      break;
    case pb::Value::kReal:
      append_json_number(out, value.real());
      break;
    case pb::Value::kText:
      append_json(out, value.text());
      break;
    case pb::Value::kBlob:
      append_json(out, to_hex(value.blob()));
      break;
    case pb::Value::KIND_NOT_SET:
      out += "null";
      break;
  }
}

void append_csv(std::string& out, std::string_view text) {
  const std::string shown = visible(text);
  const bool quote =
      shown.empty() || shown.front() == ' ' || shown.back() == ' ' || shown.find_first_of(",\"") != std::string::npos;
  if (!quote) {
    out += shown;
    return;
  }
  out += '"';
  for (const char c : shown) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_csv(std::string& out, const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kText:
      append_csv(out, value.text());
      break;
    case pb::Value::kBlob:
      append_csv(out, to_hex(value.blob()));
      break;
    case pb::Value::kInteger:
    case pb::Value::kReal:
      out += plain(value);
      break;
    case pb::Value::KIND_NOT_SET:
      break;
  }
}

std::string markdown(std::string_view visible_text) {
  std::string out;
  for (const char c : visible_text) {
    if (std::string_view("\\|`*_<>[]&~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::size_t columns_of(std::string_view visible_text) {
  std::size_t columns = 0;
  while (!visible_text.empty()) {
    const Character c = first_of(visible_text);
    columns += width_of(c.code);
    visible_text.remove_prefix(std::min(c.bytes, visible_text.size()));
  }
  return columns;
}

std::string_view fit(std::string_view visible_text, std::size_t columns) {
  std::size_t bytes = 0;
  while (bytes < visible_text.size()) {
    const Character c = first_of(visible_text.substr(bytes));
    const std::size_t width = width_of(c.code);
    if (width > columns) break;
    columns -= width;
    bytes += std::min(c.bytes, visible_text.size() - bytes);
  }
  return visible_text.substr(0, bytes);
}

}  // namespace de::render
