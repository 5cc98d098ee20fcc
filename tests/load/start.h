// Starting one process and waiting for it, with nothing in between that costs.
//
// Thread: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/base/unique_fd.h"
#include "truth.h"

namespace de::load {

// The part of a Row that is only known by doing it. Small: a storm keeps one per process until its end.
struct Life {
  pid_t pid = 0;
  int status = kNoStatus;
  int error = 0;
  std::uint64_t forked_after_ns = 0;
  std::uint64_t forked_before_ns = 0;
  std::uint64_t reaped_ns = 0;
};

void copy_life(const Life& life, Row& row);

// Null-terminated pointers to the strings; borrowed.
class Strings {
 public:
  explicit Strings(std::vector<std::string>& strings);
  char* const* data() const { return raw_.data(); }

 private:
  std::vector<char*> raw_;
};

// posix_spawn: the child shares our memory until it executes. Both arrays end with a null pointer. What the program
// writes to kReportFd goes to `report_fd` (-1: none).
Life spawn(const std::string& path, char* const* argv, char* const* envp, int report_fd = -1);
// fork, and `body` in the child; it must not return.
Life fork_and(const std::function<void()>& body);
void wait_for(Life& life);

inline constexpr int kReportFd = 9;

// What load_child tells about itself; see child/main.c.
struct Report {
  std::uint32_t pid = 0;
  std::uint32_t argc = 0;
  std::string exe;
  std::string argv;  // Every argument with its NUL.
};

struct Pipe {
  Pipe();
  UniqueFd read_end;
  UniqueFd write_end;
};

// Until the other end is closed. Nothing when it is not a whole report.
std::optional<Report> read_report(int fd);

// "CODE,MS,SIGNAL,FD,EXECS" for load_child.
std::string numbers(int code, int ms = 0, int signal = 0, int fd = -1, int execs = 0);

}  // namespace de::load
