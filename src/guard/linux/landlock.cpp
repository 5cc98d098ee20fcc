// Landlock: Documentation/userspace-api/landlock.rst of the kernel. The numbers are here because the headers of Debian
// 12 are those of Linux 6.1.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "daemoneye/base/unique_fd.h"
#include "daemoneye/guard/sandbox.h"

namespace de::guard {
namespace {

constexpr long kCreateRuleset = 444;  // The same on every architecture.
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint32_t kVersion = 1;
constexpr int kPathBeneath = 1;
constexpr int kNetPort = 2;
constexpr std::uint64_t kConnectTcp = 1ULL << 1;

enum Right : std::uint64_t {
  kExecute = 1ULL << 0,
  kWriteFile = 1ULL << 1,
  kReadFile = 1ULL << 2,
  kReadDir = 1ULL << 3,
  kRemoveDir = 1ULL << 4,
  kRemoveFile = 1ULL << 5,
  kMakeDir = 1ULL << 7,
  kMakeReg = 1ULL << 8,
  kMakeSock = 1ULL << 9,
  kRefer = 1ULL << 13,     // ABI 2.
  kTruncate = 1ULL << 14,  // ABI 3.
};

struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0;  // ABI 4: bit 0 bind, kConnectTcp.
  std::uint64_t scoped = 0;   // ABI 6: bit 0 abstract sockets, bit 1 signals.
};

struct PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t parent_fd = -1;
} __attribute__((packed));

struct NetPort {
  std::uint64_t allowed = kConnectTcp;
  std::uint64_t port = 0;
};

// Every right of files an ABI knows; one it does not would be refused.
constexpr std::uint64_t file_rights(int abi) {
  constexpr std::array<int, 8> kKnown = {0, 13, 14, 15, 15, 16, 16, 16};
  const int bits = abi >= static_cast<int>(kKnown.size()) ? kKnown.back() : kKnown[static_cast<std::size_t>(abi)];
  return (1ULL << bits) - 1;
}

constexpr std::size_t ruleset_bytes(int abi) {
  return abi >= 6 ? sizeof(Ruleset) : abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

std::uint64_t rights_of(Reach reach, bool is_dir) {
  std::uint64_t rights = kReadFile;
  if (reach != Reach::Read) rights |= kWriteFile | kTruncate;
  if (!is_dir) return rights;
  rights |= kReadDir;
  if (reach != Reach::Read) rights |= kMakeReg | kMakeDir | kRemoveFile | kRemoveDir | kRefer;
  if (reach == Reach::Sockets) rights |= kMakeSock;
  return rights;
}

Result<> allow(int ruleset, const ReachRule& rule, std::uint64_t known) {
  const UniqueFd fd(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) {
    const std::error_code os = last_os_error();
    // Nothing to allow: it is not there, or out of our reach already.
    if (os == std::errc::no_such_file_or_directory || os == std::errc::permission_denied) return {};
    return fail(Errc::Io, "open " + rule.path, os);
  }
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return fail(Errc::Io, "stat " + rule.path, last_os_error());
  PathBeneath below;
  below.allowed = rights_of(rule.reach, S_ISDIR(facts.st_mode)) & known;
  below.parent_fd = fd.get();
  if (::syscall(kAddRule, ruleset, kPathBeneath, &below, 0U) != 0)
    return fail(Errc::Denied, "allow " + rule.path, last_os_error());
  return {};
}

}  // namespace

Result<> restrict_files(std::span<const ReachRule> paths, Held& held, std::span<const std::uint16_t> ports) {
  const int abi = static_cast<int>(::syscall(kCreateRuleset, nullptr, 0UL, kVersion));
  if (abi < 1) {
    held.notes.emplace_back("this kernel has no Landlock: which files are reached is not restricted");
    return {};
  }
  Ruleset rules;
  rules.files = file_rights(abi);
  if (abi >= 4) rules.network = 1 | kConnectTcp;
  if (abi >= 6) rules.scoped = 3;
  const UniqueFd ruleset(static_cast<int>(::syscall(kCreateRuleset, &rules, ruleset_bytes(abi), 0U)));
  if (!ruleset) return fail(Errc::Denied, "create a Landlock ruleset", last_os_error());
  for (const ReachRule& rule : paths) DE_CHECK(allow(ruleset.get(), rule, rules.files));
  for (const std::uint16_t port : ports) {
    const NetPort rule{.port = port};
    if (abi >= 4 && ::syscall(kAddRule, ruleset.get(), kNetPort, &rule, 0U) != 0)
      return fail(Errc::Denied, "allow TCP port " + std::to_string(port), last_os_error());
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
    return fail(Errc::Denied, "set no_new_privs", last_os_error());
  if (::syscall(kRestrictSelf, ruleset.get(), 0U) != 0) return fail(Errc::Denied, "restrict files", last_os_error());
  held.landlock_abi = abi;
  if (abi < 4) held.notes.emplace_back("this kernel's Landlock does not restrict TCP");
  if (abi < 6) held.notes.emplace_back("this kernel's Landlock does not restrict signals");
  return {};
}

}  // namespace de::guard
