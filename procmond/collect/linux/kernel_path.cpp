#include "collect/linux/kernel_path.h"

#include <algorithm>
#include <vector>

namespace de::collect {

std::string join_path(std::string_view components, bool cut) {
  std::vector<std::string_view> names;
  while (!components.empty()) {
    const std::size_t end = std::min(components.find('\0'), components.size());
    names.push_back(components.substr(0, end));
    components.remove_prefix(std::min(end + 1, components.size()));
  }
  std::string path;
  if (cut) path.append("...");
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    // A memfd's own name already looks like a path.
    if (!name->starts_with('/')) path += '/';
    path += *name;
  }
  if (path.empty()) path.push_back('/');
  return path;
}

}  // namespace de::collect
