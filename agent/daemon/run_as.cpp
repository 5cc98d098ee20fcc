#include "daemon/run_as.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "daemoneye/base/unique_fd.h"

namespace de::daemon {

Result<Account> find_account(const std::string& user) {
  std::array<char, 16 * 1024> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  unsigned number = 0;
  const auto [end, ec] = std::from_chars(user.data(), user.data() + user.size(), number);
  if (ec == std::errc{} && end == user.data() + user.size()) {
    ::getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) return Account{number, number};
  } else {
    ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr)
      return fail(Errc::NotFound, "there is no user " + user + "; create it or set `user` to one that exists");
  }
  return Account{found->pw_uid, found->pw_gid};
}

Result<Account> find_account_or(const std::string& user, bool is_private, uid_t fixed_uid, gid_t fixed_gid) {
  auto found = find_account(user);
  if (!found && is_private) return Account{fixed_uid, fixed_gid};
  return found;
}

std::optional<gid_t> find_group(const std::string& group) {
  std::array<char, 64 * 1024> buffer{};
  ::group entry{};
  ::group* found = nullptr;
  ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

Result<> own_directory(const std::string& dir, const Account& account, mode_t mode) {
  if (::mkdir(dir.c_str(), mode) != 0 && errno != EEXIST) return fail(Errc::Io, "create " + dir, last_os_error());
  const UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(Errc::Denied, "open directory " + dir, last_os_error());
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail(Errc::Io, "stat " + dir, last_os_error());
  if (status.st_uid != account.uid) {
    if (::geteuid() != 0)
      return fail(Errc::Denied, dir + " belongs to uid " + std::to_string(status.st_uid) + ", not to uid " +
                                    std::to_string(account.uid) + ": choose another --state-dir");
    if (status.st_uid != 0)
      return fail(Errc::Denied, dir + " belongs to uid " + std::to_string(status.st_uid) +
                                    "; it must belong to root or uid " + std::to_string(account.uid));
    if (::fchown(fd.get(), account.uid, account.gid) != 0) return fail(Errc::Io, "chown " + dir, last_os_error());
  }
  if ((status.st_mode & 022) != 0) return fail(Errc::Denied, dir + " can be written by others: chmod go-w " + dir);
  if (::fchmod(fd.get(), mode) != 0) return fail(Errc::Io, "chmod " + dir, last_os_error());
  return {};
}

Result<> become(const Account& account) {
  if (::geteuid() == 0) {
    if (account.uid == 0) return fail(Errc::Invalid, "the agent does not run as root: set `user` to another account");
    if (::setgroups(0, nullptr) != 0) return fail(Errc::Denied, "drop groups", last_os_error());
    if (::setresgid(account.gid, account.gid, account.gid) != 0)
      return fail(Errc::Denied, "change group", last_os_error());
    if (::setresuid(account.uid, account.uid, account.uid) != 0)
      return fail(Errc::Denied, "change user", last_os_error());
    if (::setuid(0) == 0) return fail(Errc::Denied, "root could be regained after the drop");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(Errc::Denied, "no_new_privs", last_os_error());
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail(Errc::Denied, "non-dumpable", last_os_error());
  return {};
}

}  // namespace de::daemon
