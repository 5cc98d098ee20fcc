// The text is never written anew from its tree, because comments and order are a person's. The place of the value is
// found in the tree, a few characters are put there, and the outcome is judged by its own tree: a guess that went wrong
// is a refusal, not a damaged file.
#include "console/edit_config.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "console/text_lines.h"
#include "daemoneye/config/source_file.h"

namespace de::console {
namespace {

using config::Node;
using config::Syntax;

// A key in the tree: "spool.max_mb" may be nested, or one name with a dot.
struct Found {
  const Node* map = nullptr;  // That has it.
  const Node* name = nullptr;
  const Node* value = nullptr;
};

std::optional<Found> find(const Node& map, std::string_view path) {
  for (const auto& [name, value] : map.entries) {
    if (name.text == path) return Found{&map, &name, &value};
    const std::size_t length = name.text.size();
    if (path.size() > length + 1 && path.starts_with(name.text) && path[length] == '.')
      if (auto below = find(value, path.substr(length + 1))) return below;
  }
  return std::nullopt;
}

std::string dump(const Node& node) {
  if (node.is_scalar()) return (node.quoted ? "\"" : "=") + std::to_string(node.text.size()) + ":" + node.text;
  std::string out = node.is_null() ? "~" : node.is_list() ? "[" : "{";
  for (const Node& item : node.items) out += dump(item);
  for (const auto& [name, value] : node.entries) out += dump(name) + dump(value);
  return out + ";";
}

// Every value by its whole path, but those of `key` and an empty section that it is in.
void flatten(const Node& node, const std::string& path, const std::string& key,
             std::map<std::string, std::string>& out) {
  if (path == key || (node.is_null() && (path.empty() || key.starts_with(path + ".")))) return;
  if (!node.is_map()) {
    out[path] = dump(node);
    return;
  }
  for (const auto& [name, value] : node.entries)
    flatten(value, path.empty() ? name.text : path + "." + name.text, key, out);
}

class Editor {
 public:
  Editor(const std::string& text, const Node& root, const std::string& key, const std::string& value, Syntax syntax)
      : lines_(text, syntax == Syntax::Toml ? TextLines::Columns::Characters : TextLines::Columns::Bytes),
        root_(root),
        key_(key),
        value_(value),
        syntax_(syntax) {
    const std::size_t dot = key.find('.');
    section_ = dot == key.npos ? "" : key.substr(0, dot);
    name_ = dot == key.npos ? key : key.substr(dot + 1);
  }

  // The new text, or nothing.
  std::optional<std::string> run() {
    if (const auto found = find(root_, key_)) return replace(*found);
    if (syntax_ == Syntax::Toml) return insert_toml();
    if (is_flow(root_)) return insert_flow();
    return insert_block();
  }

  // What a person can write where this class does not dare to.
  std::string by_hand() const {
    if (section_.empty()) return entry(name_);
    return entry(name_) + "  below  " + (syntax_ == Syntax::Toml ? "[" + section_ + "]" : section_ + ":");
  }

 private:
  std::string entry(const std::string& name) const {
    if (syntax_ == Syntax::Toml) return name + " = " + value_;
    return (syntax_ == Syntax::Json ? "\"" + name + "\"" : name) + ": " + value_;
  }
  bool is_flow(const Node& map) const { return lines_.at(lines_.offset(map.line, map.column)) == '{'; }

  std::optional<std::string> replace(const Found& found) const {
    const std::size_t name = lines_.offset(found.name->line, found.name->column);
    std::size_t begin = lines_.offset(found.value->line, found.value->column);
    if (found.value->is_null()) {
      const std::size_t colon = lines_.text().find(':', name);
      if (colon == std::string::npos) return std::nullopt;
      begin = lines_.skip_blanks(colon + 1);
      if (lines_.at(begin) == '\n' || lines_.at(begin) == '\0' || lines_.at(begin) == '#')
        return lines_.with(colon + 1, colon + 1, " " + value_);
    }
    const auto end = lines_.end_of_value(begin, found.map->is_map() && is_flow(*found.map));
    if (!end) return std::nullopt;
    return lines_.with(begin, *end, value_);
  }

  // JSON, or YAML written like it.
  std::optional<std::string> insert_flow() const {
    const auto section = section_.empty() ? std::nullopt : find(root_, section_);
    if (section && (!section->value->is_map() || !is_flow(*section->value))) return std::nullopt;
    const Node& map = section ? *section->value : root_;
    std::string added = entry(name_);
    if (!section && !section_.empty())
      added = (syntax_ == Syntax::Json ? "\"" + section_ + "\": {" : section_ + ": {") + added + "}";
    return into_braces(map, added);
  }
  std::optional<std::string> into_braces(const Node& map, std::string added) const {
    const std::size_t inside = lines_.offset(map.line, map.column) + 1;
    if (map.entries.empty()) return lines_.with(inside, inside, added);
    const Node& first = map.entries.front().first;
    if (first.line == map.line) return lines_.with(inside, inside, added + ", ");
    const auto indent = static_cast<std::size_t>(std::max(first.column - 1, 0));
    return lines_.with(inside, inside, "\n" + std::string(indent, ' ') + added + ",");
  }

  std::optional<std::string> insert_block() const {
    if (section_.empty()) {
      if (const auto commented = lines_.find_commented(name_, 0, lines_.count()))
        return lines_.with_line_after(*commented, entry(name_));
      return lines_.with_lines_at_end(entry(name_));
    }
    const auto section = find(root_, section_);
    if (!section) return lines_.with_lines_at_end(section_ + ":\n  " + entry(name_));
    if (section->value->is_map() && is_flow(*section->value)) return into_braces(*section->value, entry(name_));
    const auto header = static_cast<std::size_t>(section->name->line - 1);
    const auto commented = lines_.find_commented(name_, header + 1, lines_.end_of_section(header));
    std::size_t indent = commented ? lines_.indent_of(*commented) : 2;
    if (!section->value->entries.empty())
      indent = static_cast<std::size_t>(section->value->entries.front().first.column - 1);
    return lines_.with_line_after(commented.value_or(header), std::string(indent, ' ') + entry(name_));
  }

  std::optional<std::string> insert_toml() const {
    const std::size_t first_header = lines_.find_header("").value_or(lines_.count());
    if (section_.empty()) {
      if (const auto commented = lines_.find_commented(name_, 0, first_header))
        return lines_.with_line_after(*commented, entry(name_));
      if (first_header == lines_.count()) return lines_.with_lines_at_end(entry(name_));
      return lines_.with_line_before(first_header, entry(name_));
    }
    if (const auto header = lines_.find_header(section_)) {
      const auto commented = lines_.find_commented(name_, *header + 1, lines_.end_of_section(*header));
      return lines_.with_line_after(commented.value_or(*header), entry(name_));
    }
    const auto section = find(root_, section_);
    if (!section) return lines_.with_lines_at_end("[" + section_ + "]\n" + entry(name_));
    if (section->value->is_map() && is_flow(*section->value)) return into_braces(*section->value, entry(name_));
    // Written as "spool.sync_ms = 5" so far.
    return lines_.with_line_after(static_cast<std::size_t>(section->name->line - 1), entry(key_));
  }

  const TextLines lines_;
  const Node& root_;
  const std::string& key_;
  const std::string& value_;
  const Syntax syntax_;
  std::string section_;
  std::string name_;
};

// Nothing else has changed, and the key is what it should be.
bool is_right(std::string_view file_name, const Node& before, const std::string& text, const std::string& key,
              const std::string& value) {
  const auto after = config::parse_source(file_name, text);
  if (!after || !config::mistakes_in(file_name, text).empty()) return false;
  std::map<std::string, std::string> old_values;
  std::map<std::string, std::string> new_values;
  flatten(before, "", key, old_values);
  flatten(*after, "", key, new_values);
  const auto wanted = config::parse_yaml(file_name, value);
  const auto found = find(*after, key);
  return old_values == new_values && wanted && found && dump(*wanted) == dump(*found->value);
}

}  // namespace

Syntax syntax_of(std::string_view file_name, std::string_view text) {
  if (config::is_toml(file_name)) return Syntax::Toml;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return file_name.ends_with(".json") || (first != text.npos && text[first] == '{') ? Syntax::Json : Syntax::Yaml;
}

Result<std::string> set_in_text(std::string_view file_name, const std::string& text, const std::string& key,
                                const std::string& value) {
  DE_TRY(root, config::parse_source(file_name, text));
  const Syntax syntax = syntax_of(file_name, text);
  const bool is_empty_json = syntax == Syntax::Json && root.is_null();
  if (is_empty_json) return set_in_text(file_name, "{\n}\n", key, value);
  Editor editor(text, root, key, value, syntax);
  auto edited = editor.run();
  if (!edited || !is_right(file_name, root, *edited, key, value))
    return fail(Errc::Unsupported,
                std::string(file_name) +
                    ": this key cannot be set without touching other lines; write by hand:  " + editor.by_hand());
  return std::move(*edited);
}

}  // namespace de::console
