// The layers of configuration, applied weakest first: files, environment, flags. Remembers where each value came from.
//
// Thread: any; one owner at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "keys.h"

namespace de::config {

class Layers {
 public:
  // `for_root`: files must be root's and nobody else's to write, also when root has been given up since.
  Layers(Program program, bool for_root) : program_(program), for_root_(for_root) {}

  // A missing file is Errc::NotFound, one that may not be read or trusted Errc::Denied; nothing was applied then.
  Result<> apply_file(const std::string& file_name, Origin origin);
  // The text of a file. With `mistakes` they are all gathered there, and only what is no YAML or TOML is an error.
  Result<> apply_source(std::string_view file_name, std::string_view text, Origin origin,
                        std::vector<std::string>* mistakes);
  Result<> apply_environment(const char* const* env);
  Result<> apply_flags(const std::map<std::string, std::string>& flags);

  // Places sockets and rules below a state directory that was given for this run, and derives the other paths.
  Result<> derive_paths();

  Everything& values() { return all_; }
  std::vector<Setting> settings();

  std::vector<std::string>& warnings() { return warnings_; }

 private:
  struct Source {
    Origin origin = Origin::Default;
    std::string where = "default";
  };

  Result<> apply_map(const Node& map, const std::string& prefix, const Place& place, Origin origin);
  Result<> apply_entry(const Node& name, const Node& value, const std::string& path, const Place& place, Origin origin);
  Result<> apply_node(const Key& key, const Node& node, const Place& place, Origin origin);
  Result<> apply_text(const Key& key, std::string_view text, const Place& place, Origin origin);
  Result<> apply_variable(std::string_view name, std::string_view value,
                          const std::map<std::string, const Key*, std::less<>>& known);
  Result<> derive(std::string_view path, const std::string& value);
  const Source& source(std::string_view path) const;

  Program program_;
  bool for_root_;
  Everything all_;
  std::map<std::string_view, Source> sources_;  // By key path; absent: default.
  std::vector<std::string> warnings_;
};

}  // namespace de::config
