// One line of JSON lines: a flat object, its texts decoded, everything else as it is written.
//
// Thread: any (pure).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace de::system_test {

using JsonRow = std::map<std::string, std::string, std::less<>>;

// Empty when it is not such an object.
JsonRow parse_json_row(std::string_view line);

}  // namespace de::system_test
