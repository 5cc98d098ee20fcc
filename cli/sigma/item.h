// One line of a Sigma detection, `Field|modifier: value`, as an SQL condition.
// Source: Sigma rules specification 2.1.0 and its modifiers appendix.
//
// Thread: any (pure functions).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/config/yaml_tree.h"
#include "sigma/fields.h"

namespace de::sigma {

// What `|expand` puts in for %name%.
using Placeholders = std::map<std::string, std::vector<std::string>, std::less<>>;

struct Scope {
  std::string_view file;  // For errors.
  const LogSource& source;
  const Placeholders& placeholders;
};

// `key` without a field is a detection by keywords. Errors: Invalid, with "file:line:column:".
Result<std::string> item_to_sql(const Scope& scope, const config::Node& key, const config::Node& values);
// The items of a list, or the one value there is.
std::span<const config::Node> values_of(const config::Node& node);

// Any of these in any field.
Result<std::string> keywords_to_sql(const Scope& scope, const config::Node& values, bool all);

// "file:3:7: " + what.
Error complaint(std::string_view file, const config::Node& node, const std::string& what);

}  // namespace de::sigma
