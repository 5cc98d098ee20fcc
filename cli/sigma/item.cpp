#include "sigma/item.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/base64.h"
#include "sigma/encode.h"
#include "sigma/pattern.h"

namespace de::sigma {
namespace {

using config::Node;

constexpr std::size_t kMaxValues = 10'000;  // Of one item, after `expand`.
constexpr std::size_t kMaxRegexBytes = 7'900;

constexpr std::array<std::string_view, 32> kModifiers = {
    "contains",  "startswith", "endswith", "all",     "re",       "i",      "ignorecase", "m",
    "multiline", "s",          "dotall",   "windash", "cidr",     "expand", "base64",     "base64offset",
    "wide",      "utf16le",    "utf16be",  "utf16",   "fieldref", "exists", "cased",      "neq",
    "lt",        "lte",        "gt",       "gte",     "minute",   "hour",   "day",        "week"};

struct Item {
  std::string field;
  std::vector<std::string> modifiers;

  bool has(std::string_view modifier) const { return std::ranges::find(modifiers, modifier) != modifiers.end(); }
  bool has_any(std::initializer_list<std::string_view> some) const {
    return std::ranges::any_of(some, [this](std::string_view one) { return has(one); });
  }
};

// What only goes with few others.
struct Alone {
  std::string_view modifier;
  std::string_view companions;  // Each between blanks.
};
constexpr Alone kAlone[] = {
    {"re", " i ignorecase m multiline s dotall all neq "},
    {"cidr", " all neq "},
    {"exists", " "},
    {"fieldref", " contains startswith endswith all neq "},
    {"lt", " "},
    {"lte", " "},
    {"gt", " "},
    {"gte", " "},
};
const std::initializer_list<std::string_view> kFlags = {"i", "ignorecase", "m", "multiline", "s", "dotall"};
const std::initializer_list<std::string_view> kUtf16 = {"wide", "utf16", "utf16le", "utf16be"};
const std::initializer_list<std::string_view> kBase64 = {"base64", "base64offset"};

// The place of the first of `some`; that behind the last modifier without any.
std::size_t place_of(const Item& item, std::initializer_list<std::string_view> some) {
  const auto found = std::ranges::find_first_of(item.modifiers, some);
  return static_cast<std::size_t>(found - item.modifiers.begin());
}

// Why they mean nothing together; empty: they do. A modifier that was passed over would change what is asked.
std::string check_together(const Item& item) {
  for (const Alone& alone : kAlone)
    for (const std::string& other : item.modifiers)
      if (item.has(alone.modifier) && other != alone.modifier &&
          alone.companions.find(" " + other + " ") == std::string_view::npos)
        return "\"" + other + "\" does not go with \"" + std::string(alone.modifier) + "\"";
  if (item.has_any(kFlags) && !item.has("re")) return "i, m and s go with \"re\" only; without it case does not count";
  if (item.has("contains") + item.has("startswith") + item.has("endswith") > 1)
    return "contains, startswith and endswith are one or the other";
  if (item.has_any(kUtf16) && (!item.has_any(kBase64) || place_of(item, kBase64) < place_of(item, kUtf16)))
    return "UTF-16 is found in base64 only, so that base64 comes after it";
  if (!item.field.empty()) return {};
  for (const std::string& other : item.modifiers)
    if (other != "all" && other != "contains") return "\"" + other + "\" is not converted for keywords";
  return {};
}

Result<Item> parse_key(const Scope& scope, const Node& key) {
  Item out;
  std::string_view rest = key.text;
  for (bool is_first = true;; is_first = false) {
    const std::size_t bar = std::min(rest.find('|'), rest.size());
    const std::string_view part = rest.substr(0, bar);
    if (is_first)
      out.field = std::string(part);
    else if (std::ranges::find(kModifiers, part) == kModifiers.end())
      return fail(complaint(scope.file, key,
                            "unknown modifier \"" + escape_controls(part) + "\"" + suggestion(part, kModifiers)));
    else
      out.modifiers.emplace_back(part);
    if (bar == rest.size()) break;
    rest.remove_prefix(bar + 1);
  }
  if (out.has_any({"minute", "hour", "day", "week"}))
    return fail(complaint(scope.file, key, "parts of a time are not converted: no field of ours is a time"));
  if (std::string why = check_together(out); !why.empty()) return fail(complaint(scope.file, key, why));
  return out;
}

Result<std::vector<Pattern>> expand(const Scope& scope, const Node& at, const std::string& text) {
  const std::size_t begin = text.find('%');
  const std::size_t end = begin == text.npos ? text.npos : text.find('%', begin + 1);
  if (end == text.npos) return fail(complaint(scope.file, at, "expand: there is no %name% in the value"));
  const std::string name = text.substr(begin + 1, end - begin - 1);
  const std::string behind = text.substr(end + 1);
  if (behind.find('%') != behind.npos)
    return fail(complaint(scope.file, at, "expand: more than one %name% in a value"));
  const auto found = scope.placeholders.find(name);
  if (found == scope.placeholders.end())
    return fail(
        complaint(scope.file, at, "%" + escape_controls(name) + "% has no values; give them with --placeholders"));
  std::vector<Pattern> out;
  for (const std::string& value : found->second) {
    std::string whole = text.substr(0, begin);
    whole += value;
    whole += behind;
    out.push_back(parse_pattern(whole));
  }
  return out;
}

// The bytes of a value that has no wildcards.
Result<std::string> bytes_of(const Scope& scope, const Node& at, const Pattern& pattern, std::string_view modifier) {
  if (pattern.empty()) return std::string();
  if (pattern.size() != 1 || pattern[0].kind != Piece::Kind::Text)
    return fail(complaint(scope.file, at, std::string(modifier) + " takes a value without wildcards"));
  return pattern[0].text;
}

std::string encoded(const std::string& modifier, const std::string& bytes) {
  if (modifier == "base64") return crypto::to_base64(bytes);
  std::string out = modifier == "utf16" ? "\xff\xfe" : "";
  return out += to_utf16(bytes, modifier == "utf16be" ? ByteOrder::Big : ByteOrder::Little);
}

Result<std::vector<Pattern>> apply(const Scope& scope, const Node& at, const std::string& modifier,
                                   std::vector<Pattern> patterns) {
  if (modifier == "windash")
    for (Pattern& pattern : patterns) pattern = with_dashes(pattern);
  if (modifier == "contains" || modifier == "endswith")
    for (Pattern& pattern : patterns) open_begin(pattern);
  if (modifier == "contains" || modifier == "startswith")
    for (Pattern& pattern : patterns) open_end(pattern);
  if (std::ranges::find(kUtf16, modifier) == kUtf16.end() && std::ranges::find(kBase64, modifier) == kBase64.end())
    return patterns;
  std::vector<Pattern> out;
  for (const Pattern& pattern : patterns) {
    DE_TRY(bytes, bytes_of(scope, at, pattern, modifier));
    if (modifier == "base64offset")
      for (const std::string& one : to_base64_offsets(bytes)) out.push_back(literal(one));
    else
      out.push_back(literal(encoded(modifier, bytes)));
  }
  return out;
}

// Windows writes its numbers as 0x3e7, a column holds 999.
std::string in_decimal(const std::string& text) {
  std::uint64_t number = 0;
  if (!text.starts_with("0x") && !text.starts_with("0X")) return text;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + 2, end, number, 16);
  return read.ec == std::errc() && read.ptr == end ? std::to_string(number) : text;
}

// What `expand` puts in comes before every other modifier, wherever it stands.
Result<std::vector<Pattern>> to_patterns(const Scope& scope, const Item& item, const Field& field, const Node& value) {
  if (!value.is_scalar()) return fail(complaint(scope.file, value, "a value must be text or a number"));
  std::vector<Pattern> patterns = {
      parse_pattern(field.kind == FieldKind::Number ? in_decimal(value.text) : value.text)};
  if (item.has("expand")) {
    DE_TRY(expanded, expand(scope, value, value.text));
    patterns = std::move(expanded);
  }
  for (const std::string& modifier : item.modifiers) {
    DE_TRY(applied, apply(scope, value, modifier, std::move(patterns)));
    patterns = std::move(applied);
  }
  return patterns;
}

Result<std::string> to_regex_term(const Scope& scope, const Item& item, const std::string& column, const Node& value) {
  if (!value.is_scalar()) return fail(complaint(scope.file, value, "a regular expression must be text"));
  std::string flags;
  if (item.has_any({"i", "ignorecase"})) flags += 'i';
  if (item.has_any({"m", "multiline"})) flags += 'm';
  if (item.has_any({"s", "dotall"})) flags += 's';
  const std::string pattern = flags.empty() ? value.text : "(?" + flags + ")" + value.text;
  if (pattern.size() > kMaxRegexBytes) return fail(complaint(scope.file, value, "the regular expression is too long"));
  if (escape_controls(pattern) != pattern)
    return fail(complaint(scope.file, value, "a regular expression with control characters; write \\x.."));
  return column + " REGEXP " + quoted(pattern);
}

Result<std::string> to_comparison(const Scope& scope, const Item& item, const Field& field, const std::string& column,
                                  const Node& value) {
  double number = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto read = std::from_chars(value.text.data(), end, number);
  const bool is_plain = value.text.find_first_not_of("0123456789.-") == value.text.npos;  // SQL knows no "inf".
  if (!value.is_scalar() || !is_plain || read.ec != std::errc() || read.ptr != end)
    return fail(complaint(scope.file, value, "lt, lte, gt and gte take a number"));
  const char* const sign = item.has("lte") ? " <= " : item.has("lt") ? " < " : item.has("gte") ? " >= " : " > ";
  if (field.kind == FieldKind::Number) return column + sign + value.text;
  return "(" + column + " REGEXP '^-?[0-9]+([.][0-9]+)?$' AND CAST(" + column + " AS REAL)" + sign + value.text + ")";
}

Result<std::string> to_field_term(const Scope& scope, const Item& item, const std::string& column, const Node& value) {
  DE_TRY(other, find_field(scope.source, value.text));
  const std::string text = sql_of(*other);
  if (item.has("startswith")) return "instr(lower(" + column + "), lower(" + text + ")) = 1";
  if (item.has("contains")) return "instr(lower(" + column + "), lower(" + text + ")) > 0";
  if (item.has("endswith")) return "lower(substr(" + column + ", -length(" + text + "))) = lower(" + text + ")";
  return column + " = " + text + " COLLATE NOCASE";
}

// What cidr_match() takes; else it would end every run of the rule.
bool is_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  std::array<unsigned char, 16> bytes{};
  const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!is_v4 && ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return false;
  if (slash == text.npos) return true;
  const std::string_view digits = std::string_view(text).substr(slash + 1);
  unsigned prefix = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  return read.ec == std::errc() && read.ptr == digits.data() + digits.size() && prefix <= (is_v4 ? 32U : 128U);
}

// One value by itself, where it does not come down to patterns.
Result<std::optional<std::string>> to_term(const Scope& scope, const Item& item, const Field& field,
                                           const std::string& column, const Node& value) {
  std::optional<std::string> out;
  if (item.has("exists")) {
    if (value.text != "true" && value.text != "false")
      return fail(complaint(scope.file, value, "exists takes true or false"));
    out = column + (value.text == "true" ? " IS NOT NULL" : " IS NULL");
  } else if (value.is_null()) {
    out = column + " IS NULL";
  } else if (item.has("re")) {
    DE_TRY(term, to_regex_term(scope, item, column, value));
    out = std::move(term);
  } else if (item.has("cidr")) {
    if (!is_network(value.text)) return fail(complaint(scope.file, value, "expected a network such as 10.0.0.0/8"));
    out = "cidr_match(" + column + ", " + quoted(value.text) + ")";
  } else if (item.has("fieldref")) {
    auto term = to_field_term(scope, item, column, value);
    if (!term) return fail(complaint(scope.file, value, term.error().message()));
    out = std::move(*term);
  } else if (item.has_any({"lt", "lte", "gt", "gte"})) {
    DE_TRY(term, to_comparison(scope, item, field, column, value));
    out = std::move(term);
  }
  return out;
}

Result<std::string> column_of(const Scope& scope, const Node& key, const Item& item, const Field& field) {
  const bool is_compared = item.has_any({"lt", "lte", "gt", "gte", "exists"});
  if (field.kind == FieldKind::Number && !is_compared) return "CAST(" + sql_of(field) + " AS TEXT)";
  if (item.has("cidr") && field.kind == FieldKind::Number)
    return fail(complaint(scope.file, key, "cidr is about addresses"));
  return sql_of(field);
}

}  // namespace

Error complaint(std::string_view file, const Node& node, const std::string& what) {
  return {Errc::Invalid, config::at(file, node) + ": " + what};
}

std::span<const Node> values_of(const Node& node) {
  return node.is_list() ? std::span(node.items) : std::span(&node, 1);
}

Result<std::string> item_to_sql(const Scope& scope, const Node& key, const Node& values) {
  DE_TRY(item, parse_key(scope, key));
  if (item.field.empty()) return keywords_to_sql(scope, values, item.has("all"));
  auto field = find_field(scope.source, item.field);
  if (!field) return fail(complaint(scope.file, key, field.error().message()));
  DE_TRY(column, column_of(scope, key, item, **field));
  const bool all = item.has("all");
  std::vector<std::string> terms;
  std::vector<Pattern> patterns;
  std::size_t count = 0;
  for (const Node& value : values_of(values)) {
    DE_TRY(term, to_term(scope, item, **field, column, value));
    if (term) {
      terms.push_back(std::move(*term));
      continue;
    }
    DE_TRY(made, to_patterns(scope, item, **field, value));
    count += made.size();
    if (count > kMaxValues)
      return fail(complaint(scope.file, key, "more than " + std::to_string(kMaxValues) + " values"));
    if (all)
      terms.push_back(matches_any(column, made, item.has("cased")));
    else
      patterns.insert(patterns.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }
  if (!patterns.empty()) terms.push_back(matches_any(column, patterns, item.has("cased")));
  if (terms.empty()) return fail(complaint(scope.file, key, "there is no value"));
  std::string sql = joined(terms, all ? " AND " : " OR ");
  return item.has("neq") ? "NOT ifnull(" + sql + ", 0)" : std::move(sql);
}

Result<std::string> keywords_to_sql(const Scope& scope, const Node& values, bool all) {
  std::vector<std::string> terms;
  for (const Node& value : values_of(values)) {
    if (!value.is_scalar()) return fail(complaint(scope.file, value, "a keyword must be text or a number"));
    Pattern pattern = parse_pattern(value.text);
    open_begin(pattern);
    open_end(pattern);
    std::vector<std::string> anywhere;
    for (const Field& field : scope.source.fields)
      if (field.is_keyword) anywhere.push_back(matches_any(sql_of(field), {pattern}, false));
    terms.push_back(joined(anywhere, " OR "));
  }
  if (terms.empty()) return fail(complaint(scope.file, values, "there is no keyword"));
  return joined(terms, all ? " AND " : " OR ");
}

}  // namespace de::sigma
