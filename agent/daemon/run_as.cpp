#include "daemon/run_as.h"

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemoneye/base/unique_fd.h"

namespace de::daemon {

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
