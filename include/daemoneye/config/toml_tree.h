// TOML text as the tree that YAML text becomes, with the same bounds. The only place that knows the TOML library.
//
// Thread: any (values).
#pragma once

#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/config/yaml_tree.h"

namespace de::config {

// An empty file is an empty map. Dates, times and numbers with a fraction have no meaning in a configuration and are
// refused. `file_name` only appears in errors.
Result<Node> parse_toml(std::string_view file_name, std::string_view text);

}  // namespace de::config
