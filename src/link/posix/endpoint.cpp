// Against whom: somebody who can write to the directory of the socket, a second agent started by mistake, and a peer
// that connects before owner and mode are set. The last cannot happen: connect() is refused until listen(), which comes
// after everything else.
#include "../endpoint.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

namespace de::link {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxPathBytes = sizeof(sockaddr_un::sun_path) - 1;  // 107 on Linux; one byte ends the string.
constexpr int kLockAttempts = 50;  // Together one second: another agent needs milliseconds to start or give up.
constexpr auto kLockPause = 20ms;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), kMaxPathBytes));
  return address;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

bool is_permission(std::error_code os) {
  return os == std::errc::permission_denied || os == std::errc::operation_not_permitted ||
         os == std::errc::read_only_file_system;
}

bool is_exhaustion(std::error_code os) {
  return os == std::errc::too_many_files_open || os == std::errc::too_many_files_open_in_system ||
         os == std::errc::no_buffer_space || os == std::errc::not_enough_memory;
}

Errc code_of(std::error_code os) {
  if (is_permission(os)) return Errc::Denied;
  if (os == std::errc::no_such_file_or_directory || os == std::errc::not_a_directory) return Errc::NotFound;
  return is_exhaustion(os) ? Errc::Exhausted : Errc::Io;
}

// Errors: NotFound, Denied, Io.
Result<UniqueFd> open_directory(const std::string& directory) {
  UniqueFd opened(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), "directory " + directory + " of the socket cannot be opened", os);
  }
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) return fail(Errc::Io, "stat " + directory, last_os_error());
  if ((status.st_mode & (S_IWOTH | S_IWGRP)) != 0 && (status.st_mode & S_ISVTX) == 0)
    return fail(Errc::Denied, "directory " + directory +
                                  " is writable by others, who could replace the socket: chmod go-w " + directory);
  return opened;
}

// Held while a listener looks for a stale socket and replaces it. Without it two agents that start together both find
// the stale one, and the second removes the socket the first has just made.
class StartLock {
 public:
  static Result<StartLock> acquire(int directory, const std::string& path, const std::string& name);
  StartLock(StartLock&& other) noexcept = default;
  StartLock& operator=(StartLock&&) = delete;
  ~StartLock() {
    // Removed while locked: whoever waits for this file notices that it is no longer the one in the directory.
    if (file_) (void)::unlinkat(directory_, name_.c_str(), 0);
  }

 private:
  StartLock(int directory, std::string name, UniqueFd file)
      : directory_(directory), name_(std::move(name)), file_(std::move(file)) {}

  int directory_;
  std::string name_;
  UniqueFd file_;
};

// True when `file` is what `name` in `directory` stands for.
bool is_current(int directory, const std::string& name, int file) {
  struct stat held {};
  struct stat named {};
  return ::fstat(file, &held) == 0 && ::fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

Result<StartLock> StartLock::acquire(int directory, const std::string& path, const std::string& name) {
  std::string lock_name = name + ".lock";
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    UniqueFd file(::openat(directory, lock_name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
      const std::error_code os = last_os_error();
      return fail(code_of(os), "cannot create " + path + ".lock", os);
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && is_current(directory, lock_name, file.get()))
      return StartLock(directory, std::move(lock_name), std::move(file));
    std::this_thread::sleep_for(kLockPause);
  }
  return fail(Errc::Conflict, "another agent is starting on " + path);
}

bool is_socket_at(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || S_ISSOCK(status.st_mode);
}

}  // namespace

std::chrono::milliseconds bounded(std::chrono::milliseconds limit) {
  return std::clamp<std::chrono::milliseconds>(limit, 0ms, 24h);
}

Result<> check_socket_path(const std::string& path) {
  if (path.empty()) return fail(Errc::Invalid, "the socket path is empty");
  if (path.size() > kMaxPathBytes)
    return fail(Errc::Invalid, "socket path of " + std::to_string(path.size()) + " bytes, the system allows " +
                                   std::to_string(kMaxPathBytes) + ": " + path);
  if (path.find('\0') != path.npos) return fail(Errc::Invalid, "the socket path contains a NUL byte");
  return {};
}

Result<UniqueFd> make_socket() {
  UniqueFd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (made) return made;
  const std::error_code os = last_os_error();
  return fail(is_exhaustion(os) ? Errc::Exhausted : Errc::Io, "make a socket", os);
}

Result<bool> try_connect(int socket, const std::string& path) {
  const sockaddr_un address = address_of(path);
  if (::connect(socket, as_sockaddr(address), sizeof(address)) == 0) return true;
  const std::error_code os = last_os_error();
  if (os == std::errc::resource_unavailable_try_again || os == std::errc::interrupted) return false;
  if (os == std::errc::connection_refused) {
    // The kernel says the same of a file that is not a socket.
    if (!is_socket_at(path)) return fail(Errc::Invalid, path + " is not a socket");
    return fail(Errc::Closed, "nobody is listening on " + path, os);
  }
  if (os == std::errc::wrong_protocol_type) return fail(Errc::Invalid, path + " is not a stream socket", os);
  const Errc code = code_of(os);
  if (code == Errc::NotFound) return fail(code, "no socket at " + path, os);
  if (code == Errc::Denied) return fail(code, "no permission to connect to " + path, os);
  return fail(code, "connect to " + path, os);
}

Result<UniqueFd> accept_from(int listening) {
  UniqueFd accepted(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (accepted) return accepted;
  const std::error_code os = last_os_error();
  const bool gone_again = os == std::errc::resource_unavailable_try_again || os == std::errc::interrupted ||
                          os == std::errc::connection_aborted;
  if (gone_again) return UniqueFd();
  return fail(is_exhaustion(os) ? Errc::Exhausted : Errc::Io, "accept a connection", os);
}

SocketFile::SocketFile(UniqueFd directory, std::string name)
    : directory_(std::move(directory)), name_(std::move(name)) {}

Result<SocketFile> SocketFile::create(int socket, const ListenOptions& options) {
  const std::string& path = options.path;
  DE_CHECK(check_socket_path(path));
  const std::size_t slash = path.rfind('/');
  std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return fail(Errc::Invalid, "socket path names a directory: " + path);

  DE_TRY(directory, open_directory(slash == path.npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1))));
  SocketFile file(std::move(directory), std::move(name));
  DE_TRY(lock, StartLock::acquire(file.directory_.get(), path, file.name_));
  (void)lock;  // Until this function returns.
  DE_CHECK(file.clear_stale(path));
  DE_CHECK(file.bind(socket, path));
  Result<> ready = file.set_access(options);
  if (ready && ::listen(socket, options.queued) != 0) ready = fail(Errc::Io, "listen on " + path, last_os_error());
  if (!ready) {
    file.remove();
    return fail(std::move(ready).error());
  }
  return file;
}

Result<> SocketFile::clear_stale(const std::string& path) const {
  struct stat found {};
  if (::fstatat(directory_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    const std::error_code os = last_os_error();
    if (os == std::errc::no_such_file_or_directory) return {};
    return fail(code_of(os), "stat " + path, os);
  }
  if (!S_ISSOCK(found.st_mode))
    return fail(Errc::Conflict, path + " exists and is not a socket: remove it or choose another path");
  if (found.st_uid != ::geteuid())
    return fail(Errc::Denied, path + " is a socket of uid " + std::to_string(found.st_uid) +
                                  ", not ours to replace: remove it or choose another path");

  DE_TRY(probe, make_socket());
  const Result<bool> answered = try_connect(probe.get(), path);
  if (answered) return fail(Errc::Conflict, "another agent is listening on " + path);
  if (answered.error().code() != Errc::Closed) return fail(Error(answered.error()).during("replace a stale socket"));
  if (::unlinkat(directory_.get(), name_.c_str(), 0) == 0) return {};
  const std::error_code os = last_os_error();
  return fail(code_of(os), "remove the stale socket " + path, os);
}

Result<> SocketFile::bind(int socket, const std::string& path) {
  // Linux gives the file the mode of the descriptor, so that even for an instant it is not open to others.
  (void)::fchmod(socket, 0600);  // Elsewhere this fails, and listen() still comes after set_access().
  const sockaddr_un address = address_of(path);
  if (::bind(socket, as_sockaddr(address), sizeof(address)) != 0) {
    const std::error_code os = last_os_error();
    if (os == std::errc::address_in_use) return fail(Errc::Conflict, path + " appeared while we were starting", os);
    return fail(code_of(os), "bind " + path, os);
  }
  struct stat made {};
  if (::fstatat(directory_.get(), name_.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(made.st_mode))
    return fail(Errc::Conflict, path + " was replaced while we were starting");
  device_ = made.st_dev;
  inode_ = made.st_ino;
  maker_ = ::getpid();
  return {};
}

Result<> SocketFile::set_access(const ListenOptions& options) const {
  if (options.group &&
      ::fchownat(directory_.get(), name_.c_str(), static_cast<uid_t>(-1), *options.group, AT_SYMLINK_NOFOLLOW) != 0) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), "give " + options.path + " to group " + std::to_string(*options.group), os);
  }
  if (::fchmodat(directory_.get(), name_.c_str(), options.mode & 0777, 0) != 0) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), "set the mode of " + options.path, os);
  }
  return {};
}

void SocketFile::remove() {
  if (maker_ == 0 || maker_ != ::getpid()) return;
  maker_ = 0;
  struct stat named {};
  if (::fstatat(directory_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (named.st_dev != device_ || named.st_ino != inode_) return;
  (void)::unlinkat(directory_.get(), name_.c_str(), 0);  // See the declaration.
}

}  // namespace de::link
