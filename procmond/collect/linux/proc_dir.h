// One process's directory in /proc, held open.
//
// The open directory belongs to the process, not to its number: when the process is gone every read through it fails,
// even if the pid has a new owner. That is what makes the columns of one record belong together.
//
// Thread: collector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

// Every directory of `proc_fd` that is named by a number: the processes, without their threads. Errors: Denied, Io.
Result<std::vector<std::uint32_t>> list_pids(int proc_fd);

// What the kernel told about a failed access. NotFound: gone (or there is no such thing). Denied: not for us.
Errc access_error(std::error_code os);

// Reads a file of /proc into `buffer` (grown as needed, up to max_bytes) and returns the text in it.
// Errors: NotFound, Denied, Io.
Result<std::string_view> read_text(int fd, std::string& buffer, std::size_t max_bytes);

struct Owner {
  std::uint32_t uid = 0;  // Effective ids, also for processes we may not look into.
  std::uint32_t gid = 0;
  friend bool operator==(const Owner&, const Owner&) = default;
};

class ProcDir {
 public:
  // Errors: NotFound, Denied, Io.
  static Result<ProcDir> open(int proc_fd, std::uint32_t pid);

  // As read_text().
  Result<std::string_view> read(const char* name, std::string& buffer, std::size_t max_bytes) const;
  // The target of a link. Errors: NotFound, Denied, Io.
  Result<std::string> link(const char* name) const;
  // Inode of what a link leads to; 0 when it cannot be told.
  std::uint64_t inode(const char* name) const;
  // Entries of a directory other than "." and "..", counted up to `limit`. Errors: NotFound, Denied, Io.
  Result<std::uint32_t> count(const char* name, std::uint32_t limit) const;
  // Entries of a directory that are numbers from `from` on, in the directory's order, at most `limit`.
  // Errors: NotFound, Denied, Io.
  Result<std::vector<std::uint32_t>> numbers(const char* name, std::uint32_t from, std::size_t limit) const;
  Owner owner() const;
  int fd() const { return fd_.get(); }

 private:
  explicit ProcDir(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace de::collect
