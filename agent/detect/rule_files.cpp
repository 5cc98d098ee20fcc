#include "detect/rule_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "daemoneye/base/unique_fd.h"
#include "detect/rule.h"

namespace de::detect {
namespace {

Errc code_of(std::error_code os) {
  if (os == std::errc::no_such_file_or_directory) return Errc::NotFound;
  return os == std::errc::permission_denied ? Errc::Denied : Errc::Io;
}

bool is_rule_name(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".sql"));
}

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

FileStamp stamp_of(const struct stat& info) {
  return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

}  // namespace

Result<std::vector<FoundFile>> list_rule_files(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir) {
    const std::error_code os = last_os_error();
    if (os == std::errc::no_such_file_or_directory) return std::vector<FoundFile>{};
    return fail(code_of(os), directory, os);
  }
  std::vector<FoundFile> files;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (!is_rule_name(name)) continue;
    if (files.size() == kMaxFilesPerDirectory)
      return fail(Errc::TooLarge, directory + ": more than " + std::to_string(kMaxFilesPerDirectory) + " rule files");
    struct stat info {};
    // A dangling link or a file deleted just now keeps its empty stamp; reading it will say what is wrong.
    if (::fstatat(::dirfd(dir.get()), entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode)) continue;
    files.push_back({directory + "/" + std::string(name), stamp_of(info)});
  }
  std::sort(files.begin(), files.end(), [](const FoundFile& a, const FoundFile& b) { return a.path < b.path; });
  return files;
}

Result<std::string> read_rule_file(const std::string& path) {
  // NONBLOCK, so that a pipe somebody named x.yaml does not hang the agent.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), path, os);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, path, last_os_error());
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, path + ": not a regular file");
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::Io, path, last_os_error());
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kMaxRuleFileBytes) return fail(Errc::TooLarge, path + ": larger than 1 MiB");
  }
}

}  // namespace de::detect
