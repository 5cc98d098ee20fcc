// Configuration files: which one of a directory, whether it may be trusted, and its text as a tree.
//
// Thread: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/config/yaml_tree.h"

namespace de::config {

// `usual`, or the file of the same name with another ending that is there instead: .yaml, .yml, .json or .toml.
// Errc::Invalid, naming them, when there are several: nobody could say which of them counts.
Result<std::string> choose_source(const std::string& usual);

// `usual` with each of the endings; only `usual` when it has another one.
std::vector<std::string> possible_sources(const std::string& usual);

// Errors: NotFound, Denied (also what root must not trust, because others can change it), Invalid (no regular file),
// TooLarge, Io.
Result<std::string> read_source(const std::string& file_name, bool for_root);

// TOML for a name that ends in .toml, else YAML, of which JSON is a part.
Result<Node> parse_source(std::string_view file_name, std::string_view text);
bool is_toml(std::string_view file_name);

}  // namespace de::config
