// Needs CAP_BPF and CAP_PERFMON; elsewhere the tests are skipped with the reason.
#include "collect/linux/bpf_feed.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "bpf_watch.h"
#include "collect/books.h"
#include "collect/linux/bpf/event_layout.h"
#include "daemoneye/base/unique_fd.h"
#include "temp_dir.h"

namespace de::collect {

using de::test::TempDir;
using test::BpfFeedTest;
using test::Seen;

namespace {

// Its programs begin one after the other: what is begun in between counts in all of them or in none. Threads, because
// many more of them are begun in a second than processes.
TEST_F(BpfFeedTest, OpenedWhereTasksAreBegunTheBooksBalance) {
  OPEN_OR_SKIP();
  std::atomic<bool> done = false;
  const auto begin_threads = [&done] {
    while (!done) std::thread([] {}).join();
  };
  std::thread first(begin_threads), second(begin_threads);
  for (int opened = 0; opened < 12; ++opened) {
    feed.reset();
    open();
    FeedCounts counts;
    for (int tries = 0; tries < 1'000 && (counts.clones < 20 || !is_balanced(counts)); ++tries) {
      ::usleep(1'000);
      seen.clear();
      drain();
      counts = feed->counts();
    }
    EXPECT_TRUE(is_balanced(counts)) << counts.clones << " clones, " << counts.fork_calls << " processes, "
                                     << counts.threads << " threads; opened " << opened << " times before";
  }
  done = true;
  first.join();
  second.join();
}

TEST_F(BpfFeedTest, AProcessIsSeenFromForkToExit) {
  OPEN_OR_SKIP();
  const int status = run_program("/bin/sh", {"sh", "-c", "exit 7"});
  ASSERT_EQ(WEXITSTATUS(status), 7);
  const Seen *fork = find(KernelEventKind::Fork), *exec = find(KernelEventKind::Exec),
             *exit = find(KernelEventKind::Exit);
  ASSERT_TRUE(fork && exec && exit);
  EXPECT_EQ(fork->event.ppid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_GT(fork->event.start_ns, 0U);
  EXPECT_EQ(exec->event.start_ns, fork->event.start_ns);
  EXPECT_EQ(exit->event.start_ns, fork->event.start_ns);
  EXPECT_LT(fork->event.time_ns, exec->event.time_ns);
  EXPECT_LT(exec->event.time_ns, exit->event.time_ns);
  EXPECT_LT(fork->event.parent_start_ns, fork->event.start_ns);
  EXPECT_EQ(exit->event.exit_code, 7);
  EXPECT_FALSE(exit->event.exit_signal);

  const FeedCounts counts = feed->counts();
  EXPECT_TRUE(counts.forks > 0 && counts.execs > 0 && counts.exits > 0);

  const pb::ProcessRecord& record = exec->record;
  EXPECT_EQ(record.name(), "sh");
  EXPECT_EQ(record.executable_path(), std::filesystem::canonical("/bin/sh"));
  EXPECT_EQ(arguments(), (std::vector<std::string>{"sh", "-c", "exit 7"}));
  EXPECT_EQ(record.command_line_length(), 13U);
  EXPECT_EQ(record.cwd(), std::filesystem::current_path());
  EXPECT_EQ(record.user_id(), std::to_string(::getuid()));
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_MATCH);
  EXPECT_EQ(record.session_id(), static_cast<std::uint32_t>(::getsid(0)));
  EXPECT_EQ(record.pgid(), static_cast<std::uint32_t>(::getpgid(0)));
  struct stat shell {};
  ASSERT_EQ(::stat("/bin/sh", &shell), 0);
  EXPECT_EQ(record.exe_inode(), shell.st_ino);
  EXPECT_EQ(record.exe_size(), static_cast<std::uint64_t>(shell.st_size));
  EXPECT_EQ(record.exe_mode(), shell.st_mode);
  EXPECT_EQ(record.exe_mtime_ms(), shell.st_mtim.tv_sec * 1000 + shell.st_mtim.tv_nsec / 1'000'000);
  ASSERT_TRUE(exec->event.image);
  const auto key = key_of(::open("/bin/sh", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(key);
  EXPECT_EQ(exec->event.image->ctime_ns, key->ctime_ns);
  EXPECT_EQ(exec->event.image->mtime_ns, key->mtime_ns);
  EXPECT_EQ(exec->event.image->dev, key->dev);
  struct stat space {};
  ASSERT_EQ(::stat("/proc/self/ns/mnt", &space), 0);
  EXPECT_EQ(record.namespaces().mnt(), space.st_ino);
  ASSERT_EQ(::stat("/proc/self/ns/pid", &space), 0);
  EXPECT_EQ(record.namespaces().pid(), space.st_ino);
  ASSERT_EQ(::stat("/proc/self/ns/user", &space), 0);
  EXPECT_EQ(record.namespaces().user(), space.st_ino);
}

TEST_F(BpfFeedTest, ASignalIsToldFromACode) {
  OPEN_OR_SKIP();
  run([] { ::raise(SIGKILL); });
  const Seen* exit = find(KernelEventKind::Exit);
  ASSERT_TRUE(exit);
  EXPECT_FALSE(exit->event.exit_code);
  EXPECT_EQ(exit->event.exit_signal, SIGKILL);
}

TEST_F(BpfFeedTest, TheExitCodeIsTheProcessesWhicheverThreadEndsIt) {
  OPEN_OR_SKIP();
  run([] {
    std::thread([] { ::_exit(5); }).detach();
    ::pause();
  });
  const Seen* exit = find(KernelEventKind::Exit);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->event.exit_code, 5);
  EXPECT_EQ(find(KernelEventKind::Exit, 1), nullptr) << "once for the process, not for each thread";
}

// Two pages hold a handful of events, so that sooner or later one of every kind begins at their end and goes on at
// their beginning.
TEST_F(BpfFeedTest, WhatWrapsAroundTheEndOfTheRingIsWhole) {
  FeedOptions options;
  options.buffer_bytes = 2 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  OPEN_OR_SKIP(options);
  int whole = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string marker = std::to_string(i) + std::string(static_cast<std::size_t>(i) % 97, 'x');
    seen.clear();
    run_program("/bin/true", {"true", marker});
    const Seen *fork = find(KernelEventKind::Fork), *exec = find(KernelEventKind::Exec),
               *exit = find(KernelEventKind::Exit);
    if (fork == nullptr || exec == nullptr || exit == nullptr) continue;  // Others took the room.
    ++whole;
    EXPECT_EQ(arguments(), (std::vector<std::string>{"true", marker}));
    EXPECT_EQ(exec->record.executable_path(), std::filesystem::canonical("/bin/true"));
    EXPECT_EQ(exec->event.start_ns, fork->event.start_ns);
    EXPECT_EQ(exit->event.exit_code, 0);
  }
  EXPECT_GT(whole, 20);
  EXPECT_EQ(feed->counts().malformed, 0U);
}

TEST_F(BpfFeedTest, ArgumentsAreWhatTheImageReceivedByteForByte) {
  OPEN_OR_SKIP();
  const std::vector<std::vector<std::string>> cases = {
      {""},
      {"true", ""},
      {"true", "", "", "x"},
      {"true", "two\nlines", "\x1b[31mred\x1b[0m", "\xff\xfe not UTF-8 \xc3"},
      {"true", std::string(DE_ARGS_BYTES - 6, 'a')},
      {"true", std::string(DE_ARGS_BYTES - 5, 'b')},
      {"true", std::string(DE_ARGS_BYTES, 'c'), "tail"},
      {"true", std::string(DE_ARGS_BYTES + DE_CHUNK_BYTES, 'd'), "e"},
      {"true", std::string(100'000, 'f'), std::string(100'000, 'g'), "h"},
  };
  for (const auto& wanted : cases) {
    seen.clear();
    run_program("/bin/true", wanted);
    EXPECT_EQ(arguments(), wanted) << wanted.size() << " arguments, the longest " << wanted.back().size();
    std::size_t bytes = 0;
    for (const std::string& argument : wanted) bytes += argument.size() + 1;
    ASSERT_TRUE(find(KernelEventKind::Exec));
    EXPECT_EQ(find(KernelEventKind::Exec)->record.command_line_length(), bytes);
    EXPECT_FALSE(find(KernelEventKind::Exec)->record.has_command_line_sha256());
  }
}

TEST_F(BpfFeedTest, AlmostTwoMegabytesOfArguments) {
  OPEN_OR_SKIP();
  std::vector<std::string> wanted = {"true"};
  for (int i = 0; i < 19; ++i) wanted.emplace_back(100'000, static_cast<char>('a' + i));
  const int status = run_program("/bin/true", wanted);
  if (WEXITSTATUS(status) == 99) GTEST_SKIP() << "the stack limit does not allow so many arguments";
  EXPECT_TRUE(arguments() == wanted);
}

TEST_F(BpfFeedTest, ACutIsExplicit) {
  FeedOptions options;
  options.capture.max_argv_bytes = 4096;
  OPEN_OR_SKIP(options);
  run_program("/bin/true", {"true", std::string(20'000, 'x')});
  const Seen* exec = find(KernelEventKind::Exec);
  ASSERT_TRUE(exec);
  EXPECT_EQ(exec->record.command_line_length(), 20'006U);
  EXPECT_EQ(exec->record.command_line(1).size(), 4096U - 5);
  EXPECT_EQ(exec->record.command_line_sha256().size(), 32U);
}

TEST_F(BpfFeedTest, SecretsAreMasked) {
  OPEN_OR_SKIP();
  run_program("/bin/true", {"true", "--password", "hunter2"});
  EXPECT_EQ(arguments(), (std::vector<std::string>{"true", "--password", "[REDACTED]"}));
}

TEST_F(BpfFeedTest, AScriptAndItsInterpreter) {
  OPEN_OR_SKIP();
  const TempDir dir;
  const std::string script = dir.path() + "/job";
  std::ofstream(script) << "#!/bin/sh\nexit 3\n";
  ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
  EXPECT_EQ(WEXITSTATUS(run_program(script.c_str(), {script, "now"})), 3);
  const Seen* exec = find(KernelEventKind::Exec);
  ASSERT_TRUE(exec);
  EXPECT_EQ(exec->record.script_path(), script);
  EXPECT_EQ(exec->record.interpreter_path(), std::filesystem::canonical("/bin/sh"));
  EXPECT_EQ(exec->record.name(), "job");
  EXPECT_EQ(arguments(), (std::vector<std::string>{"/bin/sh", script, "now"}));
}

// How the executable stood to its path at the moment of the exec.
TEST_F(BpfFeedTest, MemfdDeletedReplacedAndLinkedElsewhere) {
  OPEN_OR_SKIP();
  const TempDir dir;
  const std::string path = dir.path() + "/program";
  const auto copy = [&path] {
    std::filesystem::copy_file("/bin/true", path, std::filesystem::copy_options::overwrite_existing);
  };
  const auto exec_open = [&](const std::function<void()>& meanwhile) -> pb::ProcessRecord {
    seen.clear();
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    meanwhile();
    char name[] = "program";
    char* argv[] = {name, nullptr};
    run([&] { ::fexecve(fd, argv, ::environ); });
    ::close(fd);
    const Seen* exec = find(KernelEventKind::Exec);
    return exec != nullptr ? exec->record : pb::ProcessRecord();
  };
  copy();
  EXPECT_EQ(exec_open([] {}).on_disk_state(), pb::ON_DISK_MATCH);
  pb::ProcessRecord record = exec_open([&] { ::unlink(path.c_str()); });
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_DELETED);
  EXPECT_EQ(record.executable_path(), path);
  EXPECT_FALSE(record.file_exists());
  copy();
  record = exec_open([&] {
    std::filesystem::copy_file("/bin/false", path + ".new");
    std::filesystem::rename(path + ".new", path);
  });
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_REPLACED);
  copy();
  record = exec_open([&] {
    std::filesystem::create_hard_link(path, path + ".elsewhere");
    ::unlink(path.c_str());
  });
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_DELETED) << "it lives under another name, but not under this one";

  seen.clear();
  const int memory = ::memfd_create("evil", MFD_CLOEXEC);
  std::ifstream from("/bin/true", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(from)), {});
  ASSERT_EQ(::write(memory, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  char name[] = "innocent";
  char* argv[] = {name, nullptr};
  run([&] { ::fexecve(memory, argv, ::environ); });
  ::close(memory);
  const Seen* exec = find(KernelEventKind::Exec);
  ASSERT_TRUE(exec);
  EXPECT_EQ(exec->record.on_disk_state(), pb::ON_DISK_MEMFD);
  EXPECT_EQ(exec->record.executable_path(), "/memfd:evil");
}

TEST_F(BpfFeedTest, ExecFromAThreadIsTheSameProcess) {
  OPEN_OR_SKIP();
  run([] { std::thread([] { ::execl("/bin/true", "true", "from-thread", nullptr); }).join(); });
  EXPECT_EQ(arguments(), (std::vector<std::string>{"true", "from-thread"}));
  ASSERT_TRUE(find(KernelEventKind::Fork) && find(KernelEventKind::Exec));
  EXPECT_EQ(find(KernelEventKind::Fork)->event.start_ns, find(KernelEventKind::Exec)->event.start_ns);
}

TEST_F(BpfFeedTest, EachExecOfAChainIsAnEvent) {
  OPEN_OR_SKIP();
  run_program("/bin/sh", {"sh", "-c", "exec /bin/sh -c 'exec /bin/true last'"});
  ASSERT_TRUE(find(KernelEventKind::Exec, 2));
  EXPECT_EQ(find(KernelEventKind::Exec, 2)->record.command_line(1), "last");
  EXPECT_EQ(find(KernelEventKind::Exec, 3), nullptr);
}

TEST_F(BpfFeedTest, DeepDirectoriesGiveTheWholePath) {
  OPEN_OR_SKIP();
  const TempDir dir;
  std::string deep = dir.path();
  for (int i = 0; i < 30; ++i) deep += "/d" + std::to_string(i);
  std::filesystem::create_directories(deep);
  std::filesystem::copy_file("/bin/true", deep + "/program");
  run_program((deep + "/program").c_str(), {"program"});
  ASSERT_TRUE(find(KernelEventKind::Exec));
  EXPECT_EQ(find(KernelEventKind::Exec)->record.executable_path(), deep + "/program");
}

TEST_F(BpfFeedTest, APathLeadsThroughWhatIsMountedOnIt) {
  OPEN_OR_SKIP();
  const TempDir dir;
  const std::string outer = dir.path() + "/outer", inner = outer + "/a/inner";
  std::filesystem::create_directory(outer);
  if (::mount("tmpfs", outer.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "cannot mount: " << errno;
  std::filesystem::create_directories(inner);
  const bool nested = ::mount("tmpfs", inner.c_str(), "tmpfs", 0, "size=1m") == 0;
  std::filesystem::create_directory(inner + "/b");
  std::filesystem::copy_file("/bin/true", inner + "/b/program");
  run_program((inner + "/b/program").c_str(), {"program"});
  if (nested) ::umount2(inner.c_str(), MNT_DETACH);
  ::umount2(outer.c_str(), MNT_DETACH);
  ASSERT_TRUE(nested);
  ASSERT_TRUE(find(KernelEventKind::Exec));
  EXPECT_EQ(find(KernelEventKind::Exec)->record.executable_path(), inner + "/b/program");
}

// The kernel's own count of what happened is that of what was delivered and dropped.
TEST_F(BpfFeedTest, WhatATinyRingLosesIsCounted) {
  FeedOptions options;
  options.buffer_bytes = 4096;
  OPEN_OR_SKIP(options);
  for (int i = 0; i < 50; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
  FeedCounts counts;
  for (int tries = 0; tries < 100; ++tries) {  // Others fork as well: until nobody did between the two.
    drain();
    counts = feed->counts();
    if (counts.happened == counts.forks + counts.execs + counts.exits + counts.dropped) break;
  }
  EXPECT_EQ(counts.happened, counts.forks + counts.execs + counts.exits + counts.dropped);
  EXPECT_GT(counts.dropped, 50U);
  EXPECT_EQ(counts.malformed, 0U);
}

// Descriptors of this process that keep a program attached.
std::vector<int> open_links() {
  std::vector<int> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo"))
    if (de::test::read_text(entry.path()).find("link_id:") != std::string::npos)
      out.push_back(std::stoi(entry.path().filename()));
  return out;
}

// Whoever takes over the process, or traces it, can close what it holds and leave something else in its place.
TEST_F(BpfFeedTest, WhateverOfItIsTakenAwayIsMissed) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::set<std::string> said;
  for (std::size_t i = 0; i < 5; ++i) {
    feed.reset();
    OPEN_OR_SKIP();
    std::vector<int> held = open_links();
    ASSERT_EQ(held.size(), 4U);
    held.push_back(feed->wake_fd());
    ASSERT_EQ(::dup3(null.get(), held[i], O_CLOEXEC), held[i]);
    const auto drained = feed->drain([](KernelEvent&) {});
    ASSERT_FALSE(drained) << i;
    EXPECT_EQ(drained.error().code(), Errc::Closed);
    said.insert(drained.error().message());
  }
  EXPECT_EQ(said.size(), 5U) << "each by its name";
}

TEST_F(BpfFeedTest, OneProgramIsNoneInThePlaceOfAnother) {
  OPEN_OR_SKIP();
  drain();
  const std::vector<int> held = open_links();
  ASSERT_EQ(held.size(), 4U);
  ASSERT_EQ(::dup3(held[0], held[1], O_CLOEXEC), held[1]);
  bool is_missed = false;
  for (int tries = 0; tries < 200 && !is_missed; ++tries) {
    ::usleep(10'000);
    is_missed = !feed->drain([](KernelEvent&) {});
  }
  EXPECT_TRUE(is_missed) << "within two seconds";
}

TEST_F(BpfFeedTest, WhoeverSleepsIsWokenAtOnce) {
  OPEN_OR_SKIP();
  for (int i = 0; i < 20; ++i) {
    drain();
    feed->fall_asleep();
    std::thread later([] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    });
    pollfd waiting{feed->wake_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 10'000), 1) << i;
    later.join();
  }
}

}  // namespace
}  // namespace de::collect
