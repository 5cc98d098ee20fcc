#include "collect/process_source.h"

#include <gmock/gmock.h>
#include <pty.h>
#include <sys/prctl.h>
#include <utmp.h>

#include <thread>

#include "collect/identity.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;
using testing::ElementsAre;

TEST(ProcessSource, BooksBalance) {
  const auto source = real_source();
  Sweep counts;
  const Records records = sweep(*source, &counts);
  EXPECT_EQ(counts.seen, records.size() + counts.vanished);
  EXPECT_GT(counts.seen, 1u);
  std::uint32_t unreadable = 0;
  for (const auto& [pid, record] : records) unreadable += record.accessible() ? 0U : 1U;
  EXPECT_EQ(counts.unreadable, unreadable);
}

TEST(ProcessSource, TellsAboutItself) {
  const auto source = real_source();
  const Records records = sweep(*source);
  const pb::ProcessRecord& self = records.at(static_cast<std::uint32_t>(::getpid()));
  EXPECT_TRUE(self.accessible());
  EXPECT_EQ(self.ppid(), static_cast<std::uint32_t>(::getppid()));
  EXPECT_EQ(self.user_id(), std::to_string(::getuid()));
  EXPECT_EQ(self.euid(), ::geteuid());
  EXPECT_EQ(self.group_id(), ::getgid());
  EXPECT_EQ(self.session_id(), static_cast<std::uint32_t>(::getsid(0)));
  EXPECT_EQ(self.pgid(), static_cast<std::uint32_t>(::getpgrp()));
  EXPECT_EQ(self.executable_path(), std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_EQ(self.on_disk_state(), pb::ON_DISK_MATCH);
  EXPECT_TRUE(self.file_exists());
  EXPECT_EQ(self.cwd(), std::filesystem::current_path().string());
  EXPECT_EQ(self.root(), "/");
  EXPECT_GT(self.namespaces().pid(), 0u);
  EXPECT_GT(self.namespaces().uts(), 0u);
  EXPECT_GE(self.threads(), 1u);
  EXPECT_GT(self.memory_usage(), 1'000'000u);
  EXPECT_GT(self.virtual_memory(), self.memory_usage());
  EXPECT_GE(self.fd_count(), 3u);
  EXPECT_TRUE(self.has_io_read_bytes());
  EXPECT_TRUE(self.has_seccomp());
  EXPECT_TRUE(self.has_no_new_privs());
  EXPECT_TRUE(self.has_cap_effective());
  EXPECT_EQ(self.state(), "S") << "another thread of ours looks";
  EXPECT_EQ(self.process_uid().size(), 16u);
  EXPECT_FALSE(self.kernel_thread());
  EXPECT_EQ(self.source(), pb::RECORD_SOURCE_SCAN);
  EXPECT_NEAR(static_cast<double>(self.start_time_ms()), static_cast<double>(system_clock().unix_ms()), 600'000);
  EXPECT_EQ(self.user_name() == "root", ::getuid() == 0);
  struct stat exe {};
  ASSERT_EQ(::stat("/proc/self/exe", &exe), 0);
  EXPECT_EQ(self.exe_inode(), exe.st_ino);
  EXPECT_EQ(self.exe_dev(), exe.st_dev);
  EXPECT_EQ(self.exe_size(), static_cast<std::uint64_t>(exe.st_size));
  EXPECT_EQ(self.exe_mode(), exe.st_mode);
  EXPECT_EQ(self.exe_uid(), exe.st_uid);
}

TEST(ProcessSource, KernelThreadsAreMarkedAndHaveNoImage) {
  const auto source = real_source();
  const Records records = sweep(*source);
  const auto kthreadd = records.find(2);
  if (kthreadd == records.end() || kthreadd->second.name() != "kthreadd") GTEST_SKIP() << "not in the host's pids";
  EXPECT_TRUE(kthreadd->second.kernel_thread());
  EXPECT_FALSE(kthreadd->second.has_executable_path());
  EXPECT_EQ(kthreadd->second.command_line_size(), 0);
  EXPECT_FALSE(kthreadd->second.has_memory_usage());
}

TEST(ProcessSource, ParentsAreNamedByIdentity) {
  const Child child([] {});
  const auto source = real_source();
  for (int i = 0; i < 2; ++i) {
    const Records records = sweep(*source);
    EXPECT_EQ(records.at(child.pid()).parent_uid(), records.at(static_cast<std::uint32_t>(::getpid())).process_uid());
  }
  // Asked alone, the parent was not read in the same sweep.
  const pb::ProcessRecord alone = look(*real_source(), child.pid());
  EXPECT_EQ(alone.parent_uid(), look(*source, static_cast<std::uint32_t>(::getpid())).process_uid());
}

TEST(ProcessSource, EvilNamesStayNames) {
  for (const char* name : {") R 1 (", "a b) S 0", "\x1b[31m\n", "\xff\xfe"}) {
    const Child child([name] { ::prctl(PR_SET_NAME, name); });
    const pb::ProcessRecord record = look(*real_source(), child.pid());
    EXPECT_EQ(record.name(), name);
    EXPECT_EQ(record.ppid(), static_cast<std::uint32_t>(::getpid()));
  }
}

TEST(ProcessSource, FakeKernelThreadIsNone) {
  const Child fake([] { ::prctl(PR_SET_NAME, "kworker/u4:2"); });
  EXPECT_FALSE(look(*real_source(), fake.pid()).kernel_thread());
}

TEST(ProcessSource, SessionsAndGroups) {
  const Child child([] { ::setsid(); });
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.session_id(), child.pid());
  EXPECT_EQ(record.pgid(), child.pid());
  EXPECT_FALSE(record.has_tty());
}

TEST(ProcessSource, NamesTheTerminal) {
  int master = -1, slave = -1;
  char name[64] = {};
  if (::openpty(&master, &slave, name, nullptr, nullptr) != 0) GTEST_SKIP() << "no pseudo terminals";
  {
    const Child child([slave] { ::login_tty(slave); });
    EXPECT_EQ("/dev/" + look(*real_source(), child.pid()).tty(), name);
  }
  ::close(master);
  ::close(slave);
}

TEST(ProcessSource, OtherUsersAreSeenWithTheirNames) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root";
  const Child child([] {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
  });
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.user_id(), "65534");
  EXPECT_EQ(record.user_name(), "nobody");
  EXPECT_EQ(record.suid(), 65534u);
  EXPECT_EQ(record.egid(), 65534u);
  EXPECT_EQ(record.cap_effective(), 0u);
}

TEST(ProcessSource, ArgumentsAreMaskedUnlessTold) {
  const Child shell = Child::running({"/bin/sh", "-c", "read x < /dev/zero; :", "sh", "--password=hunter2", ""});
  EXPECT_THAT(look(*real_source(), shell.pid()).command_line(),
              ElementsAre("/bin/sh", "-c", "read x < /dev/zero; :", "sh", "--password=[REDACTED]", ""));
  SourceOptions open;
  open.mask_arguments = false;
  EXPECT_EQ(look(*real_source(open), shell.pid()).command_line(4), "--password=hunter2");
}

TEST(ProcessSource, EnvironmentOnlyWhenAsked) {
  const Child child([] {
    char sleep[] = "/bin/sleep", time[] = "1000";
    char plain[] = "COLOR=blue", secret[] = "API_TOKEN=abc";
    char* argv[] = {sleep, time, nullptr};
    char* envp[] = {plain, secret, nullptr};
    ::execve(sleep, argv, envp);
  });
  EXPECT_EQ(look(*real_source(), child.pid()).environment_size(), 0);
  SourceOptions with;
  with.collect_environment = true;
  EXPECT_THAT(look(*real_source(with), child.pid()).environment(), ElementsAre("COLOR=blue", "API_TOKEN=[REDACTED]"));
}

TEST(ProcessSource, LongArgumentsAreWholeOrCutAndSaySo) {
  std::vector<std::string> argv = {"/bin/sh", "-c", "read x < /dev/zero; :"};
  for (int i = 0; i < 10; ++i) argv.push_back(std::string(100'000, static_cast<char>('a' + i)));
  const Child child = Child::running(argv);
  std::size_t length = 0;
  for (const std::string& argument : argv) length += argument.size() + 1;

  const pb::ProcessRecord whole = look(*real_source(), child.pid());
  EXPECT_EQ(whole.command_line_size(), 13);
  EXPECT_EQ(whole.command_line(12), argv[12]);
  EXPECT_EQ(whole.command_line_length(), length);

  SourceOptions tight;
  tight.max_argv_bytes = 1000;
  const pb::ProcessRecord cut = look(*real_source(tight), child.pid());
  EXPECT_EQ(cut.command_line_length(), length);
  std::size_t kept = 0;
  for (const std::string& argument : cut.command_line()) kept += argument.size() + 1;
  EXPECT_LE(kept, 1001u);
  EXPECT_GT(kept, 900u);
}

TEST(ProcessSource, CpuUsage) {
  const pid_t busy = ::fork();
  if (busy == 0)
    for (;;) (void)::getppid();
  const auto pid = static_cast<std::uint32_t>(busy);
  const auto source = real_source();
  EXPECT_FALSE(sweep(*source).at(pid).has_cpu_usage()) << "nothing to compare with yet";
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const double visited = look(*source, pid).cpu_usage();
  const pb::ProcessRecord record = sweep(*source).at(pid);
  ::kill(busy, SIGKILL);
  ::waitpid(busy, nullptr, 0);
  EXPECT_GT(visited, 5.0);
  EXPECT_GT(record.cpu_usage(), 5.0);
  EXPECT_LE(record.cpu_usage(), 115.0);
  EXPECT_GT(record.cpu_user_ms(), 10u);
}

// ---- Visits and executables ----

TEST(Visit, ThreadsAndStrangersAreNoProcesses) {
  std::uint32_t tid = 0;
  std::thread([&tid] {
    tid = static_cast<std::uint32_t>(::gettid());
    const auto source = real_source();
    const std::uint32_t pids[] = {tid, 4'000'000'000U, tid};
    int records = 0;
    const Result<Sweep> counts = source->visit(pids, [&](pb::ProcessRecord&, const auto&) { ++records; });
    ASSERT_TRUE(counts);
    EXPECT_EQ(records, 0);
    EXPECT_EQ(counts->seen, 2u) << "each pid once";
    EXPECT_EQ(counts->vanished, 2u);
  }).join();
}

TEST(OpenExecutable, OnlyForTheSameIdentity) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const auto source = real_source();
  const pb::ProcessRecord record = look(*source, child.pid());
  const Result<Executable> opened = source->open_executable(child.pid(), record.process_uid());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->key.inode, record.exe_inode());
  const Result<Executable> stale = source->open_executable(child.pid(), std::string(16, 'x'));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code(), Errc::NotFound);
}

TEST(ProcessUid, IsFixedForEver) {
  const std::string boot = "11111111-2222-3333-4444-555555555555";
  const std::string uid = process_uid(boot, 42, 1'234'567'890);
  EXPECT_EQ(uid, process_uid(boot, 42, 1'230'000'000)) << "the same 10 ms";
  EXPECT_NE(uid, process_uid(boot, 42, 1'240'000'000));
  EXPECT_NE(uid, process_uid(boot, 43, 1'234'567'890));
  crypto::Uuid raw{};
  std::copy(uid.begin(), uid.end(), raw.begin());
  EXPECT_EQ(raw[6] >> 4, 5) << "version";
  // As computed by Python: uuid.uuid5(namespace, "11111111-...:42:123").
  EXPECT_EQ(crypto::to_text(raw), "a4725a05-7f2b-5f90-b7de-0cb4223b9e25");
}

// ---- A directory of files in place of /proc ----

class FixtureProc : public testing::Test {
 protected:
  FixtureProc() { dir_.write("sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n"); }
  void add(int pid, const std::string& name, const std::string& text) {
    dir_.write(std::to_string(pid) + "/" + name, text);
  }
  void add_process(int pid, int ppid, std::uint64_t start) {
    add(pid, "stat",
        std::to_string(pid) + " (p) S " + std::to_string(ppid) + " 1 1 0 -1 4194560 0 0 0 0 5 7 0 0 20 0 1 0 " +
            std::to_string(start) + " 1 1 1 4096 5000 6000 0\n");
    add(pid, "status", "Tgid:\t" + std::to_string(pid) + "\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n");
    add(pid, "cmdline", std::string("p\0", 2));
  }
  OwnSource source() {
    SourceOptions options;
    options.proc_root = dir_.path();
    return real_source(options);
  }
  TempDir dir_;
};

TEST_F(FixtureProc, ContainersAreNamed) {
  const std::string id(64, 'a');
  add_process(10, 0, 100);
  add(10, "cgroup", "0::/system.slice/docker-" + id + ".scope\n");
  const auto proc = source();
  const pb::ProcessRecord record = sweep(*proc).at(10);
  EXPECT_EQ(record.container_id(), id);
  EXPECT_EQ(record.container_runtime(), "docker");
  EXPECT_EQ(record.cgroup(), "/system.slice/docker-" + id + ".scope");
}

TEST_F(FixtureProc, AReusedPidIsAnotherProcess) {
  add_process(10, 0, 100);
  const auto proc = source();
  const std::string before = sweep(*proc).at(10).process_uid();
  add_process(10, 0, 200);
  add(10, "cmdline", std::string("q\0", 2));
  const pb::ProcessRecord after = sweep(*proc).at(10);
  EXPECT_NE(after.process_uid(), before);
  EXPECT_EQ(after.command_line(0), "q");
}

TEST_F(FixtureProc, AParentYoungerThanItsChildIsNoParent) {
  add_process(10, 20, 100);
  add_process(20, 0, 500);
  EXPECT_FALSE(look(*source(), 10).has_parent_uid());
  add_process(20, 0, 50);
  EXPECT_TRUE(look(*source(), 10).has_parent_uid());
}

TEST_F(FixtureProc, AnUnreadableProcessIsReportedAsSuch) {
  add_process(10, 0, 100);
  add(11, "stat", "nonsense");
  const auto proc = source();
  Sweep counts;
  const Records records = sweep(*proc, &counts);
  EXPECT_EQ(counts.seen, 2u);
  EXPECT_EQ(counts.unreadable, 1u);
  EXPECT_FALSE(records.at(11).accessible());
  EXPECT_TRUE(records.at(11).process_uid().empty());
}

TEST_F(FixtureProc, OneWithoutStatHasVanished) {
  add(12, "status", "x");
  const auto proc = source();
  Sweep counts;
  EXPECT_TRUE(sweep(*proc, &counts).empty());
  EXPECT_EQ(counts.seen, 1u);
  EXPECT_EQ(counts.vanished, 1u);
}

TEST_F(FixtureProc, NumbersOnly) {
  add_process(10, 0, 100);
  dir_.write("self/stat", "x");
  dir_.write("10x/stat", "x");
  dir_.write("0/stat", "x");
  const auto proc = source();
  EXPECT_EQ(sweep(*proc).size(), 1u);
}

TEST(MakeSource, RefusesWhatIsNoProc) {
  TempDir dir;
  TextPool texts;
  SourceOptions options;
  options.proc_root = dir / "missing";
  EXPECT_EQ(make_process_source(options, system_clock(), texts).error().code(), Errc::NotFound);
  options.proc_root = dir.path();
  EXPECT_EQ(make_process_source(options, system_clock(), texts).error().code(), Errc::NotFound);
  dir.write("sys/kernel/random/boot_id", "short\n");
  EXPECT_EQ(make_process_source(options, system_clock(), texts).error().code(), Errc::Corrupt);
}

}  // namespace
}  // namespace de::collect
