#include "courier/secret_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "daemoneye/base/unique_fd.h"

namespace de::courier {

Result<std::string> read_secret(const std::string& key, const std::string& path, std::size_t max_bytes) {
  const std::string what = key + " " + path;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return fail(errno == ENOENT ? Errc::NotFound : Errc::Denied, what, last_os_error());
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return fail(Errc::Io, what, last_os_error());
  if (!S_ISREG(facts.st_mode)) return fail(Errc::Invalid, what + " is not a regular file");
  if ((facts.st_mode & 027) != 0)
    return fail(Errc::Denied, what + " may be read by others or written by its group: chmod 0640 " + path);
  std::string out(max_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < out.size()) {
    const ssize_t got = ::read(fd.get(), out.data() + size, out.size() - size);
    if (got < 0) {
      wipe(out);
      return fail(Errc::Io, what, last_os_error());
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > max_bytes) {
    wipe(out);
    return fail(Errc::TooLarge, what + " is longer than " + std::to_string(max_bytes) + " bytes");
  }
  out.resize(size);
  return out;
}

Result<std::string> read_token(const std::string& key, const std::string& path) {
  DE_TRY(out, read_secret(key, path, kMaxTokenBytes + 1));
  if (out.ends_with('\n')) out.pop_back();
  const std::string what = key + " " + path;
  if (out.size() > kMaxTokenBytes) {
    wipe(out);
    return fail(Errc::TooLarge, what + " is longer than " + std::to_string(kMaxTokenBytes) + " bytes");
  }
  const bool printable = std::ranges::all_of(out, [](char c) { return c > ' ' && c < 0x7f; });
  if (!out.empty() && printable) return std::move(out);
  wipe(out);
  return fail(Errc::Invalid, what + ": expected one line without spaces");
}

void wipe(std::string& secret) { ::explicit_bzero(secret.data(), secret.size()); }

}  // namespace de::courier
