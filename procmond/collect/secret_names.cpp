#include "collect/secret_names.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace de::collect {
namespace {

using Words = std::vector<std::string>;
constexpr std::size_t kMaxNameBytes = 128;  // No flag is longer; what is, is no name.

// Secret wherever they stand in the name, also glued to the end of a word ("dbpassword").
constexpr std::array<std::string_view, 6> kAnywhere = {"password", "passwd",   "passphrase",
                                                       "secret",   "passcode", "apikey"};
// Secret as the last word only: "--pass x", but not "--pass-through".
constexpr std::array<std::string_view, 20> kLast = {
    "pass",   "pwd",       "pw",        "token",    "credential", "credentials",  "bearer",
    "jwt",    "storepass", "keypass",   "userpass", "dbpass",     "rootpass",     "adminpass",
    "rootpw", "userpwd",   "authtoken", "passin",   "passout",    "deststorepass"};
// "..._KEY" is a secret after one of these, and a map key, a sort key or a file after others.
constexpr std::array<std::string_view, 20> kKeyOwners = {
    "api",     "access",   "secret",      "private", "encryption", "signing", "auth",
    "account", "storage",  "master",      "shared",  "service",    "deploy",  "subscription",
    "app",     "consumer", "application", "hmac",    "aes",        "admin"};
constexpr std::array<std::string_view, 4> kHeaders = {"authorization", "cookie", "cookies", "setcookie"};
// Flags that talk about a secret without holding it.
constexpr std::array<std::string_view, 24> kHarmlessHeads = {
    "no",  "ask",     "use",      "without", "skip",   "prompt", "show", "generate",
    "gen", "require", "requires", "disable", "enable", "reset",  "max",  "min",
    "num", "allow",   "print",    "has",     "check",  "read",   "list", "validate"};
constexpr std::array<std::string_view, 50> kHarmlessTails = {
    "file",    "files",   "path",     "name",    "type",    "length",    "len",      "policy", "stdin",    "prompt",
    "fd",      "env",     "dir",      "url",     "uri",     "command",   "cmd",      "helper", "ttl",      "expiry",
    "expires", "timeout", "count",    "limit",   "size",    "class",     "provider", "header", "field",    "from",
    "format",  "mode",    "method",   "version", "id",      "ids",       "arn",      "ref",    "rotation", "server",
    "host",    "port",    "endpoint", "issuer",  "enabled", "namespace", "cache",    "socket", "sock",     "lifetime"};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// "--dbUser_api-KEY2" → db, user, api, key.
Words split_words(std::string_view name) {
  Words words;
  char before = '-';
  for (const char c : name) {
    const bool letter = is_upper(c) || is_lower(c);
    const bool starts = letter && (!(is_upper(before) || is_lower(before)) || (is_upper(c) && is_lower(before)));
    if (starts) words.emplace_back();
    if (letter) words.back() += to_lower(c);
    before = c;
  }
  return words;
}

bool is_secret_anywhere(const std::string& word) {
  return std::any_of(kAnywhere.begin(), kAnywhere.end(),
                     [&](std::string_view secret) { return std::string_view(word).ends_with(secret); });
}

}  // namespace

NameKind kind_of_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return NameKind::Plain;
  const Words words = split_words(name);
  if (words.empty()) return NameKind::Plain;
  const std::string& last = words.back();
  // "-HAuthorization:" glues the header to the flag.
  if (is_one_of(last, kHeaders) || last.ends_with("authorization")) return NameKind::Header;
  if (words.size() > 1 && is_one_of(words.front(), kHarmlessHeads)) return NameKind::Plain;
  if (is_one_of(last, kHarmlessTails)) return NameKind::Plain;
  if (std::any_of(words.begin(), words.end(), is_secret_anywhere)) return NameKind::Secret;
  if (is_one_of(last, kLast) || last.ends_with("token")) return NameKind::Secret;
  if (last == "key" && words.size() > 1 && is_one_of(words[words.size() - 2], kKeyOwners)) return NameKind::Key;
  return NameKind::Plain;
}

bool is_secret_variable(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kHarmless = {"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY",
                                                                "KEYBOARD"};
  static constexpr std::array<std::string_view, 8> kParts = {"PASSWORD", "PASSWD",     "SECRET", "TOKEN",
                                                             "KEY",      "CREDENTIAL", "AUTH",   "COOKIE"};
  if (is_one_of(name, kHarmless)) return false;
  if (kind_of_name(name) != NameKind::Plain) return true;
  std::string upper(name.substr(0, kMaxNameBytes));
  for (char& c : upper)
    if (is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return upper.find(part) != upper.npos; });
}

std::size_t token_length(std::string_view text) {
  struct Shape {
    std::string_view prefix;
    std::size_t min_length;  // In all; shorter ones are words that happen to start alike.
  };
  static constexpr std::array kShapes = {
      Shape{"ghp_", 40},        Shape{"gho_", 40},     Shape{"ghu_", 40},    Shape{"ghs_", 40},      Shape{"ghr_", 40},
      Shape{"github_pat_", 40}, Shape{"glpat-", 26},   Shape{"xoxb-", 24},   Shape{"xoxp-", 24},     Shape{"xoxa-", 24},
      Shape{"sk_live_", 24},    Shape{"rk_live_", 24}, Shape{"sk-ant-", 30}, Shape{"sk-proj-", 30},  Shape{"hvs.", 28},
      Shape{"AIza", 39},        Shape{"npm_", 36},     Shape{"pypi-", 40},   Shape{"dckr_pat_", 30}, Shape{"eyJ", 40},
  };
  if (text.empty() || std::string_view("gxsrhAnpde").find(text.front()) == std::string_view::npos) return 0;
  for (const Shape& shape : kShapes) {
    if (!text.starts_with(shape.prefix)) continue;
    std::size_t end = shape.prefix.size();
    while (end < text.size() && (is_upper(text[end]) || is_lower(text[end]) || is_digit(text[end]) ||
                                 text[end] == '_' || text[end] == '-' || text[end] == '.'))
      ++end;
    // A JSON Web Token has three parts; base64 of other JSON starts with "eyJ" too and is no secret by itself.
    const std::string_view token = text.substr(0, end);
    if (shape.prefix == "eyJ" && std::count(token.begin(), token.end(), '.') != 2) continue;
    if (end >= shape.min_length) return end;
  }
  return 0;
}

}  // namespace de::collect
