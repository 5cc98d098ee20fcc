#include "layers.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "daemoneye/base/text.h"
#include "daemoneye/config/source_file.h"

namespace de::config {
namespace {

constexpr std::size_t kMaxVariables = 10'000;  // Far more than a process can sensibly be given.

// What a person types is relative to where they are; files have no such place.
std::string to_absolute(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  std::error_code ec;
  const std::filesystem::path here = std::filesystem::current_path(ec);
  return ec ? path : (here / path).lexically_normal().string();
}

void make_absolute(const FieldInfo& info, Node& node) {
  if (info.form != Form::Directory && info.form != Form::File && info.form != Form::Socket) return;
  if (node.is_scalar()) node.text = to_absolute(node.text);
  for (Node& item : node.items)
    if (item.is_scalar()) item.text = to_absolute(item.text);
}

}  // namespace

Result<> Layers::apply_file(const std::string& file_name, Origin origin) {
  DE_TRY(text, read_source(file_name, for_root_));
  return apply_source(file_name, text, origin, nullptr);
}

Result<> Layers::apply_source(std::string_view file_name, std::string_view text, Origin origin,
                              std::vector<std::string>* mistakes) {
  DE_TRY(tree, parse_source(file_name, text));
  const Place place{file_name, true, mistakes};
  if (tree.is_null()) return {};
  if (!tree.is_map()) return fail(Errc::Invalid, place.of(tree) + ": expected keys and values");
  return apply_map(tree, "", place, origin);
}

Result<> Layers::apply_map(const Node& map, const std::string& prefix, const Place& place, Origin origin) {
  for (const auto& [name, value] : map.entries)
    DE_CHECK(place.judge(apply_entry(name, value, prefix + name.text, place, origin)));
  return {};
}

Result<> Layers::apply_entry(const Node& name, const Node& value, const std::string& path, const Place& place,
                             Origin origin) {
  if (const Key* key = find_key(path)) {
    const Source& before = source(key->info.path);
    if (before.origin == origin)
      return fail(Errc::Invalid, place.of(name) + ": " + path + ": already given at " + before.where);
    return apply_node(*key, value, place, origin);
  }
  if (!is_section(path))
    return fail(Errc::Invalid,
                place.of(name) + ": unknown key \"" + escape_controls(path.substr(0, 128)) + "\"" + nearest_key(path));
  if (value.is_null()) return {};  // A section whose keys are all commented out.
  if (!value.is_map())
    return fail(Errc::Invalid, place.of(value) + ": " + path + ": expected keys and values below it");
  return apply_map(value, path + ".", place, origin);
}

Result<> Layers::apply_node(const Key& key, const Node& node, const Place& place, Origin origin) {
  // Another program's key is known, and its value that program's business: a mistake there must not stop this one.
  if (!is_for(key, program_)) return {};
  DE_CHECK(assign(key.slot(all_), key.info, node, place));
  sources_[key.info.path] = {origin, place.of(node)};
  return {};
}

Result<> Layers::apply_text(const Key& key, std::string_view text, const Place& place, Origin origin) {
  DE_TRY(node, to_node(key.slot(all_), text, place));
  make_absolute(key.info, node);
  return apply_node(key, node, place, origin);
}

Result<> Layers::apply_environment(const char* const* env) {
  if (env == nullptr) return {};
  std::map<std::string, const Key*, std::less<>> own;
  std::map<std::string, const Key*, std::less<>> shared;
  for (const Key& key : keys()) {
    for (const std::string& name : env_names(key, program_))
      (name.starts_with(own_prefix(program_)) ? own : shared).emplace(name, &key);
  }
  // Shared names first, so that the program's own replace them whatever the order in `env`.
  for (const auto* known : {&shared, &own}) {
    for (std::size_t i = 0; env[i] != nullptr && i < kMaxVariables; ++i) {
      const std::string_view variable = env[i];
      const std::size_t equals = variable.find('=');
      if (equals == variable.npos || !known->contains(variable.substr(0, equals))) continue;
      DE_CHECK(apply_variable(variable.substr(0, equals), variable.substr(equals + 1), *known));
    }
  }
  const auto is_ours = [&](std::string_view name) {
    return std::ranges::any_of(std::array{Program::Procmond, Program::Agent, Program::Cli}, [&](Program other) {
      return other != program_ && name.starts_with(own_prefix(other)) && !name.starts_with(own_prefix(program_));
    });
  };
  std::vector<std::string_view> candidates;
  for (const auto* known : {&own, &shared})
    for (const auto& [name, key] : *known) candidates.push_back(name);
  for (std::size_t i = 0; env[i] != nullptr && i < kMaxVariables; ++i) {
    const std::string_view variable = env[i];
    const std::string_view name = variable.substr(0, variable.find('='));
    if (own.contains(name) || shared.contains(name) || is_ours(name)) continue;
    const bool own_name = name.starts_with(own_prefix(program_));
    if (!own_name && !name.starts_with(kSharedPrefix)) continue;
    const std::string what = escape_controls(name.substr(0, 128)) + ": no such setting" + suggestion(name, candidates);
    if (own_name) return fail(Errc::Invalid, what);
    // The shared prefix is also used by things that are not settings (tests, service files): said, not refused.
    warnings_.push_back(what);
  }
  return {};
}

Result<> Layers::apply_variable(std::string_view name, std::string_view value,
                                const std::map<std::string, const Key*, std::less<>>& known) {
  return apply_text(*known.find(name)->second, value, Place{name}, Origin::Environment);
}

Result<> Layers::apply_flags(const std::map<std::string, std::string>& flags) {
  for (const auto& [path, value] : flags) {
    const Key* key = find_key(path);
    if (key == nullptr || !is_for(*key, program_))
      return fail(Errc::Invalid, "command line: unknown key \"" + escape_controls(path) + "\"" + nearest_key(path));
    DE_CHECK(apply_text(*key, value, Place{"command line"}, Origin::Flag));
  }
  return {};
}

const Layers::Source& Layers::source(std::string_view path) const {
  static const Source kDefault;
  const auto found = sources_.find(path);
  return found == sources_.end() ? kDefault : found->second;
}

Result<> Layers::derive(std::string_view path, const std::string& value) {
  const Key* key = find_key(path);
  // The system and user file describe the installed instance, which a private one must not touch.
  if (!is_for(*key, program_) || source(path).origin > Origin::UserFile) return {};
  const Source base = source("state_dir");
  DE_CHECK(apply_text(*key, value, Place{base.where}, base.origin));
  sources_[key->info.path].where = "state_dir from " + base.where;
  return {};
}

Result<> Layers::derive_paths() {
  Paths& paths = all_.paths;
  while (paths.state_dir.size() > 1 && paths.state_dir.ends_with('/')) paths.state_dir.pop_back();
  const std::string below = paths.state_dir == "/" ? "/" : paths.state_dir + "/";
  paths.store_dir = below + "store";
  paths.spool_dir = below + "spool";
  paths.ledger_dir = below + "ledger";
  paths.is_private = source("state_dir").origin >= Origin::Environment;
  if (!paths.is_private) return {};
  DE_CHECK(derive("broker_socket", below + "broker.sock"));
  DE_CHECK(derive("control_socket", below + "control.sock"));
  // As a YAML list, because a directory's name may contain the ':' that separates a plain one.
  return derive("rules.dirs", "[" + json_string(below + "rules.d") + "]");
}

std::vector<Setting> Layers::settings() {
  std::vector<Setting> out;
  for (const Key& key : keys()) {
    if (!is_for(key, program_)) continue;
    const Source& from = source(key.info.path);
    out.push_back({key.info.path, show(key.slot(all_)), from.origin, from.where});
  }
  return out;
}

}  // namespace de::config
