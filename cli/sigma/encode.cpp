#include "sigma/encode.h"

#include <algorithm>
#include <cstdint>

namespace de::sigma {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char32_t kReplacement = 0xfffd;

// The character at `at`, which moves behind it.
char32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4) return kReplacement;
  char32_t out = lead & (0x3fU >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) return kReplacement;
    out = (out << 6) | (static_cast<unsigned char>(text[at++]) & 0x3fU);
  }
  return out > 0x10ffff ? kReplacement : out;
}

void add_unit(std::uint32_t unit, ByteOrder order, std::string& out) {
  const char low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8 & 0xff);
  out += order == ByteOrder::Little ? low : high;
  out += order == ByteOrder::Little ? high : low;
}

}  // namespace

std::string to_utf16(std::string_view text, ByteOrder order) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (c < 0x10000) {
      add_unit(c, order, out);
    } else {
      add_unit(0xd800 + ((c - 0x10000) >> 10), order, out);
      add_unit(0xdc00 + ((c - 0x10000) & 0x3ff), order, out);
    }
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 0x3f];
  }
  return out;
}

std::array<std::string, 3> to_base64_offsets(std::string_view bytes) {
  // Digits that hold bits of what is in front, or behind, are not known.
  constexpr std::array<std::size_t, 3> kFront = {0, 2, 3};
  std::array<std::string, 3> out;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string all = to_base64(std::string(before, ' ') + std::string(bytes));
    const std::size_t whole_digits = (before + bytes.size()) * 8 / 6;
    out[before] = all.substr(kFront[before], whole_digits - std::min(whole_digits, kFront[before]));
  }
  return out;
}

}  // namespace de::sigma
