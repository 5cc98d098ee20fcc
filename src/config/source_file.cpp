#include "daemoneye/config/source_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemoneye/base/unique_fd.h"
#include "daemoneye/config/toml_tree.h"

namespace de::config {
namespace {

constexpr std::array<std::string_view, 4> kEndings{".yaml", ".yml", ".json", ".toml"};

Errc to_errc(int os_error) {
  if (os_error == ENOENT || os_error == ENOTDIR) return Errc::NotFound;
  return os_error == EACCES || os_error == EPERM ? Errc::Denied : Errc::Io;
}

// Whoever can write root's configuration decides what root does.
Result<> check_trust(const std::string& file_name, const struct stat& status, bool for_root) {
  if (!S_ISREG(status.st_mode)) return fail(Errc::Invalid, file_name + ": not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) > kMaxYamlBytes)
    return fail(Errc::TooLarge, file_name + ": larger than " + std::to_string(kMaxYamlBytes) + " bytes");
  if (!for_root && ::geteuid() != 0) return {};
  if (status.st_uid != 0)
    return fail(Errc::Denied, file_name + ": belongs to uid " + std::to_string(status.st_uid) +
                                  "; root reads only its own configuration (chown root)");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Errc::Denied, file_name + ": others than root may write it (chmod go-w)");
  return {};
}

}  // namespace

std::vector<std::string> possible_sources(const std::string& usual) {
  const auto ending = std::ranges::find_if(kEndings, [&](std::string_view one) { return usual.ends_with(one); });
  if (ending == kEndings.end()) return {usual};
  const std::string stem = usual.substr(0, usual.size() - ending->size());
  std::vector<std::string> out;
  for (const std::string_view one : kEndings) out.push_back(stem + std::string(one));
  return out;
}

Result<std::string> choose_source(const std::string& usual) {
  std::string found;
  for (const std::string& name : possible_sources(usual)) {
    struct stat status {};
    if (::lstat(name.c_str(), &status) != 0) continue;  // What may not be looked at fails when it is opened.
    if (!found.empty())
      return fail(Errc::Invalid, "two configuration files in one place: " + found + " and " + name +
                                     "; keep one and remove the other");
    found = name;
  }
  return found.empty() ? usual : found;
}

Result<std::string> read_source(const std::string& file_name, bool for_root) {
  // O_NONBLOCK: a FIFO in this place must not stop the program before its type is known.
  const UniqueFd file(::open(file_name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return fail(to_errc(errno), file_name, last_os_error());
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(Errc::Io, file_name, last_os_error());
  DE_CHECK(check_trust(file_name, status, for_root));
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::Io, file_name, last_os_error());
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxYamlBytes) return fail(Errc::TooLarge, file_name + ": grew while it was read");
  }
}

bool is_toml(std::string_view file_name) { return file_name.ends_with(".toml"); }

Result<Node> parse_source(std::string_view file_name, std::string_view text) {
  return is_toml(file_name) ? parse_toml(file_name, text) : parse_yaml(file_name, text);
}

}  // namespace de::config
