// Notices that files of ours are not as they were: replaced, written to, removed, added, or given to somebody else. By
// what stat() says, the time of change included, which nobody can set back; what is in them is not read. What was found
// can be written down and be compared with after a restart.
//
// Thread: one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace de::integrity {

struct FileChange {
  std::string path;
  std::string what;  // "was replaced", "was written to", "was removed", "was added", "has other rights or owners"
  bool while_away = false;  // Between what was written down and the first look.
};

class FileWatch {
 public:
  FileWatch() = default;
  // Remembers how each is; one that is not there may be added later.
  explicit FileWatch(const std::vector<std::string>& paths);
  // What to_text() gave stands for how those were that it knows. What is no such text is passed over.
  FileWatch(const std::vector<std::string>& paths, std::string_view written_down);

  // Since the last look. One call of stat() a file.
  std::vector<FileChange> look();
  // A line for each file. Without the device, whose number may be another after the host was started again.
  std::string to_text() const;

 private:
  struct State {
    bool is_there = false;
    std::array<std::uint64_t, 2> file{};    // Device (0: unknown), inode.
    std::array<std::int64_t, 3> content{};  // Bytes, modified (s, ns).
    std::array<std::int64_t, 2> changed{};  // s, ns
    bool operator==(const State&) const = default;
  };
  static State state_of(const std::string& path);
  static const char* compare(const State& before, const State& now);
  void recall(const std::string& line);

  std::map<std::string, State> files_;
  bool was_away_ = false;
};

}  // namespace de::integrity
