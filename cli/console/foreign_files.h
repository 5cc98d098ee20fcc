// Files of rules that others wrote, and the rule files of ours they become.
//
// Thread: any.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::console {

constexpr std::size_t kMaxForeignFiles = 20'000;
constexpr std::size_t kMaxForeignFileBytes = 1UL << 20;

struct ForeignFile {
  std::string path;
  std::string name;  // Below the directory that was given.
};

// Files as they are named, and of directories all files below them with one of these endings (".yml"); sorted.
// Errors: TooLarge (more than kMaxForeignFiles), Denied, Io.
Result<std::vector<ForeignFile>> find_rule_files(const std::vector<std::string>& paths,
                                                 std::span<const std::string_view> endings);

// DIRECTORY/ID.yaml, unless it has that text already. Errors: those of replace_file().
Result<> write_rule(const std::string& directory, const std::string& id, const std::string& yaml);

}  // namespace de::console
