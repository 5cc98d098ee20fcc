#include "integrity/file_watch.h"

#include <sys/stat.h>

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

std::vector<FileChange> FileWatch::look() {
  std::vector<FileChange> out;
  for (auto& [path, before] : files_) {
    const State now = state_of(path);
    if (now == before) continue;
    out.push_back({path, compare(before, now)});
    before = now;
  }
  return out;
}

}  // namespace de::integrity
