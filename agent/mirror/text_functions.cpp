#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cstring>
#include <vector>

#include "mirror/function_args.h"

namespace de::mirror {
namespace {

constexpr std::size_t kMaxTrimSetBytes = 256;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

// Linear, unlike SQLite's own search and std::string_view::find.
std::size_t find_from(std::string_view text, std::string_view what, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  const void* hit = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return hit == nullptr ? std::string_view::npos
                        : static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
}

// The characters of a trim set: ASCII by table, others sorted.
class TrimSet {
 public:
  explicit TrimSet(std::string_view set) {
    for (std::size_t at = 0; at < set.size();) {
      std::size_t end = at + 1;
      while (end < set.size() && is_continuation(set[end])) ++end;
      if (end - at == 1 && static_cast<unsigned char>(set[at]) < 0x80)
        ascii_.set(static_cast<unsigned char>(set[at]));
      else
        others_.push_back(set.substr(at, end - at));
      at = end;
    }
    std::sort(others_.begin(), others_.end());
  }

  bool has(std::string_view character) const {
    const auto first = static_cast<unsigned char>(character.front());
    if (character.size() == 1 && first < 0x80) return ascii_.test(first);
    return std::binary_search(others_.begin(), others_.end(), character);
  }

 private:
  std::bitset<128> ascii_;
  std::vector<std::string_view> others_;
};

enum class Side : std::uint8_t { Both, Left, Right };

template <Side side>
void trim(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1])) return;
  std::string_view text = text_of(args[0]);
  const std::string_view characters = text_of(args[1]);
  if (characters.size() > kMaxTrimSetBytes)
    return give_error(context, "trim: the set of characters is longer than 256 bytes");
  if (!has_time(context, text.size())) return;
  const TrimSet set(characters);
  while (side != Side::Right && !text.empty()) {
    std::size_t length = 1;
    while (length < text.size() && is_continuation(text[length])) ++length;
    if (!set.has(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (side != Side::Left && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start])) --start;
    if (!set.has(text.substr(start))) break;
    text.remove_suffix(text.size() - start);
  }
  give_text(context, text);
}

void instr(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1])) return;
  const bool bytes = sqlite3_value_type(args[0]) == SQLITE_BLOB && sqlite3_value_type(args[1]) == SQLITE_BLOB;
  const std::string_view text = text_of(args[0]);
  if (!has_time(context, text.size())) return;
  const std::size_t at = find_from(text, text_of(args[1]), 0);
  if (at == std::string_view::npos) return sqlite3_result_int(context, 0);
  // Text is counted in characters, two blobs in bytes.
  const auto skipped = bytes ? static_cast<std::ptrdiff_t>(at)
                             : std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at),
                                             [](char byte) { return !is_continuation(byte); });
  sqlite3_result_int64(context, skipped + 1);
}

void replace(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1]) || is_null(args[2])) return;
  const std::string_view text = text_of(args[0]);
  const std::string_view what = text_of(args[1]);
  const std::string_view with = text_of(args[2]);
  if (what.empty()) return give_text(context, text);
  if (!has_time(context, text.size())) return;
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = find_from(text, what, 0); at != std::string_view::npos; at = find_from(text, what, done)) {
    out.append(text, done, at - done).append(with);
    if (out.size() > static_cast<std::size_t>(kMaxValueBytes)) return sqlite3_result_error_toobig(context);
    done = at + what.size();
  }
  give_text(context, out.append(text, done));
}

void concat(sqlite3_context* context, int count, sqlite3_value** args) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += text_of(args[i]);  // NULL adds nothing.
    if (out.size() > static_cast<std::size_t>(kMaxValueBytes)) return sqlite3_result_error_toobig(context);
  }
  give_text(context, out);
}

// concat_ws(separator, ...): what is NULL is left out, its separator too.
void concat_ws(sqlite3_context* context, int count, sqlite3_value** args) {
  if (count == 0 || is_null(args[0])) return;
  const std::string_view separator = text_of(args[0]);
  std::string out;
  bool is_first = true;
  for (int i = 1; i < count; ++i) {
    if (is_null(args[i])) continue;
    if (!is_first) out += separator;
    is_first = false;
    out += text_of(args[i]);
    if (out.size() > static_cast<std::size_t>(kMaxValueBytes)) return sqlite3_result_error_toobig(context);
  }
  give_text(context, out);
}

// split(text, separators, n): the n-th non-empty piece from 0; NULL past the end.
void split(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1]) || is_null(args[2])) return;
  const std::string_view text = text_of(args[0]);
  std::bitset<256> separators;
  for (const char c : text_of(args[1])) separators.set(static_cast<unsigned char>(c));
  std::int64_t left = sqlite3_value_int64(args[2]);
  if (left < 0 || !has_time(context, text.size())) return;
  const auto is_separator = [&](char c) { return separators.test(static_cast<unsigned char>(c)); };
  for (auto at = text.begin(); at != text.end();) {
    at = std::find_if_not(at, text.end(), is_separator);
    const auto end = std::find_if(at, text.end(), is_separator);
    if (at != end && left-- == 0)
      return give_text(context,
                       text.substr(static_cast<std::size_t>(at - text.begin()), static_cast<std::size_t>(end - at)));
    at = end;
  }
}

std::string_view without_trailing_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

void basename_of(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0])) return;
  const std::string_view path = without_trailing_slashes(text_of(args[0]));
  const std::size_t slash = path.rfind('/');
  give_text(context, slash == std::string_view::npos || path == "/" ? path : path.substr(slash + 1));
}

void dirname_of(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0])) return;
  const std::string_view path = without_trailing_slashes(text_of(args[0]));
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return give_text(context, ".");
  give_text(context, without_trailing_slashes(path.substr(0, std::max<std::size_t>(slash, 1))));
}

struct Address {
  std::array<unsigned char, 16> bytes{};  // IPv4 as ::ffff:a.b.c.d.
  bool v4 = false;
};

bool parse_address(std::string_view text, Address& out) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (::inet_pton(AF_INET, buffer, out.bytes.data() + 12) == 1) {
    out.bytes[10] = out.bytes[11] = 0xff;
    out.v4 = true;
    return true;
  }
  if (::inet_pton(AF_INET6, buffer, out.bytes.data()) != 1) return false;
  static constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  out.v4 = std::equal(kMapped.begin(), kMapped.end(), out.bytes.begin());
  return true;
}

// cidr_match(address, network): 1 or 0; 0 for what is no address; an error for what is no network.
void cidr_match(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1])) return;
  const std::string_view network = text_of(args[1]);
  const std::size_t slash = network.find('/');
  Address base, address;
  int prefix = -1;
  bool good = parse_address(network.substr(0, slash), base);
  const bool short_form = network.find(':') == std::string_view::npos;
  if (slash == std::string_view::npos) {
    prefix = short_form ? 32 : 128;
  } else {
    const std::string_view digits = network.substr(slash + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    good = good && ec == std::errc{} && end == digits.data() + digits.size();
  }
  if (!good || prefix < 0 || prefix > (short_form ? 32 : 128))
    return give_error(context, "cidr_match: the second argument must be a network such as 10.0.0.0/8 or fe80::/10");
  if (!parse_address(text_of(args[0]), address) || (short_form && !address.v4)) return sqlite3_result_int(context, 0);
  // A mapped IPv4 address is inside ::/0 and friends only when written as IPv6; both forms compare as 128 bits.
  int bits = short_form ? prefix + 96 : prefix;
  bool same = true;
  for (std::size_t i = 0; i < 16 && bits > 0 && same; ++i, bits -= 8) {
    const unsigned mask = bits >= 8 ? 0xffU : 0xffU << (8 - bits) & 0xffU;
    same = ((address.bytes[i] ^ base.bytes[i]) & mask) == 0;
  }
  sqlite3_result_int(context, same);
}

struct Row {
  const char* name;
  int arguments;
  void (*function)(sqlite3_context*, int, sqlite3_value**);
};

constexpr Row kFunctions[] = {
    {"trim", 2, trim<Side::Both>}, {"ltrim", 2, trim<Side::Left>}, {"rtrim", 2, trim<Side::Right>}, {"instr", 2, instr},
    {"replace", 3, replace},       {"concat", -1, concat},         {"concat_ws", -1, concat_ws},    {"split", 3, split},
    {"basename", 1, basename_of},  {"dirname", 1, dirname_of},     {"cidr_match", 2, cidr_match},
};

// Cannot be interrupted and ignore the length limit: not even the authorizer's word stands between them and a caller.
constexpr const char* kRemoved[] = {"printf", "format"};

}  // namespace

Result<> add_text_functions(sqlite3* db) {
  for (const Row& row : kFunctions)
    if (sqlite3_create_function_v2(db, row.name, row.arguments, kFunctionFlags, nullptr, row.function, nullptr, nullptr,
                                   nullptr) != SQLITE_OK)
      return fail(Errc::Exhausted, std::string("add SQL function ") + row.name + ": " + sqlite3_errmsg(db));
  for (const char* name : kRemoved)
    if (sqlite3_create_function_v2(db, name, -1, kFunctionFlags, nullptr, nullptr, nullptr, nullptr, nullptr) !=
        SQLITE_OK)
      return fail(Errc::Exhausted, std::string("remove SQL function ") + name + ": " + sqlite3_errmsg(db));
  return {};
}

}  // namespace de::mirror
