// The order matters and each step says why.
#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "daemoneye/base/unique_fd.h"
#include "daemoneye/guard/guard.h"

namespace de::guard {
namespace {

static_assert(kCapDacReadSearch == CAP_DAC_READ_SEARCH && kCapSysPtrace == CAP_SYS_PTRACE);
constexpr unsigned kMaxCapabilities = 64;

struct CapabilitySets {
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
};

tl::unexpected<Error> refused(const char* step) { return fail(Errc::Denied, step, last_os_error()); }

Result<CapabilitySets> read_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return refused("read capabilities");
  const auto join = [](std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; };
  return CapabilitySets{join(data[0].effective, data[1].effective), join(data[0].permitted, data[1].permitted),
                        join(data[0].inheritable, data[1].inheritable)};
}

// Effective and permitted become `keep`, inheritable becomes empty.
Result<> write_capabilities(std::uint64_t keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  data[0].effective = data[0].permitted = static_cast<std::uint32_t>(keep);
  data[1].effective = data[1].permitted = static_cast<std::uint32_t>(keep >> 32);
  if (::syscall(SYS_capset, &header, data) != 0) return refused("give up capabilities");
  return {};
}

// Bit n: capability n exists and is in the bounding set. Ends where the kernel knows no more.
std::uint64_t read_bounding_set(unsigned& known) {
  std::uint64_t mask = 0;
  known = 0;
  for (; known < kMaxCapabilities; ++known) {
    const int in = ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(known), 0UL, 0UL, 0UL);
    if (in < 0) break;
    if (in == 1) mask |= 1ULL << known;
  }
  return mask;
}

// Capabilities and securebits are per thread: one that already runs would keep everything.
Result<> require_single_thread() {
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), &::closedir);
  if (!tasks) return refused("list threads");
  int threads = 0;
  while (const dirent* item = ::readdir(tasks.get()))
    if (item->d_name[0] != '.' && ++threads > 1)
      return fail(Errc::Conflict, "other threads already run and would keep their privileges");
  return {};
}

// The bounding set and the securebits stop a later exec from regaining what is given up now. Both take CAP_SETPCAP.
void empty_bounding_set(std::uint64_t had, Held& held) {
  if ((had >> CAP_SETPCAP & 1) == 0) {
    held.notes.emplace_back("without CAP_SETPCAP the bounding set stays as it was");
    return;
  }
  unsigned known = 0;
  const std::uint64_t bounding = read_bounding_set(known);
  for (unsigned number = 0; number < known; ++number) {
    if ((bounding >> number & 1) == 0) continue;
    if (::prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(number), 0UL, 0UL, 0UL) != 0) {
      held.notes.push_back("the kernel kept " + capability_name(number) + " in the bounding set");
    }
  }
  constexpr unsigned long kBits =
      SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, kBits, 0UL, 0UL, 0UL) != 0)
    held.notes.emplace_back("the kernel refused the securebits that take meaning from uid 0");
}

// Errors: Denied.
Result<> change_identity(const GuardOptions& options) {
  // While still root: afterwards the groups of root's login would stay for good.
  if (::setgroups(0, nullptr) != 0) return refused("give up supplementary groups");
  // Otherwise leaving uid 0 clears the permitted set, the two we need included.
  if (::prctl(PR_SET_KEEPCAPS, 1UL, 0UL, 0UL, 0UL) != 0) return refused("keep capabilities across the change of user");
  // The group first: without uid 0 it could not be changed any more.
  if (::setresgid(options.gid, options.gid, options.gid) != 0) return refused("change group");
  if (::setresuid(options.uid, options.uid, options.uid) != 0) return refused("change user");
  if (::prctl(PR_SET_KEEPCAPS, 0UL, 0UL, 0UL, 0UL) != 0) return refused("stop keeping capabilities");
  return {};
}

// Fills `held` from the kernel. Errors: Denied; Corrupt when real, effective and saved ids differ.
Result<> read_back(Held& held) {
  uid_t uid = 0;
  uid_t euid = 0;
  uid_t suid = 0;
  gid_t gid = 0;
  gid_t egid = 0;
  gid_t sgid = 0;
  if (::getresuid(&uid, &euid, &suid) != 0 || ::getresgid(&gid, &egid, &sgid) != 0) return refused("read ids");
  if (uid != euid || uid != suid || gid != egid || gid != sgid)
    return fail(Errc::Corrupt, "real, effective and saved ids differ");
  held.uid = uid;
  held.gid = gid;
  const int groups = ::getgroups(0, nullptr);
  if (groups < 0) return refused("read groups");
  held.groups = static_cast<std::uint32_t>(groups);
  DE_TRY(sets, read_capabilities());
  held.caps_effective = sets.effective;
  held.caps_permitted = sets.permitted;
  held.caps_inheritable = sets.inheritable;
  unsigned known = 0;
  held.caps_bounding = read_bounding_set(known);
  held.no_new_privs = ::prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL) == 1;
  held.dumpable = ::prctl(PR_GET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0;
  return {};
}

// Compares what is held with what was asked for. Errors: Corrupt.
Result<> verify(const Held& held, const GuardOptions& options, std::uint64_t keep) {
  const auto wrong = [](const std::string& what) { return fail(Errc::Corrupt, "after the drop: " + what); };
  if (held.was_root && (held.uid != options.uid || held.gid != options.gid))
    return wrong("uid " + std::to_string(held.uid) + " and gid " + std::to_string(held.gid));
  if (held.was_root && held.groups != 0) return wrong(std::to_string(held.groups) + " supplementary groups");
  if (held.caps_effective != keep || held.caps_permitted != keep || held.caps_inheritable != 0)
    return wrong("capabilities " + capabilities_to_text(held.caps_effective | held.caps_permitted) + " instead of " +
                 capabilities_to_text(keep));
  for (unsigned number = 0; number < kMaxCapabilities; ++number)
    if (::prctl(PR_CAP_AMBIENT, static_cast<unsigned long>(PR_CAP_AMBIENT_IS_SET), static_cast<unsigned long>(number),
                0UL, 0UL) == 1)
      return wrong(capability_name(number) + " is ambient");
  if (!held.no_new_privs) return wrong("no_new_privs is not set");
  if (held.dumpable) return wrong("the process is dumpable");
  // The proof: the kernel itself must refuse the way back.
  if (::setresuid(0, 0, 0) == 0 || ::setuid(0) == 0 || ::geteuid() == 0) return wrong("root could be regained");
  if (held.was_root && (::setresgid(0, 0, 0) == 0 || ::getegid() == 0)) return wrong("group 0 could be regained");
  return {};
}

}  // namespace

Result<Held> drop(const GuardOptions& options) {
  Held held;
  held.was_root = ::geteuid() == 0;
  if (held.was_root && (options.uid == 0 || options.gid == 0))
    return fail(Errc::Invalid, "the user and the group to become must not be root");
  unsigned known = 0;
  (void)read_bounding_set(known);
  if (known < kMaxCapabilities && options.keep_caps >> known != 0)
    return fail(Errc::Invalid, "asked to keep a capability this kernel does not know");
  DE_CHECK(require_single_thread());

  DE_TRY(had, read_capabilities());
  const std::uint64_t keep = options.keep_caps & had.permitted;
  if (keep != options.keep_caps)
    held.notes.push_back("not available at start: " + capabilities_to_text(options.keep_caps & ~keep));
  empty_bounding_set(had.effective, held);
  if (held.was_root) {
    DE_CHECK(change_identity(options));
  } else {
    held.notes.push_back("not started as root: stays uid " + std::to_string(::getuid()) + " with its groups");
  }
  // Before capset: an ambient capability does not outlive its inheritable bit, but asking says so.
  if (::prctl(PR_CAP_AMBIENT, static_cast<unsigned long>(PR_CAP_AMBIENT_CLEAR_ALL), 0UL, 0UL, 0UL) != 0)
    return refused("clear ambient capabilities");
  DE_CHECK(write_capabilities(keep));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0) return refused("set no_new_privs");
  // Last: it makes /proc/self belong to root.
  if (::prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) != 0) return refused("become non-dumpable");

  DE_CHECK(read_back(held));
  DE_CHECK(verify(held, options, keep));
  return held;
}

}  // namespace de::guard
