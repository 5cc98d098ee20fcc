// The iterator against /proc: two ways to ask the same kernel, written by different people.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <utmp.h>

#include <thread>

#include "kernel_support.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;
using testing::ElementsAre;

class Iterated : public testing::Test {
 protected:
  void SetUp() override {
    auto iterator = ProcessIterator::open();
    if (!iterator && !de::test::bpf_must_work()) GTEST_SKIP() << iterator.error().message();
    ASSERT_TRUE(iterator) << iterator.error().message();
  }
  static OwnSource source(SourceOptions options = {}) {
    auto iterator = ProcessIterator::open();
    EXPECT_TRUE(iterator);
    return OwnSource(std::move(options), std::move(*iterator));
  }
};

// Moves while one looks, or is told by the iterator only.
pb::ProcessRecord without_motion(pb::ProcessRecord record) {
  record.clear_collection_time_ms();
  record.set_start_time_ms(record.start_time_ms() - record.boot_time_ms());  // Each source reads the clock itself.
  record.clear_boot_time_ms();
  record.clear_cpu_usage();
  record.clear_cpu_user_ms();
  record.clear_cpu_system_ms();
  record.clear_memory_usage();
  record.clear_io_read_bytes();
  record.clear_cgroup_id();
  record.clear_pidfs_inode();
  return record;
}

// As /proc has it once the process waits and nothing about it moves any more.
pb::ProcessRecord settled(std::uint32_t pid) {
  const auto listing = real_source();
  pb::ProcessRecord before = without_motion(look(*listing, pid));
  for (int tries = 0; tries < 100; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pb::ProcessRecord now = look(*listing, pid);
    if (now.state() == "S" && without_motion(now).SerializeAsString() == before.SerializeAsString()) return now;
    before = without_motion(std::move(now));
  }
  ADD_FAILURE() << pid << " does not come to rest";
  return before;
}

void expect_same(std::uint32_t pid, const char* what) {
  const pb::ProcessRecord listed = settled(pid);
  auto iterator = ProcessIterator::open();
  ASSERT_TRUE(iterator);
  const OwnSource iterated({}, std::move(*iterator));
  EXPECT_EQ(without_motion(look(*iterated, pid)).ShortDebugString(), without_motion(listed).ShortDebugString())
      << what << ", visited";
  const Records records = sweep(*iterated);
  ASSERT_TRUE(records.contains(pid)) << what;
  const pb::ProcessRecord& record = records.at(pid);
  EXPECT_EQ(without_motion(record).ShortDebugString(), without_motion(listed).ShortDebugString()) << what;
  EXPECT_NEAR(static_cast<double>(record.memory_usage()), static_cast<double>(listed.memory_usage()), 8 << 20) << what;
  EXPECT_NEAR(static_cast<double>(record.cpu_user_ms()), static_cast<double>(listed.cpu_user_ms()), 50) << what;
  EXPECT_NEAR(static_cast<double>(record.cpu_system_ms()), static_cast<double>(listed.cpu_system_ms()), 50) << what;
  EXPECT_NE(record.cgroup_id(), 0u) << what;
}

TEST_F(Iterated, SaysWhatProcSays) {
  TempDir dir;
  expect_same(Child([] {}).pid(), "a fork");
  expect_same(Child::running({"/bin/sleep", "1000"}).pid(), "a program");
  expect_same(Child([] { ::setsid(); }).pid(), "a session");
  expect_same(Child([] { (void)!::nice(7); }).pid(), "a nice one");
  expect_same(Child([&dir] { (void)!::chdir(dir.path().c_str()); }).pid(), "another directory");
  expect_same(Child([] { ::prctl(PR_SET_NAME, ") R 1 ("); }).pid(), "an evil name");
  expect_same(Child([] { ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }).pid(), "no new privileges");
  expect_same(Child([] { ::unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS); }).pid(), "its own namespaces");
  expect_same(Child([] { (void)!::chroot("/tmp"); }).pid(), "its own root");
  expect_same(Child([] {
                if (::setresgid(65533, 65534, 65532) != 0 || ::setresuid(65533, 65534, 65532) != 0) ::_exit(1);
              }).pid(),
              "other users");
  expect_same(Child([] {
                for (int i = 0; i < 300; ++i) (void)!::open("/dev/null", O_RDONLY);
              }).pid(),
              "many descriptors");
  expect_same(Child([] {
                const rlimit many{20'000, 20'000};
                ::setrlimit(RLIMIT_NOFILE, &many);
                ::dup2(0, 19'000);
              }).pid(),
              "more descriptors than are counted");
}

TEST_F(Iterated, ProcessesThatAreAlikeCostNoTextsOfTheirOwn) {
  const OwnSource iterated = source();
  const Child one = Child::running({"/bin/sleep", "1000"});
  (void)sweep(*iterated);
  const std::size_t before = iterated.remembered_texts();
  std::vector<std::unique_ptr<Child>> more;
  for (int i = 0; i < 50; ++i)
    more.push_back(std::make_unique<Child>([] { ::execl("/bin/sleep", "/bin/sleep", "1000", nullptr); }));
  (void)sweep(*iterated);
  EXPECT_LT(iterated.remembered_texts(), before + 25) << "others may start something meanwhile";
}

TEST_F(Iterated, SaysWhatProcSaysOfFilesThatAreGone) {
  TempDir dir;
  const std::string gone = copy_sleep(dir, "gone"), replaced = copy_sleep(dir, "replaced");
  const Child deleted = Child::running({gone, "1000"}), other = Child::running({replaced, "1000"});
  const Child marked = Child::running({copy_sleep(dir, "x (deleted)"), "1000"});
  ::unlink(gone.c_str());
  std::filesystem::rename(copy_sleep(dir, "new"), replaced);
  std::filesystem::create_directory(dir / "cwd");
  const Child homeless([&dir] { (void)!::chdir((dir / "cwd").c_str()); });
  std::filesystem::remove(dir / "cwd");
  expect_same(deleted.pid(), "deleted");
  expect_same(other.pid(), "replaced");
  expect_same(marked.pid(), "named so");
  expect_same(homeless.pid(), "its directory is gone");

  const int memory = ::memfd_create("evil", 0);
  std::ifstream from("/bin/sleep", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(from)), {});
  ASSERT_EQ(::write(memory, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const Child memfd([memory] {
    char name[] = "sleep", time[] = "1000";
    char* argv[] = {name, time, nullptr};
    ::fcntl(memory, F_SETFD, FD_CLOEXEC);
    ::fexecve(memory, argv, environ);
  });
  ::close(memory);
  expect_same(memfd.pid(), "memfd");
  EXPECT_EQ(look(*source(), memfd.pid()).on_disk_state(), pb::ON_DISK_MEMFD);
}

TEST_F(Iterated, SaysWhatProcSaysOfThreadsTerminalsZombiesAndTheKernel) {
  expect_same(2, "kthreadd");
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  expect_same(Child([slave] { ::login_tty(slave); }).pid(), "a terminal");
  ::close(master);
  ::close(slave);
  expect_same(Child([] {
                for (int i = 0; i < 40; ++i) std::thread([] { ::pause(); }).detach();
              }).pid(),
              "threads");
  Child zombie([] {});
  zombie.kill_only();
  const pb::ProcessRecord dead = look(*source(), zombie.pid());
  EXPECT_EQ(dead.state(), "Z");
  EXPECT_FALSE(dead.has_executable_path());
  EXPECT_EQ(dead.process_uid(), look(*real_source(), zombie.pid()).process_uid());
}

// The work of ended threads and of those that live adds up.
TEST_F(Iterated, CountsTheTimeOfThreads) {
  const Child child([] {
    const auto burn = [] {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
      while (std::chrono::steady_clock::now() < until) (void)::getppid();
    };
    std::thread(burn).join();
    std::thread([burn] {
      burn();
      ::pause();
    }).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const pb::ProcessRecord listed = look(*real_source(), child.pid()), told = look(*source(), child.pid());
  const auto all = [](const pb::ProcessRecord& r) { return static_cast<double>(r.cpu_user_ms() + r.cpu_system_ms()); };
  EXPECT_GT(all(told), 40);
  EXPECT_NEAR(all(told), all(listed), 30);
}

TEST_F(Iterated, ASweepHasEverybodyOnceAndBalances) {
  const auto iterated = source();
  for (int i = 0; i < 3; ++i) {
    std::map<std::uint32_t, int> times;
    const Result<Sweep> counts =
        (*iterated).sweep([&](pb::ProcessRecord& record, const auto&) { ++times[record.pid()]; });
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->seen, times.size() + counts->vanished);
    for (const auto& [pid, count] : times) EXPECT_EQ(count, 1) << pid;
    EXPECT_TRUE(times.contains(static_cast<std::uint32_t>(::getpid())));
    EXPECT_TRUE(times.contains(static_cast<std::uint32_t>(::getppid())));
    EXPECT_TRUE(times.contains(1)) << "there are kernels whose iterator leaves it out";
  }
}

// What changed is read again at once; what nothing shows is read within so many sweeps.
TEST_F(Iterated, NoticesChanges) {
  int control[2];
  ASSERT_EQ(::pipe(control), 0);
  const Child child([&control] {
    std::thread([fd = control[0]] {
      char byte = 0;
      while (::read(fd, &byte, 1) == 1) {
        if (byte == 'd') (void)!::chdir("/tmp");
        if (byte == 'n') ::prctl(PR_SET_NAME, "renamed");
        if (byte == 'u' && ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
        if (byte == 'x') ::execl("/bin/sleep", "other", "1000", nullptr);
      }
    }).detach();
  });
  const auto iterated = source();
  const auto now = [&] { return sweep(*iterated).at(child.pid()); };
  const auto tell = [&](char what) {
    ASSERT_EQ(::write(control[1], &what, 1), 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  const pb::ProcessRecord before = now();
  tell('d');
  EXPECT_EQ(now().cwd(), "/tmp");
  tell('u');
  EXPECT_EQ(now().euid(), 65534u);
  EXPECT_EQ(now().user_name(), "nobody");
  tell('x');
  const pb::ProcessRecord after = now();
  EXPECT_EQ(after.process_uid(), before.process_uid());
  EXPECT_EQ(after.exec_seq(), before.exec_seq() + 1);
  EXPECT_THAT(after.command_line(), ElementsAre("other", "1000"));
  EXPECT_NE(after.executable_path(), before.executable_path());
  ::close(control[0]);
  ::close(control[1]);
}

TEST_F(Iterated, SeesAnOverwrittenCommandLineWithinEightSweeps) {
  const std::string path = std::filesystem::read_symlink("/proc/self/exe");
  Child child([] {
    std::ifstream stat("/proc/self/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    text = text.substr(text.rfind(')'));
    std::istringstream words(text);
    std::string word;
    std::vector<std::string> fields;
    while (words >> word) fields.push_back(word);
    auto* argv0 = reinterpret_cast<char*>(std::strtoull(fields.at(48 - 2).c_str(), nullptr, 10));
    std::thread([argv0] {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      std::memcpy(argv0, "EVIL", 4);
    }).detach();
  });
  const auto iterated = source();
  (void)sweep(*iterated);
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  int sweeps = 0;
  std::string first;
  while (sweeps < 8 && !first.starts_with("EVIL")) {
    ++sweeps;
    const pb::ProcessRecord record = sweep(*iterated).at(child.pid());
    ASSERT_GT(record.command_line_size(), 0);
    first = record.command_line(0);
  }
  EXPECT_TRUE(first.starts_with("EVIL")) << "after " << sweeps;
}

TEST_F(Iterated, CpuUsage) {
  const pid_t busy = ::fork();
  if (busy == 0)
    for (;;) (void)::getppid();
  const auto pid = static_cast<std::uint32_t>(busy);
  const auto iterated = source();
  EXPECT_FALSE(sweep(*iterated).at(pid).has_cpu_usage()) << "nothing to compare with yet";
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const pb::ProcessRecord record = sweep(*iterated).at(pid);
  ::kill(busy, SIGKILL);
  ::waitpid(busy, nullptr, 0);
  EXPECT_GT(record.cpu_usage(), 5.0);
  EXPECT_LE(record.cpu_usage(), 115.0);
  EXPECT_EQ(record.state(), "R");
}

}  // namespace
}  // namespace de::collect
