#include "closed_from_outside.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace de::system_test {

int find_descriptor(pid_t pid, const std::string& line) {
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo", ec)) {
    std::ifstream info(entry.path());
    for (std::string one; std::getline(info, one);)
      if (one == line) return std::stoi(entry.path().filename().string());
  }
  return -1;
}

#ifdef __x86_64__
namespace {

constexpr long kSyscallInstruction = 0x050f;

// Stopped in a system call, as a process that waits is: the instruction that made it is run once more, with our number.
std::string call_in(pid_t pid, long number, int first, int second, int third, int expected) {
  user_regs_struct before{};
  iovec part{&before, sizeof before};
  if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) != 0) return "read registers";
  errno = 0;
  const long text = ::ptrace(PTRACE_PEEKTEXT, pid, before.rip - 2, nullptr);
  if (errno != 0 || (text & 0xffff) != kSyscallInstruction) return "it is not in a system call";
  user_regs_struct call = before;
  call.rip -= 2;
  call.rax = static_cast<unsigned long long>(number);
  call.orig_rax = ~0ULL;
  call.rdi = static_cast<unsigned long long>(first);
  call.rsi = static_cast<unsigned long long>(second);
  call.rdx = static_cast<unsigned long long>(third);
  part.iov_base = &call;
  if (::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part) != 0) return "write registers";
  int status = 0;
  if (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0 || ::waitpid(pid, &status, __WALL) != pid) return "step";
  if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) != 0) return "read registers";
  const auto got = static_cast<long>(call.rax);
  part.iov_base = &before;
  if (::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part) != 0) return "put registers back";
  return got == expected ? "" : "system call " + std::to_string(number) + ": " + std::to_string(got);
}

// Something else takes its place: were the number free, the process would later close what it had opened under it.
std::string call_close(pid_t pid, int fd) {
  std::string failed = call_in(pid, SYS_close, fd, 0, 0, 0);
  return failed.empty() ? call_in(pid, SYS_fcntl, STDIN_FILENO, F_DUPFD, fd, fd) : failed;
}

}  // namespace

std::string close_from_outside(pid_t pid, int fd) {
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) return std::string("attach: ") + std::strerror(errno);
  int status = 0;
  std::string out = "stop";
  if (::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) == 0 && ::waitpid(pid, &status, __WALL) == pid)
    out = call_close(pid, fd);
  (void)::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  return out;
}
#else
std::string close_from_outside(pid_t, int) { return "written for x86-64 only"; }
#endif

}  // namespace de::system_test
