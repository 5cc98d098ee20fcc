// Notices that files of ours are not as they were: replaced, written to, removed, added, or given to somebody else. By
// what stat() says, the time of change included, which nobody can set back; what is in them is not read.
//
// Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace de::integrity {

struct FileChange {
  std::string path;
  std::string what;  // "was replaced", "was written to", "was removed", "was added", "has other rights or owners"
};

class FileWatch {
 public:
  FileWatch() = default;
  // Remembers how each is; one that is not there may be added later.
  explicit FileWatch(const std::vector<std::string>& paths);
  // Since the last look. One call of stat() a file.
  std::vector<FileChange> look();

 private:
  struct State {
    bool is_there = false;
    std::array<std::uint64_t, 2> file{};    // Device, inode.
    std::array<std::int64_t, 3> content{};  // Bytes, modified (s, ns).
    std::array<std::int64_t, 2> changed{};  // s, ns
    bool operator==(const State&) const = default;
  };
  static State state_of(const std::string& path);
  static const char* compare(const State& before, const State& now);

  std::map<std::string, State> files_;
};

}  // namespace de::integrity
