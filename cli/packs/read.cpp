#include "packs/read.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "daemoneye/base/text.h"
#include "daemoneye/config/yaml_tree.h"

namespace de::packs {
namespace {

using config::Node;

constexpr std::int64_t kMaxIntervalS = 366LL * 86'400;

std::string_view strip(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::int64_t seconds_of(std::string_view text) {
  std::int64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);  // No number is none.
  return std::clamp<std::int64_t>(value, 0, kMaxIntervalS);
}

void add_words(std::string_view text, std::vector<std::string>& out) {
  while (!(text = strip(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" ,\t"), text.size());
    if (end > 0 && out.size() < 64) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// ".../techniques/T1070/004/" is attack.t1070.004.
void add_techniques(std::string_view line, std::vector<std::string>& out) {
  constexpr std::string_view kBefore = "attack.mitre.org/techniques/T";
  const std::size_t at = line.find(kBefore);
  if (at == std::string_view::npos) return;
  std::string tag = "attack.t";
  for (const char c : line.substr(at + kBefore.size(), 8)) {
    if (c != '/' && (c < '0' || c > '9')) break;
    tag += c == '/' ? '.' : c;
  }
  while (tag.ends_with('.')) tag.pop_back();
  if (std::ranges::find(out, tag) == out.end()) out.push_back(tag);
}

// "tags" of "tags: a b"; a line of prose has no such key.
void take_header_line(std::string_view line, Query& out) {
  constexpr std::string_view kKeys[] = {"tags", "platform", "interval", "license", "description"};
  add_techniques(line, out.tags);
  const std::size_t colon = line.find(':');
  const std::string_view key = line.substr(0, colon);
  if (colon != std::string_view::npos && std::ranges::find(kKeys, key) != std::end(kKeys)) {
    const std::string_view value = strip(line.substr(colon + 1));
    if (key == "tags") add_words(value, out.tags);
    if (key == "platform") out.platform = value;
    if (key == "interval") out.interval_s = seconds_of(value);
    if (key == "license") out.license = value;
    if (key == "description" && out.description.empty()) out.description = value;
  } else if (out.title.empty()) {
    out.title = line;
  } else {
    out.description += (out.description.empty() ? "" : "\n") + std::string(line);
  }
}

Query read_sql_file(std::string_view file, std::string_view text) {
  Query out;
  const std::size_t slash = file.rfind('/') + 1;  // npos + 1 is 0.
  out.name = file.substr(slash, file.rfind('.') - slash);
  out.sql = strip(text);
  for (std::string_view rest = out.sql; rest.starts_with("--");) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (const std::string_view line = strip(rest.substr(2, end - 2)); !line.empty()) take_header_line(line, out);
    rest = strip(rest.substr(end));
  }
  return out;
}

// osquery's reader takes comments and statements over several lines, with a backslash at the end of each, which is
// YAML's, too; but for comments of this kind, and blanks that YAML has another opinion about.
std::string as_yaml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t first = std::min(line.find_first_not_of(" \t"), line.size());
    std::fill_n(line.begin(), first, ' ');
    if (line.substr(first).starts_with("//")) line.clear();
    out += line + '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string text_of(const Node& map, std::string_view key) {
  const Node* value = map.find(key);
  return value != nullptr && value->is_scalar() ? value->text : std::string();
}

Result<> read_pack(std::string_view file, const Node& pack, const std::string& prefix, std::vector<Query>& out) {
  for (const std::string_view part : {"queries", "schedule"}) {
    const Node* queries = pack.find(part);
    if (queries == nullptr) continue;
    if (!queries->is_map())
      return fail(Errc::Invalid, config::at(file, *queries) + ": " + std::string(part) + " must be a map of queries");
    for (const auto& [name, node] : queries->entries) {
      if (out.size() == kMaxQueries)
        return fail(Errc::Invalid, config::at(file, node) + ": more than " + std::to_string(kMaxQueries) + " queries");
      Query& query = out.emplace_back();
      query.name = prefix + name.text;
      query.sql = strip(text_of(node, "query"));
      query.title = strip(name.text);
      query.description = text_of(node, "description");
      query.platform = text_of(node, "platform").empty() ? text_of(pack, "platform") : text_of(node, "platform");
      query.interval_s = seconds_of(text_of(node, "interval"));
      query.license = text_of(pack, "license");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Query>> read_queries(std::string_view file, std::string_view text) {
  std::vector<Query> out;
  if (file.ends_with(".sql")) {
    out.push_back(read_sql_file(file, text));
    return out;
  }
  DE_TRY(root, config::parse_yaml(file, as_yaml(text)));
  if (!root.is_map()) return fail(Errc::Invalid, std::string(file) + ": expected a pack: {\"queries\": {...}}");
  const std::size_t slash = file.rfind('/') + 1;
  const std::string stem(file.substr(slash, file.rfind('.') - slash));
  DE_CHECK(read_pack(file, root, stem + "-", out));
  if (const Node* packs = root.find("packs"); packs != nullptr && packs->is_map())
    for (const auto& [name, pack] : packs->entries)
      if (pack.is_map()) DE_CHECK(read_pack(file, pack, name.text + "-", out));
  if (out.empty()) return fail(Errc::Invalid, std::string(file) + ": there is no query in it");
  return out;
}

}  // namespace de::packs
