#include "json_row.h"

#include <charconv>

namespace de::system_test {
namespace {

// Past the closing quote; what we print as \uXXXX are single bytes only.
std::string take_text(std::string_view& rest) {
  std::string out;
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    char c = rest.front();
    rest.remove_prefix(1);
    if (c == '\\' && !rest.empty()) {
      c = rest.front();
      rest.remove_prefix(1);
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'r') c = '\r';
      if (c == 'u' && rest.size() >= 4) {
        int code = 0;
        std::from_chars(rest.data(), rest.data() + 4, code, 16);
        rest.remove_prefix(4);
        c = static_cast<char>(code);
      }
    }
    out += c;
  }
  if (!rest.empty()) rest.remove_prefix(1);
  return out;
}

// A number, a word, or a list or object with everything inside it.
std::string take_other(std::string_view& rest) {
  std::string out;
  int depth = 0;
  while (!rest.empty() && !(depth == 0 && (rest.front() == ',' || rest.front() == '}'))) {
    const char c = rest.front();
    if (c == '"') {
      const std::string_view before = rest;
      (void)take_text(rest);
      out += before.substr(0, before.size() - rest.size());
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    out += c;
    rest.remove_prefix(1);
  }
  return out;
}

}  // namespace

JsonRow parse_json_row(std::string_view line) {
  JsonRow row;
  if (!line.starts_with('{')) return row;
  line.remove_prefix(1);
  while (line.starts_with('"')) {
    const std::string key = take_text(line);
    if (!line.starts_with(':')) return {};
    line.remove_prefix(1);
    row[key] = line.starts_with('"') ? take_text(line) : take_other(line);
    if (line.starts_with(',')) line.remove_prefix(1);
  }
  return line == "}" ? row : JsonRow();
}

}  // namespace de::system_test
