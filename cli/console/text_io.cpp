#include "console/text_io.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemoneye/base/text.h"
#include "daemoneye/base/unique_fd.h"

namespace de::console {
namespace {

constexpr std::size_t kUsualWidth = 80;  // Of a terminal that does not say.

std::string_view find_variable(const char* const* env, std::string_view name) {
  for (; env != nullptr && *env != nullptr; ++env) {
    const std::string_view variable = *env;
    if (variable.size() > name.size() && variable.starts_with(name) && variable[name.size()] == '=')
      return variable.substr(name.size() + 1);
  }
  return {};
}

}  // namespace

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno == EPIPE ? Errc::Closed : Errc::Io, "write the result", last_os_error());
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

ExitCode exit_code_for(const Error& error) {
  if (error.code() == Errc::Denied) return ExitCode::NotPermitted;
  const bool is_wrong_input =
      error.code() == Errc::Invalid || error.code() == Errc::TooLarge || error.code() == Errc::Unsupported;
  return is_wrong_input ? ExitCode::Usage : ExitCode::Failed;
}

ExitCode say_error(const Error& error, const Streams& streams) {
  say(streams, error.message());
  return exit_code_for(error);
}

void say(const Streams& streams, std::string_view message) {
  std::string line = "daemoneye-cli: ";
  // The agent's messages may have several lines (where in a statement a mistake is); each is escaped by itself.
  for (std::size_t start = 0; start < message.size();) {
    const std::size_t end = std::min(message.find('\n', start), message.size());
    line += escape_controls(message.substr(start, end - start)) + "\n";
    start = end + 1;
  }
  (void)write_all(streams.err, line);  // There is nowhere left to complain.
}

Result<std::string> read_all(int fd, std::string_view name, std::size_t limit_bytes) {
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno == EISDIR ? Errc::Invalid : Errc::Io, std::string(name), last_os_error());
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > limit_bytes)
      return fail(Errc::TooLarge, std::string(name) + ": larger than " + std::to_string(limit_bytes) + " bytes");
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit_bytes) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::NotFound : errno == EACCES ? Errc::Denied : Errc::Io;
    return fail(code, path, last_os_error());
  }
  return read_all(file.get(), path, limit_bytes);
}

Screen screen_of(int fd, const char* const* env, bool no_color) {
  Screen screen;
  if (::isatty(fd) == 0) return screen;
  winsize size{};
  const bool known = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  screen.width = known ? size.ws_col : kUsualWidth;
  const std::string_view term = find_variable(env, "TERM");
  screen.color = !no_color && find_variable(env, "NO_COLOR").empty() && !term.empty() && term != "dumb";
  return screen;
}

}  // namespace de::console
