#include <algorithm>
#include <cstddef>

#include "collect/redact.h"
#include "collect/secret_names.h"

namespace de::collect {
namespace {

constexpr std::size_t kMaxLookBack = 128;  // The longest name considered; keeps the scan linear.

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}
bool is_quote(char c) { return c == '"' || c == '\''; }
bool is_gap(char c) { return c == ' ' || c == '\t'; }

// Ends of an unquoted value in a list, a query string, a shell word or JSON.
bool ends_value(char c) { return std::string_view(" \t\r\n\"'&,;|)}]<>`").find(c) != std::string_view::npos; }

// "user:secret@" after "://": appends it masked and returns how much was consumed.
std::size_t append_userinfo(std::string& out, std::string_view rest) {
  const std::size_t end = std::min(rest.find_first_of(" \t\r\n\"'/?#<>"), rest.size());
  const std::size_t at = rest.substr(0, end).rfind('@');
  if (at == rest.npos || at == 0) return 0;
  const std::string_view userinfo = rest.substr(0, at);
  const std::size_t colon = userinfo.find(':');
  if (colon != userinfo.npos) {
    if (colon + 1 == userinfo.size()) return 0;
    out.append(userinfo.substr(0, colon + 1)).append(kRedacted);
    return at;
  }
  // "https://TOKEN@host" is how tokens are given to git; "ssh://git@host" is only a name.
  if (userinfo.size() < 20) return 0;
  out.append(kRedacted);
  return at;
}

// The name that ends right before `at` ('=' or ':' there), without quotes around it.
std::string_view name_before(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end > 0 && is_gap(text[end - 1]) && at - end < 2) --end;
  if (end > 0 && is_quote(text[end - 1])) --end;
  if (end > 0 && text[end - 1] == '\\') --end;  // \"name\" inside a quoted script.
  std::size_t begin = end;
  while (begin > 0 && end - begin < kMaxLookBack && is_name_char(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

bool is_path_like(std::string_view value) {
  return value.starts_with('/') || value.starts_with("./") || value.starts_with("~/") || value.starts_with("../");
}

// After the separator at `at`: where the value starts and how long it is. Zero length: nothing to mask.
struct Span {
  std::size_t begin, length;
};
Span value_after(std::string_view text, std::size_t at, NameKind kind) {
  std::size_t begin = at + 1;
  while (begin < text.size() && is_gap(text[begin]) && begin - at < 4) ++begin;
  // "NAME= next" is an empty value in a shell; "name: value" and `name = "value"` are pairs.
  if (text[at] == '=' && begin != at + 1 && (begin == text.size() || !is_quote(text[begin]))) return {begin, 0};
  if (kind == NameKind::Header) {
    const std::size_t end = std::min(text.find_first_of("\"'\r\n", begin), text.size());
    return {begin, end - begin};
  }
  if (begin < text.size() && text[begin] == '\\' && begin + 1 < text.size() && is_quote(text[begin + 1])) ++begin;
  if (begin < text.size() && is_quote(text[begin])) {
    const char quote = text[begin++];
    std::size_t end = begin;
    while (end < text.size() && text[end] != quote) end += text[end] == '\\' && end + 1 < text.size() ? 2U : 1U;
    return {begin, std::min(end, text.size()) - begin};
  }
  std::size_t end = begin;
  while (end < text.size() && !ends_value(text[end])) ++end;
  return {begin, end - begin};
}

// The value to mask when a pair's separator is at `at`.
Span secret_at(std::string_view text, std::size_t at) {
  const std::string_view name = name_before(text, at);
  if (name.empty()) return {at, 0};
  const NameKind kind = kind_of_name(name);
  if (kind == NameKind::Plain) return {at, 0};
  const Span value = value_after(text, at, kind);
  const std::string_view shown = text.substr(value.begin, value.length);
  if (kind == NameKind::Key && is_path_like(shown)) return {at, 0};
  const bool is_directory = (name == "PWD" || name == "OLDPWD" || name == "pwd") && is_path_like(shown);
  if (is_directory || text.substr(value.begin).starts_with(kRedacted)) return {at, 0};
  return value;
}

}  // namespace

std::string mask_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (text.substr(at, 3) == "://") {
      out.append("://");
      at += 3;
      at += append_userinfo(out, text.substr(at));
      continue;
    }
    if (c == '=' || c == ':') {
      const Span secret = secret_at(text, at);
      if (secret.length > 0) {
        out.append(text.substr(at, secret.begin - at)).append(kRedacted);
        at = secret.begin + secret.length;
        continue;
      }
    }
    const bool word_start = at == 0 || !is_name_char(text[at - 1]);
    const std::size_t token = word_start ? token_length(text.substr(at)) : 0;
    if (token > 0) {
      out.append(kRedacted);
      at += token;
      continue;
    }
    out += c;
    ++at;
  }
  return out;
}

std::string mask_environment(std::string_view entry) {
  const std::size_t equals = entry.find('=');
  if (equals == entry.npos || equals + 1 == entry.size()) return std::string(entry);
  if (is_secret_variable(entry.substr(0, equals))) return std::string(entry.substr(0, equals + 1)).append(kRedacted);
  return mask_text(entry);
}

}  // namespace de::collect
