#include "mirror/stored_literals.h"

#include <algorithm>
#include <memory>
#include <set>

#include "daemoneye/schema/event_columns.h"
#include "mirror/literal_automaton.h"

namespace de::mirror {
namespace {

// Shorter ones are in nearly every text.
constexpr std::size_t kLeastBytes = 3;

// Columns that show the bytes of a field.
constexpr std::string_view kAsStored[] = {
    "name",        "executable_path",        "executable_hash",    "command_line", "command_line_now", "cwd",
    "root",        "interpreter_path",       "script_path",        "cgroup",       "cgroup_path",      "container_id",
    "parent_name", "parent_executable_path", "parent_command_line"};

bool is_as_stored(std::size_t column) {
  const auto columns = schema::event_columns();
  return column < columns.size() && std::ranges::find(kAsStored, columns[column].name) != std::end(kAsStored);
}

// What of a literal is in one field: its longest part without a space, and without the marks of begin and end.
std::string longest_part(std::string_view literal) {
  std::string_view longest;
  while (!literal.empty()) {
    const std::size_t end = std::min(literal.find_first_of(std::string({' ', kTextBegin, kTextEnd})), literal.size());
    if (end > longest.size()) longest = literal.substr(0, end);
    literal.remove_prefix(std::min(end + 1, literal.size()));
  }
  return longest.find(kBeyondAscii) == std::string_view::npos ? std::string(longest) : std::string();
}

// Empty when one of them cannot be looked for.
std::vector<std::string> parts_of(const std::vector<Literal>& group) {
  std::set<std::string> out;
  for (const Literal& literal : group) {
    std::string part = is_as_stored(literal.column) ? longest_part(literal.text) : std::string();
    if (part.size() < kLeastBytes) return {};
    out.insert(std::move(part));
  }
  return {out.begin(), out.end()};
}

std::size_t shortest(const std::vector<std::string>& parts) {
  return std::ranges::min(parts, {}, &std::string::size).size();
}

}  // namespace

std::vector<std::string> stored_literals(const LiteralGroups& groups) {
  std::vector<std::string> best;
  for (const auto& group : groups) {
    std::vector<std::string> parts = parts_of(group);
    if (!parts.empty() && (best.empty() || shortest(parts) > shortest(best))) best = std::move(parts);
  }
  return best;
}

TextTest text_test(const std::vector<std::string>& literals) {
  if (literals.empty()) return nullptr;
  const std::vector<std::string_view> views(literals.begin(), literals.end());
  auto automaton = std::make_shared<const LiteralAutomaton>(views);
  return [automaton](std::string_view text) {
    bool found = false;
    automaton->scan(text, [&found](std::uint32_t) { found = true; });
    return found;
  };
}

}  // namespace de::mirror
