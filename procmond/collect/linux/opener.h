// What takes privileges to read of other users' processes. Asked of procmond's opener, a process that has the
// privileges and can do nothing else; where nobody is confined (`procmond --once`) it is read here.
//
// Thread: any. A call waits as long as the process it is about keeps the opener waiting; whoever may not wait for ever
// calls from a watched thread. Each call that waits holds one channel; when all of them are held, calls fail at once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "collect/linux/exe_file.h"
#include "collect/linux/opener_wire.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/side_process.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

// Of a column: NotFound, Denied, Io.
struct ProcessSigns {
  std::uint64_t start_ticks = 0;  // Whose they are; 0: nobody has the pid.
  std::uint64_t start_code = 0;
  std::uint64_t start_stack = 0;
  Result<FileFacts> image = fail(Errc::NotFound, "not asked");
  ToldUse use;
};

struct ProcessFacts {
  ProcessSigns signs;
  std::array<Result<std::string>, kLinks> links{Result<std::string>(fail(Errc::NotFound, "not asked")),
                                                Result<std::string>(fail(Errc::NotFound, "not asked")),
                                                Result<std::string>(fail(Errc::NotFound, "not asked"))};
  // What the text of exe leads to, with and without the kernel's " (deleted)".
  Result<FileFacts> literal = fail(Errc::NotFound, "not asked");
  Result<FileFacts> original = fail(Errc::NotFound, "not asked");
  std::array<std::uint64_t, kNamespaceCount> namespaces{};  // As kNamespaceNames; 0: not told.

  // As the look-up of judge_on_disk(): only what was told.
  Result<FileFacts> look_up(const std::string& path) const;
};

struct OpenedFile {
  std::uint32_t descriptor = 0;
  Result<std::string> link = fail(Errc::NotFound, "not asked");
};
struct OpenedFiles {
  std::vector<OpenedFile> files;
  std::uint32_t next = 0;  // The least descriptor of those that are left; 0: none is.
};

class Opener {
 public:
  // Reads by itself.
  explicit Opener(UniqueFd proc) : proc_(std::move(proc)) {}
  // Asks over these.
  explicit Opener(std::vector<UniqueFd> channels);

  // Of at most kMaxAsked processes, in their order. `use`: kTell..., what is told of their use.
  // Errors, also below: Closed (the opener is gone), Exhausted (every channel waits), Corrupt (no answer of its).
  Result<std::vector<ProcessSigns>> signs(std::span<const std::uint32_t> pids, std::uint32_t use = kTellAllUse);
  Result<std::vector<ToldUseOf>> use(std::span<const std::uint32_t> pids, std::uint32_t use);
  // Errors besides: NotFound (gone, or the pid is another's), Denied, Io.
  Result<ProcessFacts> facts(std::uint32_t pid, std::uint64_t start_ticks, std::uint32_t use = kTellAllUse) {
    return facts(Ask::Facts, pid, start_ticks, use);
  }
  // Only what is about its exe.
  Result<ProcessFacts> image(std::uint32_t pid, std::uint64_t start_ticks) {
    return facts(Ask::Image, pid, start_ticks, 0);
  }
  // The open descriptors from `from` on, as many as one answer holds.
  Result<OpenedFiles> files(std::uint32_t pid, std::uint64_t start_ticks, std::uint32_t from);
  Result<UniqueFd> open_executable(std::uint32_t pid, std::uint64_t start_ticks);
  Result<UniqueFd> open_environment(std::uint32_t pid, std::uint64_t start_ticks);
  // A regular file that somebody may execute. `path` is absolute.
  Result<UniqueFd> open_program(const std::string& path);

  bool is_gone();
  // Processes whose descriptors, or whose io, the system was asked for.
  std::uint64_t descriptor_reads() const { return descriptor_reads_; }
  std::uint64_t io_reads() const { return io_reads_; }

 private:
  class Lease;
  Result<Packet> ask(std::span<const char> request, std::uint32_t count, std::size_t max_bytes = kMaxToldBytes);
  Result<Packet> ask_many(Ask what, std::span<const std::uint32_t> pids, std::uint32_t use);
  Result<Packet> ask_one(const OpenerRequest& head, const AskedProcess& process, std::uint32_t count,
                         std::size_t max_bytes = kMaxToldBytes);
  Result<ProcessFacts> facts(Ask what, std::uint32_t pid, std::uint64_t start_ticks, std::uint32_t use);
  void count_reads(std::uint32_t use, std::size_t processes);
  Result<UniqueFd> open(Ask what, std::uint32_t pid, std::uint64_t start_ticks);

  const UniqueFd proc_;
  const std::vector<UniqueFd> channels_;
  std::mutex mutex_;
  std::vector<std::size_t> free_;
  std::atomic<bool> is_gone_ = false;
  std::atomic<std::uint64_t> descriptor_reads_ = 0, io_reads_ = 0;
};

}  // namespace de::collect
