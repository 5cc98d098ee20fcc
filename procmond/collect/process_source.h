// Lists the processes alive right now. One implementation per OS, in collect/<os>/; CMake compiles exactly one.
//
// Thread: the collector thread waits; the work, and with it every RecordFn, runs on a thread that is left behind when a
// process keeps it waiting. Calls block on the kernel for milliseconds to seconds.
// Privilege: what takes CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH is asked of the opener. Without both everything works,
// with fewer columns: what was refused is absent and the record says accessible == false.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collect/file_key.h"
#include "collect/on_demand.h"
#include "collect/process_iterator.h"
#include "collect/text_pool.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

class Opener;  // Of the OS: reads what takes privileges.

struct SourceOptions {
  std::string proc_root = "/proc";                 // Tests point this at a directory of files.
  bool collect_environment = false;                // Masked, and cut at 256 KiB.
  bool mask_arguments = true;                      // False only by explicit configuration.
  std::size_t max_argv_bytes = 2UL * 1024 * 1024;  // What is longer is cut; command_line_length tells.
  // How long one process may keep a sweep waiting, and how many threads may hang in such processes.
  std::chrono::milliseconds deadline{250};
  std::uint32_t max_stuck = 16;
  std::shared_ptr<Opener> opener;  // Null: with our own rights.
};

struct Sweep {
  std::uint32_t seen = 0;        // Counted while listing: seen == records handed out + vanished.
  std::uint32_t unreadable = 0;  // Handed out, with accessible == false.
  std::uint32_t vanished = 0;    // Exited while being read; not handed out.
};

// One record at a time. It is the source's own scratch message: swap it out or copy it, it is cleared afterwards.
// `image` is the file that is running, absent when it could not be told (or for a kernel thread).
using RecordFn = std::function<void(pb::ProcessRecord& record, const std::optional<FileKey>& image)>;
// The same for a process of which nothing changed since the sweep before but what always does: the record says who it
// is and what it uses, and nothing else. False: the whole record is wanted after all, and handed out next.
using SameFn = std::function<bool(pb::ProcessRecord& record, const std::optional<FileKey>& image)>;

// How the list is made at the moment.
struct SourceState {
  std::string name = "proc";     // Or "bpf".
  std::string why_not_better;    // Empty when it is the best there is, or nobody asked for better.
  std::uint64_t timeouts = 0;    // Times a process did not answer within the deadline.
  std::uint32_t stuck = 0;       // Threads that wait for such a process now.
  std::uint32_t max_stuck = 16;  // Beyond, nothing is asked that could make another one wait.
  bool opener_is_gone = false;   // What takes privileges is not told any more.
  // Processes whose columns on demand the system was asked for, ever.
  std::uint64_t reads_fd_count = 0;
  std::uint64_t reads_io = 0;
};

// A record whose columns on demand are still to be read.
struct Wanting {
  pb::ProcessRecord* record = nullptr;
  Wanted columns = kNothing;
};

struct Executable {
  UniqueFd fd;  // Open for reading.
  FileKey key;
};

struct OpenFile {
  std::uint32_t descriptor = 0;
  std::optional<std::string> path;  // As the kernel prints it: "socket:[1]"; absent when it could not be told.
};
struct OpenFiles {
  std::vector<OpenFile> files;
  bool is_cut = false;  // There are more.
};

class ProcessSource {
 public:
  virtual ~ProcessSource() = default;

  // Every visible process, in no particular order; the snapshot that cpu_usage is measured between.
  // Fails only when the list itself cannot be read; one bad process never fails a sweep. Errors: Denied, Io.
  // `same` may be empty; a source that cannot tell never calls it.
  virtual Result<Sweep> sweep(const RecordFn& fn, const SameFn& same, const Demand& demand) = 0;
  Result<Sweep> sweep(const RecordFn& fn, const SameFn& same) { return sweep(fn, same, Demand{}); }
  Result<Sweep> sweep(const RecordFn& fn) { return sweep(fn, {}); }

  // The same between snapshots, without moving what cpu_usage is measured from. No pids: all processes.
  virtual Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) = 0;
  Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn) { return visit(pids, fn, kEverything); }

  // Reads columns on demand of records that it has handed out, in as few calls as it can; what cannot be told stays
  // absent. May be called from within a RecordFn.
  virtual void add_on_demand(std::span<const Wanting> /*wanting*/) {}

  // What the process with this identity has open, at most `limit` descriptors. Errors: as open_executable.
  virtual Result<OpenFiles> open_files(std::uint32_t /*pid*/, std::string_view /*process_uid*/, std::size_t /*limit*/) {
    return fail(Errc::Unsupported, "open files are not told here");
  }

  // Opens what the process with this identity is running. May be called from within a RecordFn.
  // Any thread. Errors: NotFound (gone, or the pid is another's now), Denied, Unsupported (not a regular file, or one
  // that a server or another program serves), Timeout, Io.
  virtual Result<Executable> open_executable(std::uint32_t pid, std::string_view process_uid) = 0;
  // The same for a program that is known by its path only.
  virtual Result<Executable> open_file(const std::string& path) = 0;

  // Of the running kernel, as the kernel prints it.
  virtual const std::string& boot_id() const = 0;
  // Unix time of CLOCK_BOOTTIME 0, as start times are reckoned. Moves when the wall clock is set. Any thread.
  virtual std::int64_t boot_time_ms() const = 0;
  virtual SourceState state() const { return {}; }
};

// `clock` and `texts` outlive the source, which keeps in `texts` what it remembers. With an iterator only what it does
// not know is read below proc_root. Errors: NotFound, Denied, Io
// (proc_root is not a proc file system we can read), Corrupt (it says what a kernel would not).
Result<std::unique_ptr<ProcessSource>> make_process_source(SourceOptions options, const Clock& clock, TextPool& texts,
                                                           std::unique_ptr<ProcessIterator> iterator = nullptr);

}  // namespace de::collect
