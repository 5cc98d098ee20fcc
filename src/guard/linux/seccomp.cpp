#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "daemoneye/guard/sandbox.h"

namespace de::guard {
namespace {

using Filter = std::unique_ptr<void, void (*)(void*)>;

// Libraries ask for these first and go another way when they are told that the kernel has none.
constexpr const char* kNotThere[] = {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"};

constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                      CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};

constexpr SyscallRule kBasic[] = {
    {"mmap", "memory and stacks; none of it executable", 2, PROT_EXEC, 0},
    {"mprotect", "guard pages; nothing becomes executable", 2, PROT_EXEC, 0},
    {"munmap", "memory", -1},
    {"mremap", "memory that grows", -1},
    {"brk", "memory", -1},
    {"madvise", "memory given back", -1},
    {"clone", "threads; no process, no namespace", 0, CLONE_THREAD | kNamespaces, CLONE_THREAD},
    {"set_robust_list", "threads", -1},
    {"rseq", "threads", -1},
    {"set_tid_address", "threads", -1},
    {"gettid", "threads", -1},
    {"getpid", "who we are", -1},
    {"sched_yield", "threads", -1},
    {"sched_getaffinity", "how many CPUs there are", -1},
    {"futex", "locks", -1},
    {"exit", "the end of a thread", -1},
    {"exit_group", "the end", -1},
    {"restart_syscall", "what a stop interrupted", -1},
    {"rt_sigaction", "handlers", -1},
    {"rt_sigprocmask", "handlers", -1},
    {"rt_sigreturn", "handlers", -1},
    {"sigaltstack", "handlers", -1},
    {"clock_gettime", "the time", -1},
    {"clock_nanosleep", "waiting", -1},
    {"nanosleep", "waiting", -1},
    {"gettimeofday", "the time", -1},
    {"getrandom", "random numbers", -1},
    {"getuid", "who we are", -1},
    {"geteuid", "who we are", -1},
    {"getgid", "who we are", -1},
    {"getegid", "who we are", -1},
    {"read", "descriptors that are open", -1},
    {"write", "descriptors that are open", -1},
    {"close", "descriptors that are open", -1},
    {"fcntl", "descriptors that are open", -1},
    {"fstat", "descriptors that are open", -1},
    {"prctl", "whether the filter is there", 0, kWhole, PR_GET_SECCOMP},
};

tl::unexpected<Error> refused(const std::string& step, int error) {
  return fail(Errc::Denied, step, {-error, std::generic_category()});
}

Result<> add(scmp_filter_ctx filter, std::uint32_t action, const SyscallRule& rule) {
  const int number = ::seccomp_syscall_resolve_name(rule.name);
  if (number == __NR_SCMP_ERROR) return fail(Errc::Invalid, std::string("no system call is called ") + rule.name);
  if (number < 0) return {};  // Of another architecture.
  const scmp_arg_cmp only{static_cast<unsigned>(rule.argument), SCMP_CMP_MASKED_EQ, rule.mask, rule.value};
  const bool has_argument = rule.argument >= 0;
  const int failed =
      ::seccomp_rule_add_array(filter, action, number, has_argument ? 1U : 0U, has_argument ? &only : nullptr);
  // Twice the same rule is one.
  return failed == 0 || failed == -EEXIST ? Result<>() : refused(std::string("allow ") + rule.name, failed);
}

}  // namespace

std::span<const SyscallRule> basic_syscalls() { return kBasic; }

Result<> restrict_syscalls(std::span<const std::span<const SyscallRule>> tables, Held& held) {
  const Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), [](void* context) { ::seccomp_release(context); });
  if (!filter) return fail(Errc::Io, "make a filter of system calls");
  // Every thread, or none.
  if (const int failed = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); failed != 0) {
    held.notes.emplace_back("this kernel has no seccomp: which system calls are made is not restricted");
    return {};
  }
  (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // A tree, not a list; slower if refused.
  for (const char* name : kNotThere) DE_CHECK(add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), {name, "not there"}));
  DE_CHECK(add(filter.get(), SCMP_ACT_ALLOW, {"tgkill", "abort()", 0, kWhole, static_cast<std::uint64_t>(::getpid())}));
  for (const std::span<const SyscallRule> table : tables)
    for (const SyscallRule& rule : table) DE_CHECK(add(filter.get(), SCMP_ACT_ALLOW, rule));
  if (const int failed = ::seccomp_load(filter.get()); failed != 0) return refused("restrict system calls", failed);
  held.syscall_filter = ::prctl(PR_GET_SECCOMP, 0UL, 0UL, 0UL, 0UL) == SECCOMP_MODE_FILTER;
  return held.syscall_filter ? Result<>() : fail(Errc::Corrupt, "the kernel reports no filter of system calls");
}

}  // namespace de::guard
