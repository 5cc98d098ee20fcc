#include "sigma/encode.h"

#include <algorithm>
#include <boost/locale/utf.hpp>

#include "daemoneye/crypto/base64.h"

namespace de::sigma {
namespace {

namespace utf = boost::locale::utf;

constexpr utf::code_point kReplacement = 0xfffd;

}  // namespace

std::string to_utf16(std::string_view text, ByteOrder order) {
  std::u16string units;
  for (auto at = text.begin(); at != text.end();) {
    const utf::code_point c = utf::utf_traits<char>::decode(at, text.end());
    utf::utf_traits<char16_t>::encode(utf::is_valid_codepoint(c) ? c : kReplacement, std::back_inserter(units));
  }
  std::string out;
  for (const char16_t unit : units) {
    const char low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8);
    out += order == ByteOrder::Little ? low : high;
    out += order == ByteOrder::Little ? high : low;
  }
  return out;
}

std::array<std::string, 3> to_base64_offsets(std::string_view bytes) {
  // Digits that hold bits of what is in front, or behind, are not known.
  constexpr std::array<std::size_t, 3> kFront = {0, 2, 3};
  std::array<std::string, 3> out;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string all = crypto::to_base64(std::string(before, ' ') + std::string(bytes));
    const std::size_t whole_digits = (before + bytes.size()) * 8 / 6;
    out[before] = all.substr(kFront[before], whole_digits - std::min(whole_digits, kFront[before]));
  }
  return out;
}

}  // namespace de::sigma
