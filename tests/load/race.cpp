// Executions whose arguments and path another thread rewrites while the kernel copies them. What a monitor reads from
// the caller's memory, before or during the call, is then not what the new program gets; only the program can tell.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "modes.h"
#include "received.h"
#include "start.h"

namespace de::load {
namespace {

// Two names of one file, and the two texts that the arguments alternate between.
struct Stage {
  std::string dir;
  std::array<std::string, 2> paths;
};

Result<Stage> set_up(const std::string& child) {
  std::string dir = "/tmp/de-load-race-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) return fail(Errc::Io, "make a directory in /tmp", last_os_error());
  Stage stage{dir, {dir + "/racer-a", dir + "/racer-b"}};
  std::error_code os;
  std::filesystem::copy_file(child, stage.paths[0], os);
  if (!os) std::filesystem::create_hard_link(stage.paths[0], stage.paths[1], os);
  if (!os)
    std::filesystem::permissions(dir, std::filesystem::perms::owner_all | std::filesystem::perms::others_exec, os);
  if (os) return fail(Errc::Io, "copy " + child + " into " + dir, os);
  return stage;
}

// In the forked child; only comes back when execve() fails.
void execute_raced(const Stage& stage, std::string nonce, std::string text, std::string variable) {
  std::string path = stage.paths[0];
  std::atomic<bool> is_racing{false};
  std::thread rewriter([&] {
    for (bool second = true;; second = !second) {
      // Stores that the compiler may not drop although nobody here reads them. The path is short, and read once: it
      // changes more often.
      for (std::size_t i = 0; i < text.size(); ++i) {
        *static_cast<volatile char*>(&text[i]) = second ? 'B' : 'A';
        if (i % 64 == 0) *static_cast<volatile char*>(&path.back()) = (i & 64U) != 0 ? 'b' : 'a';
      }
      is_racing.store(true, std::memory_order_release);
    }
  });
  while (!is_racing.load(std::memory_order_acquire)) ::sched_yield();
  std::array<char*, 4> arguments{path.data(), nonce.data(), text.data(), nullptr};
  std::array<char*, 2> environment{variable.data(), nullptr};
  ::execve(path.c_str(), arguments.data(), environment.data());
  ::_exit(126);  // The thread is still writing into our locals.
}

bool is_torn(const Report& report, std::size_t text_bytes) {
  if (report.argv.size() < text_bytes + 1) return false;
  const std::string_view text = std::string_view(report.argv).substr(report.argv.size() - text_bytes - 1, text_bytes);
  return text.find('A') != text.npos && text.find('B') != text.npos;
}

}  // namespace

Result<RaceCounts> race(const Where& where, const RaceOptions& options, Truth& truth) {
  DE_TRY(stage, set_up(where.child));
  RaceCounts counts;
  const std::string text(options.argv_bytes, 'A');
  for (std::uint64_t id = 1; id <= options.count; ++id) {
    const int code = static_cast<int>(id % 100);
    Row row;
    row.id = id;
    row.nonce = truth.nonce(id);
    row.label = "raced";
    row.expect_code = code;

    Pipe pipe;
    Life life = fork_and([&] {
      ::dup2(pipe.write_end.get(), kReportFd);
      ::fcntl(kReportFd, F_SETFD, 0);  // If it already has that number, dup2() leaves it to be closed by exec.
      execute_raced(stage, row.nonce, text, "L=" + numbers(code, 0, 0, kReportFd));
    });
    pipe.write_end.reset();
    const std::optional<Report> report = read_report(pipe.read_end.get());
    wait_for(life);
    copy_life(life, row);
    if (report) {
      row.exe = report->exe;
      row.more = received(*report);
      if (is_torn(*report, text.size())) ++counts.torn;
    } else {
      ++counts.mute;
    }
    truth.add(row);
  }
  std::error_code ignored;
  std::filesystem::remove_all(stage.dir, ignored);
  return counts;
}

}  // namespace de::load
