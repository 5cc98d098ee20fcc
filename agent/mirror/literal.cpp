#include "mirror/literal.h"

#include <algorithm>
#include <utility>

#include "daemoneye/schema/event_columns.h"

namespace de::mirror {
namespace {

// Their values are a handful of words that come again and again.
constexpr std::string_view kFewValues[] = {
    "event_type",    "reason", "severity", "modified_fields", "user_name",         "user_id", "hash_algorithm",
    "on_disk_state", "tty",    "state",    "source",          "container_runtime", "root",    "namespaces"};

bool has_few_values(std::size_t column) {
  static const std::vector<char> few = [] {
    std::vector<char> out;
    for (const auto& one : schema::event_columns())
      out.push_back(std::ranges::find(kFewValues, one.name) != std::end(kFewValues) ? 1 : 0);
    return out;
  }();
  return column < few.size() && few[column] != 0;
}

// What is in the paths and command lines of any host, and says little.
constexpr std::string_view kOrdinary[] = {
    "/usr/bin/bash",           "/usr/bin/dash",       "/usr/bin/sh", "/usr/local/bin/", "/usr/sbin/",
    "/usr/lib/x86_64-linux",   "/usr/bin/python3",    "/bin/sh -c ", "/home/",          "/proc/self/",
    "c:\\windows\\system32\\", "c:\\program files\\", "c:\\users\\", "https://www."};

constexpr std::int64_t kRare = 16;  // Of what only few hosts have at all.

}  // namespace

std::string folded(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), fold);
  return out;
}

std::int64_t cost_of(const Literal& literal) {
  if (has_few_values(literal.column)) return kCommon / 2;
  std::string_view text = literal.text;
  if (text == "\\" || text == std::string_view(&kBeyondAscii, 1)) return kRare;
  const bool at_begin = text.starts_with(kTextBegin);
  const bool at_end = text.ends_with(kTextEnd);
  if (at_begin) text.remove_prefix(1);
  if (at_end) text.remove_suffix(1);
  const bool is_ordinary = !(at_begin && at_end) && std::ranges::any_of(kOrdinary, [&](std::string_view ordinary) {
    return ordinary.find(text) != std::string_view::npos;
  });
  // Two bytes are in one of ten command lines, three in one of thirty, and so on; the ends of a text are worth some.
  const std::size_t worth = text.size() + (at_begin && at_end ? 6 : at_begin || at_end ? 2 : 0);
  const std::int64_t cost = std::max<std::int64_t>(kCommon >> std::min<std::size_t>(worth * 7 / 4, 16), 1);
  return is_ordinary ? std::max(cost, kCommon / 4) : cost;
}

Need Need::any_of(std::vector<Literal> literals) {
  std::ranges::sort(literals);
  literals.erase(std::unique(literals.begin(), literals.end()), literals.end());
  if (literals.size() > kMaxLiterals) return always();
  Need out(Kind::AnyOf);
  for (const Literal& literal : literals) out.cost_ += cost_of(literal);
  out.literals_ = std::move(literals);
  return out;
}

Need either(const Need& a, const Need& b) {
  if (a.is_always() || b.is_never()) return a;
  if (b.is_always() || a.is_never()) return b;
  std::vector<Literal> all = a.literals();
  all.insert(all.end(), b.literals().begin(), b.literals().end());
  return Need::any_of(std::move(all));
}

const Need& both(const Need& a, const Need& b) {
  if (a.is_always() || b.is_never()) return b;
  if (b.is_always() || a.is_never()) return a;
  return b.cost() < a.cost() ? b : a;
}

}  // namespace de::mirror
