#include "integrity/file_watch.h"

#include <sys/stat.h>

#include <sstream>
#include <utility>

namespace de::integrity {

FileWatch::State FileWatch::state_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {true,
          {status.st_dev, status.st_ino},
          {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
          {status.st_ctim.tv_sec, status.st_ctim.tv_nsec}};
}

const char* FileWatch::compare(const State& before, const State& now) {
  if (!before.is_there) return "was added";
  if (!now.is_there) return "was removed";
  if (before.file != now.file) return "was replaced";
  if (before.content != now.content) return "was written to";
  return "has other rights or owners";
}

FileWatch::FileWatch(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) files_[path] = state_of(path);
}

FileWatch::FileWatch(const std::vector<std::string>& paths, std::string_view written_down) : FileWatch(paths) {
  std::istringstream lines{std::string(written_down)};
  for (std::string line; std::getline(lines, line);) recall(line);
  was_away_ = true;
}

std::vector<FileChange> FileWatch::look() {
  std::vector<FileChange> out;
  for (auto& [path, before] : files_) {
    const State now = state_of(path);
    if (before.is_there && before.file[0] == 0) before.file[0] = now.file[0];
    if (now == before) continue;
    out.push_back({path, compare(before, now), was_away_});
    before = now;
  }
  was_away_ = false;
  return out;
}

std::string FileWatch::to_text() const {
  std::ostringstream out;
  for (const auto& [path, state] : files_) {
    out << state.is_there << ' ' << state.file[1];
    for (const std::int64_t number : state.content) out << ' ' << number;
    for (const std::int64_t number : state.changed) out << ' ' << number;
    out << ' ' << path << '\n';
  }
  return out.str();
}

void FileWatch::recall(const std::string& line) {
  std::istringstream in(line);
  State state;
  in >> state.is_there >> state.file[1];
  for (std::int64_t& number : state.content) in >> number;
  for (std::int64_t& number : state.changed) in >> number;
  std::string path;
  if (in.get() != ' ' || !std::getline(in, path)) return;
  if (const auto found = files_.find(path); found != files_.end()) found->second = state;
}

}  // namespace de::integrity
