#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "daemoneye/guard/guard.h"
#include "in_child.h"

namespace de::guard {
namespace {

constexpr std::uint32_t kUid = 64123;
constexpr std::uint32_t kGid = 64124;

GuardOptions options() { return {kUid, kGid, kOpenerCaps}; }

bool opens(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

// As root, in a child: drops first, then runs `body`. ThreadSanitizer's own
// thread makes drop() refuse.
#define EXPECT_AFTER_DROP(body)                                                    \
  do {                                                                             \
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";                            \
    const int code = in_child([]() -> int {                                        \
      const auto dropped = drop(options());                                        \
      if (!dropped) return dropped.error().code() == Errc::Conflict ? kSkip : 200; \
      const auto checks = body;                                                    \
      return checks(*dropped);                                                     \
    });                                                                            \
    if (code == kSkip) GTEST_SKIP() << "this build has a thread of its own";       \
    EXPECT_EQ(code, 0);                                                            \
  } while (false)

TEST(Drop, HoldsExactlyWhatWasDeclared) {
  EXPECT_AFTER_DROP([](const Held& held) {
    if (held.uid != kUid || held.gid != kGid || held.groups != 0 || !held.was_root) return 1;
    if (::getuid() != kUid || ::geteuid() != kUid || ::getegid() != kGid || ::getgroups(0, nullptr) != 0) return 2;
    if ((held.caps_effective & ~kOpenerCaps) != 0 || held.caps_effective != held.caps_permitted) return 3;
    if (held.caps_inheritable != 0 || held.caps_bounding != 0) return 4;
    if (!held.no_new_privs || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 5;
    if (held.dumpable || ::prctl(PR_GET_DUMPABLE) != 0) return 6;
    if (held.caps_effective != kOpenerCaps && held.notes.empty()) return 7;
    return 0;
  });
}

TEST(Drop, RootCannotBeRegained) {
  EXPECT_AFTER_DROP([](const Held&) {
    if (::setuid(0) == 0) return 1;
    if (::seteuid(0) == 0) return 2;
    if (::setgid(0) == 0) return 3;
    const gid_t root = 0;
    if (::setgroups(1, &root) == 0) return 4;
    return ::geteuid() == kUid ? 0 : 5;
  });
}

// Of whoever started it: groups that let it read more, and ways back to what
// root may do.
TEST(Drop, NothingOfALoginStays) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const int code = in_child([] {
    const gid_t groups[] = {0, 4, 42};
    if (::setgroups(3, groups) != 0) return 201;
    const auto held = drop(options());
    if (!held) return held.error().code() == Errc::Conflict ? kSkip : 200;
    if (held->groups != 0 || ::getgroups(0, nullptr) != 0) return 1;
    if (::prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) != 0) return 2;
    constexpr int kLocked =
        SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    return (::prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & kLocked) == kLocked ? 0 : 3;
  });
  if (code == kSkip) GTEST_SKIP();
  EXPECT_EQ(code, 0);
}

TEST(Drop, RootOnlyFilesCanBeReadButNotWritten) {
  EXPECT_AFTER_DROP([](const Held& held) {
    const bool may_read = (held.caps_effective >> kCapDacReadSearch & 1) != 0;
    if (opens("/etc/shadow", O_RDONLY) != may_read) return 1;
    if (opens("/etc/shadow", O_WRONLY)) return 2;
    if (opens("/etc/passwd", O_WRONLY | O_APPEND)) return 3;
    if (opens("/etc/de_guard_test", O_WRONLY | O_CREAT)) return 4;
    if (::chown("/etc/passwd", kUid, kGid) == 0) return 5;
    if (::kill(1, 0) == 0) return 6;
    return 0;
  });
}

TEST(Drop, OtherUsersExecutablesStayVisible) {
  EXPECT_AFTER_DROP([](const Held& held) {
    if ((held.caps_effective >> kCapSysPtrace & 1) == 0) return 0;  // Noted in Held, tested above.
    // The parent is root's and more privileged than we are now.
    const std::string link = "/proc/" + std::to_string(::getppid()) + "/exe";
    char target[256];
    return ::readlink(link.c_str(), target, sizeof(target)) > 0 ? 0 : 1;
  });
}

TEST(Drop, ExecGainsNothing) {
  EXPECT_AFTER_DROP([](const Held&) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", "grep -q '^CapEff:.0000000000000000$' /proc/self/status", nullptr);
      ::_exit(99);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
  });
}

TEST(Drop, FilesOpenedBeforeStayUsable) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  char name[] = "/tmp/de_guard_XXXXXX";
  const int fd = ::mkstemp(name);
  ASSERT_GE(fd, 0);
  const int code = in_child([fd] {
    const auto held = drop(options());
    if (!held) return held.error().code() == Errc::Conflict ? kSkip : 200;
    return ::write(fd, "x", 1) == 1 ? 0 : 1;
  });
  ::close(fd);
  ::unlink(name);
  if (code == kSkip) GTEST_SKIP();
  EXPECT_EQ(code, 0);
}

TEST(Drop, KeepingNothingIsPossible) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const int code = in_child([] {
    const auto held = drop({kUid, kGid, 0});
    if (!held) return held.error().code() == Errc::Conflict ? kSkip : 200;
    if (held->caps_effective != 0 || held->caps_bounding != 0) return 1;
    return opens("/etc/shadow", O_RDONLY) ? 2 : 0;
  });
  if (code == kSkip) GTEST_SKIP();
  EXPECT_EQ(code, 0);
}

TEST(Drop, TwiceIsTheSecondTimeAsSomebodyElse) {
  EXPECT_AFTER_DROP([](const Held& first) {
    const auto second = drop({kUid, kGid, kOpenerCaps});
    // The task list of a non-dumpable process belongs to root; with the
    // capabilities it can still be read.
    if (!second) return first.caps_effective == kOpenerCaps ? 1 : 0;
    if (second->was_root || second->notes.empty()) return 2;
    return second->caps_effective == first.caps_effective ? 0 : 3;
  });
}

TEST(Drop, NotRootKeepsItsUserAndSaysSo) {
  const int code = in_child([] {
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setresgid(kGid, kGid, kGid) != 0 || ::setresuid(kUid, kUid, kUid) != 0))
      return 201;
    // Leaving root made us non-dumpable, which an ordinary start is not.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const uid_t me = ::getuid();
    const auto held = drop({1, 1, kOpenerCaps});
    if (!held) return held.error().code() == Errc::Conflict ? kSkip : 200;
    if (held->was_root || held->uid != me || ::getuid() != me) return 1;
    if (held->caps_effective != 0 || !held->no_new_privs || held->dumpable) return 2;
    if (held->notes.size() != 3) return 3;  // No capabilities to keep, bounding set, user.
    return held->to_json().find("not started as root") != std::string::npos ? 0 : 4;
  });
  if (code == kSkip) GTEST_SKIP();
  EXPECT_EQ(code, 0);
}

TEST(Drop, RefusesToBecomeRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  for (const auto& [uid, gid] : {std::pair{0u, kGid}, {kUid, 0u}, {0u, 0u}}) {
    const int code = in_child([uid = uid, gid = gid] {
      const auto held = drop({uid, gid, kOpenerCaps});
      return !held && held.error().code() == Errc::Invalid ? 0 : 1;
    });
    EXPECT_EQ(code, 0);
  }
}

TEST(Drop, RefusesUnknownCapabilities) {
  EXPECT_EQ(in_child([] {
              const auto held = drop({kUid, kGid, 1ULL << 63});
              return !held && held.error().code() == Errc::Invalid ? 0 : 1;
            }),
            0);
}

TEST(Drop, RefusesWhenThreadsRun) {
  EXPECT_EQ(in_child([] {
              int ends[2];
              if (::pipe(ends) != 0) return 2;
              std::thread other([&ends] {
                char byte = 0;
                (void)!::read(ends[0], &byte, 1);
              });
              const auto held = drop(options());
              ::close(ends[1]);
              other.join();
              return !held && held.error().code() == Errc::Conflict ? 0 : 1;
            }),
            0);
}

TEST(Capabilities, Names) {
  EXPECT_EQ(capability_name(kCapSysPtrace), "CAP_SYS_PTRACE");
  EXPECT_EQ(capability_name(0), "CAP_CHOWN");
  EXPECT_EQ(capability_name(39), "CAP_BPF");
  EXPECT_EQ(capability_name(40), "CAP_CHECKPOINT_RESTORE");
  EXPECT_EQ(capability_name(41), "CAP_41");
  EXPECT_EQ(capabilities_to_text(0), "none");
  EXPECT_EQ(capabilities_to_text(kOpenerCaps), "CAP_DAC_READ_SEARCH,CAP_SYS_PTRACE");
}

TEST(HeldJson, SaysEverything) {
  Held held;
  held.uid = 5;
  held.gid = 6;
  held.caps_effective = held.caps_permitted = kOpenerCaps;
  held.no_new_privs = true;
  held.dumpable = false;
  held.landlock_abi = 7;
  held.syscall_filter = true;
  held.was_root = true;
  held.notes = {"a \"quoted\" note", "b"};
  EXPECT_EQ(
      held.to_json(),
      R"({"uid":5,"gid":6,"supplementary_groups":0,)"
      R"("caps_effective":["CAP_DAC_READ_SEARCH","CAP_SYS_PTRACE"],)"
      R"("caps_permitted":["CAP_DAC_READ_SEARCH","CAP_SYS_PTRACE"],)"
      R"("caps_inheritable":[],"caps_bounding":[],"no_new_privs":true,"dumpable":false,"landlock_abi":7,"syscall_filter":true,"was_root":true,)"
      R"("notes":["a \"quoted\" note","b"]})");
}

}  // namespace
}  // namespace de::guard
