// What really happened, written down as JSON lines: one flat object per process that was started, or that should have
// been, between a first line about the run and a last one with the totals.
//
// Thread: one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::load {

// Nanoseconds of CLOCK_BOOTTIME, the clock of every time in the file and of the kernel's process start times.
std::uint64_t boot_ns();

inline constexpr int kNoStatus = -1;

// One process. `pid` 0: it was not started, and `error` tells why.
struct Row {
  std::uint64_t id = 0;       // From 1 on.
  std::uint64_t creator = 0;  // The id of the process that forked this one; 0: the generator.
  std::string nonce;          // An argument no other process has; empty: the arguments are told in `more`.
  std::string exe;            // The path as it was executed; empty: it executed nothing.
  std::string label;
  pid_t pid = 0;
  pid_t ppid = 0;  // When it was forked.
  uid_t uid = 0;
  std::uint64_t forked_after_ns = 0;  // It was forked between these two.
  std::uint64_t forked_before_ns = 0;
  std::uint64_t reaped_ns = 0;  // It had ended by then.
  int execs = 1;
  int expect_code = 0;
  int expect_signal = 0;
  int expect_error = 0;    // It is not to be started at all.
  int status = kNoStatus;  // As wait() told it.
  int error = 0;           // errno of the fork or the exec that was refused.
  std::string more;        // Further members: `"name":value,...`.
};

struct Totals {
  std::uint64_t rows = 0;
  std::uint64_t started = 0;
  std::uint64_t refused = 0;      // Not started.
  std::uint64_t as_expected = 0;  // Of both.
  std::uint64_t unawaited = 0;    // Started, and no wait status is known. A loss test may not use such a run.
  std::uint64_t skipped = 0;      // Not tried; rows of their own with the reason.
};

bool is_as_expected(const Row& row);

// `,"name":"text"` and `,"name":number`, to build Row::more and the first line.
std::string member(std::string_view name, std::string_view text);
std::string member(std::string_view name, std::uint64_t number);

class Truth {
 public:
  // `about` is made of member(). Errors: Io.
  static Result<Truth> create(const std::string& path, std::string_view mode, const std::string& about);

  // This run's part of every nonce.
  const std::string& run() const { return run_; }
  std::string nonce(std::uint64_t id) const { return "de-load-" + run_ + "-" + std::to_string(id); }

  void add(const Row& row);
  void skip(std::uint64_t id, std::string_view label, std::string_view reason);
  // Writes the last line. Errors: Io, also for everything before.
  Result<Totals> finish();

 private:
  explicit Truth(UniqueFd file);
  void write(std::string_view text);
  void flush();

  UniqueFd file_;
  std::string run_;
  std::string buffer_;
  Totals totals_;
  bool failed_ = false;
};

}  // namespace de::load
