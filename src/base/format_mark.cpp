#include "daemoneye/base/format_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "daemoneye/base/unique_fd.h"

namespace de {
namespace {

constexpr mode_t kMode = 0640;

// Without the file data counts as of this format. What cannot be written now (a full disk) is written at another start.
void write_mark(const std::string& path, std::uint32_t number) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!fd) return;
  const std::string text = std::to_string(number) + "\n";
  (void)!::write(fd.get(), text.data(), text.size());
  (void)::fsync(fd.get());
}

}  // namespace

Result<> check_format(const std::string& dir, std::uint32_t known) {
  const std::string path = dir + "/format";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno != ENOENT) return fail(Errc::Io, "open " + path, last_os_error());
  std::array<char, 32> text{};
  ssize_t size = 0;
  if (fd) size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) return fail(Errc::Io, "read " + path, last_os_error());
  if (size == 0) {
    write_mark(path, known);
    return {};
  }
  std::uint32_t found = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + size, found);
  if (ec != std::errc{} || end == text.data() + size || *end != '\n')
    return fail(Errc::Corrupt, path + " holds no number: remove it if " + dir + " was written by this version");
  if (found == known) return {};
  const bool is_newer = found > known;
  return fail(Errc::Unsupported, dir + " was written by " + (is_newer ? "a newer" : "an older") +
                                     " DaemonEye (format " + std::to_string(found) + ", this one knows " +
                                     std::to_string(known) + "); nothing was changed. Install that version again, " +
                                     "or move " + dir + " away to start with an empty one");
}

}  // namespace de
