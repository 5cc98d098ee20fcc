// One of each: executables that are not where they seem to be, programs that lie about themselves, processes that start
// or end in unusual ways. The label says what is odd.
#include "oddities.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace de::load {
namespace {

constexpr uid_t kOtherUser = 65'534;

void plain_ends(OddStage& stage) {
  stage.spawned("killed", [&](Row& row) {
    row.expect_signal = SIGKILL;
    return stage.run(stage.child(), row, numbers(0, stage.ms(), SIGKILL));
  });
  stage.spawned("ended by a segmentation fault", [&](Row& row) {
    row.expect_signal = SIGSEGV;
    return stage.run(stage.child(), row, numbers(0, stage.ms(), SIGSEGV));
  });
  stage.spawned("executes nothing", [&](Row& row) {
    row.exe.clear();
    row.nonce.clear();
    row.execs = 0;
    return fork_and([&] { ::_exit(row.expect_code); });
  });
  stage.spawned("ended by a thread, its first one long gone", [&](Row& row) {
    row.exe.clear();
    row.nonce.clear();
    row.execs = 0;
    return fork_and([&] {
      std::thread([code = row.expect_code] {
        ::usleep(20'000);
        ::_exit(code);
      }).detach();
      ::syscall(SYS_exit, 0);
    });
  });
}

void odd_files(OddStage& stage) {
  stage.spawned("executable in memory", [&](Row& row) {
    row.exe = "memfd:de-load";
    const UniqueFd memory(::memfd_create("de-load", MFD_CLOEXEC));
    if (!stage.copy_child_to(memory.get())) return Life{.error = EIO};
    return stage.run_descriptor(memory.get(), row);
  });
  stage.spawned("deleted before it was executed", [&](Row& row) {
    row.exe = stage.copy("gone");
    const UniqueFd file(::open(row.exe.c_str(), O_PATH | O_CLOEXEC));
    ::unlink(row.exe.c_str());
    return stage.run_descriptor(file.get(), row);
  });
  stage.spawned("its name deleted before, but linked elsewhere", [&](Row& row) {
    row.exe = stage.copy("unlinked");
    const std::string other = row.exe + "-elsewhere";
    const UniqueFd file(::open(row.exe.c_str(), O_PATH | O_CLOEXEC));
    if (::link(row.exe.c_str(), other.c_str()) != 0 || ::unlink(row.exe.c_str()) != 0) return Life{.error = errno};
    row.more = member("also", other);
    return stage.run_descriptor(file.get(), row);
  });
  stage.spawned("replaced before it was executed", [&](Row& row) {
    row.exe = stage.copy("overtaken");
    const std::string other = stage.copy("overtaker");
    const UniqueFd file(::open(row.exe.c_str(), O_PATH | O_CLOEXEC));
    if (::rename(other.c_str(), row.exe.c_str()) != 0) return Life{.error = errno};
    return stage.run_descriptor(file.get(), row);
  });
  stage.spawned("executed through another link", [&](Row& row) {
    row.more = member("file", stage.copy("first-name"));
    row.exe = stage.path("second-name");
    if (::link(stage.path("first-name").c_str(), row.exe.c_str()) != 0) return Life{.error = errno};
    return stage.run(row.exe, row);
  });
  stage.spawned("deleted while it runs", [&](Row& row) {
    row.exe = stage.copy("deleted");
    const Life life = stage.run(row.exe, row, numbers(row.expect_code, stage.some_ms()));
    stage.wait_until_it_runs(life);
    ::unlink(row.exe.c_str());
    return life;
  });
  stage.spawned("replaced while it runs", [&](Row& row) {
    row.exe = stage.copy("replaced");
    const std::string other = stage.copy("replacement");
    const Life life = stage.run(row.exe, row, numbers(row.expect_code, stage.some_ms()));
    stage.wait_until_it_runs(life);
    ::rename(other.c_str(), row.exe.c_str());
    return life;
  });
  stage.spawned("deleted, but linked elsewhere", [&](Row& row) {
    row.exe = stage.copy("linked");
    const std::string other = row.exe + "-elsewhere";
    if (::link(row.exe.c_str(), other.c_str()) != 0) return Life{.error = errno};
    row.more = member("also", other);
    const Life life = stage.run(row.exe, row, numbers(row.expect_code, stage.some_ms()));
    stage.wait_until_it_runs(life);
    ::unlink(row.exe.c_str());
    return life;
  });
  stage.spawned("really named (deleted)", [&](Row& row) {
    row.exe = stage.copy("really (deleted)");
    return stage.run(row.exe, row);
  });
  stage.spawned("executed through a symbolic link", [&](Row& row) {
    row.exe = stage.path("symlink");
    if (::symlink(stage.child().c_str(), row.exe.c_str()) != 0) return Life{.error = errno};
    row.more = member("file", stage.child());
    return stage.run(row.exe, row);
  });
  stage.spawned("relative path", [&](Row& row) {
    row.exe = "./relative";
    row.more = member("file", stage.copy("relative"));
    return fork_and([&] {
      if (::chdir(stage.path("").c_str()) == 0) stage.execute(row.exe, row);
    });
  });
}

void scripts(OddStage& stage) {
  const std::string plain = stage.script("script", "#!" + stage.child() + " one-argument\n");
  const std::string nested = stage.script("nested", "#!" + plain + "\n");
  for (const auto& [label, path] : {std::pair{"script", plain}, std::pair{"script of a script", nested}}) {
    stage.spawned(label, [&, exe = path](Row& row) {
      row.exe = exe;
      row.more = member("interpreter", stage.child());
      // The interpreter gets arguments before ours, so what it is to do stands in the environment.
      return stage.run(row.exe, row, numbers(row.expect_code, stage.ms()), "L=" + numbers(row.expect_code, stage.ms()));
    });
  }
  stage.spawned("script of a shell", [&](Row& row) {
    row.exe = stage.script("shell", "#!/bin/sh\nexit " + std::to_string(row.expect_code) + "\n");
    row.more = member("interpreter", "/bin/sh");
    return stage.run(row.exe, row);
  });
}

void liars(OddStage& stage) {
  stage.spawned("named like a kernel thread", [&](Row& row) {
    row.more = member("argv0", "[kworker/u4:2]");
    return stage.run(stage.child(), row, numbers(row.expect_code, stage.ms()), "", "[kworker/u4:2]");
  });
  for (const char* act : {"moves-arguments", "overwrites-arguments", "renames-itself"}) {
    stage.spawned(act, [&](Row& row) {
      row.exe = stage.self();
      std::vector<std::string> words{
          row.exe, "actor", act, row.nonce, std::to_string(row.expect_code), std::to_string(stage.ms())};
      std::vector<std::string> none;
      const Strings arguments(words), environment(none);
      return spawn(row.exe, arguments.data(), environment.data());
    });
  }
}

void odd_starts(OddStage& stage) {
  stage.spawned("executed by a thread that is not the first", [&](Row& row) {
    return fork_and([&] {
      std::thread([&] { stage.execute(row.exe, row); }).detach();
      for (;;) ::pause();
    });
  });
  stage.spawned("in user, pid and mount namespaces of its own", [&](Row& row) {
    Life life;
    life.forked_after_ns = boot_ns();
    const long pid = ::syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
      stage.execute(row.exe, row);
      ::_exit(126);
    }
    life.forked_before_ns = boot_ns();
    if (pid > 0) {
      life.pid = static_cast<pid_t>(pid);
    } else {
      life.error = errno;
    }
    return life;
  });
  if (::geteuid() != 0) {
    stage.skip("another user", "only root can become another user");
    return;
  }
  stage.spawned(
      "another user",
      [&](Row& row) {
        row.exe = stage.copy("other-user");
        return fork_and([&] {
          if (::setresgid(kOtherUser, kOtherUser, kOtherUser) == 0 &&
              ::setresuid(kOtherUser, kOtherUser, kOtherUser) == 0) {
            stage.execute(row.exe, row);
          }
        });
      },
      kOtherUser);
}

}  // namespace

Result<> oddities(const Where& where, const OddOptions& options, Truth& truth) {
  DE_TRY(stage, OddStage::set_up(where, options, truth));
  plain_ends(stage);
  odd_files(stage);
  scripts(stage);
  liars(stage);
  odd_starts(stage);
  stage.clear();
  return {};
}

}  // namespace de::load
