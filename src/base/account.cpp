#include "daemoneye/base/account.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "daemoneye/base/unique_fd.h"

namespace de {
namespace {

constexpr std::size_t kEntryBytes = 64UL * 1024;  // A group with thousands of members still fits.

Result<> check_access(const std::string& dir, const struct stat& status, std::span<const uid_t> owners) {
  if (std::ranges::find(owners, status.st_uid) == owners.end())
    return fail(Errc::Denied, dir + " belongs to uid " + std::to_string(status.st_uid) + ", not to uid " +
                                  std::to_string(owners.front()) + ": choose another directory or fix its owner");
  if ((status.st_mode & 022) != 0) return fail(Errc::Denied, dir + " can be written by others: chmod go-w " + dir);
  return {};
}

}  // namespace

Result<Account> find_account(const std::string& user) {
  std::array<char, kEntryBytes> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  uid_t number = 0;
  const auto [end, ec] = std::from_chars(user.data(), user.data() + user.size(), number);
  const bool is_number = ec == std::errc{} && end == user.data() + user.size();
  if (is_number) {
    ::getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
  } else {
    ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  }
  if (found != nullptr) return Account{found->pw_uid, found->pw_gid};
  if (is_number) return Account{number, number};
  return fail(Errc::NotFound, "there is no user " + user + "; create it or set `user` to one that exists");
}

Result<Account> find_account_or(const std::string& user, bool is_private, uid_t fixed) {
  auto found = find_account(user);
  if (!found && is_private) return Account{fixed, fixed};
  return found;
}

std::optional<gid_t> find_group(const std::string& group) {
  std::array<char, kEntryBytes> buffer{};
  ::group entry{};
  ::group* found = nullptr;
  ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

Result<> make_directory(const std::string& dir, mode_t mode) {
  if (::mkdir(dir.c_str(), mode) == 0 || errno == EEXIST) return {};
  const std::error_code os = last_os_error();
  if (os == std::errc::no_such_file_or_directory)
    return fail(Errc::NotFound, "create " + dir + ": the directory it belongs in does not exist; create that first");
  return fail(Errc::Io, "create " + dir, os);
}

Result<> check_directory(const std::string& dir, std::span<const uid_t> owners) {
  const UniqueFd fd(::open(dir.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(Errc::Denied, "open directory " + dir, last_os_error());
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail(Errc::Io, "stat " + dir, last_os_error());
  return check_access(dir, status, owners);
}

Result<> own_directory(const std::string& dir, const Account& account, mode_t mode) {
  DE_CHECK(make_directory(dir, mode));
  const bool is_root = ::geteuid() == 0;
  const std::array<uid_t, 2> owners = {account.uid, is_root ? 0 : account.uid};
  // Opened first and judged afterwards, so that nobody can exchange it in between.
  const UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    const std::error_code os = last_os_error();
    DE_CHECK(check_directory(dir, owners));  // Says whose it is, which explains more than a refusal.
    return fail(Errc::Denied, "open directory " + dir, os);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail(Errc::Io, "stat " + dir, last_os_error());
  DE_CHECK(check_access(dir, status, owners));
  if (is_root && ::fchown(fd.get(), account.uid, account.gid) != 0)
    return fail(Errc::Io, "chown " + dir, last_os_error());
  if (::fchmod(fd.get(), mode) != 0) return fail(Errc::Io, "chmod " + dir, last_os_error());
  return {};
}

}  // namespace de
