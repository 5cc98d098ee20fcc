// The executable and its file, and what is cached between sweeps.
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <thread>

#include "collect/identity.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;
using testing::ElementsAre;

TEST(ExeState, Deleted) {
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog");
  const Child child = Child::running({path, "1000"});
  EXPECT_EQ(look(*real_source(), child.pid()).on_disk_state(), pb::ON_DISK_MATCH);
  ::unlink(path.c_str());
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_DELETED);
  EXPECT_EQ(record.executable_path(), path);
  EXPECT_FALSE(record.file_exists());
  EXPECT_TRUE(record.has_exe_inode());
}

TEST(ExeState, ReplacedByRename) {
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog");
  const Child child = Child::running({path, "1000"});
  std::filesystem::rename(copy_sleep(dir, "new"), path);
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_REPLACED);
  EXPECT_EQ(record.executable_path(), path);
  EXPECT_TRUE(record.file_exists());
}

TEST(ExeState, AFileReallyNamedDeletedIsNot) {
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog (deleted)");
  const Child child = Child::running({path, "1000"});
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_MATCH);
  EXPECT_EQ(record.executable_path(), path);
}

TEST(ExeState, UnlinkedButLinkedElsewhereIsDeleted) {
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog");
  const Child child = Child::running({path, "1000"});
  std::filesystem::create_hard_link(path, dir / "other");
  ::unlink(path.c_str());
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_DELETED);
  EXPECT_EQ(record.executable_path(), path);
}

TEST(ExeState, Memfd) {
  const Child child([] {
    const int fd = ::memfd_create("evil", MFD_CLOEXEC);
    const int from = ::open("/bin/sleep", O_RDONLY | O_CLOEXEC);
    char buffer[65536];
    for (ssize_t got; (got = ::read(from, buffer, sizeof buffer)) > 0;)
      if (::write(fd, buffer, static_cast<std::size_t>(got)) != got) ::_exit(1);
    char name[] = "innocent", time[] = "1000";
    char* argv[] = {name, time, nullptr};
    ::fexecve(fd, argv, environ);
    ::_exit(1);
  });
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_MEMFD);
  EXPECT_EQ(record.executable_path(), "/memfd:evil");
  EXPECT_FALSE(record.file_exists());
}

TEST(ExeState, AnotherMountNamespaceIsUnknown) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root";
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog");
  const Child child([&path] {
    if (::unshare(CLONE_NEWNS) != 0) ::_exit(1);
    char time[] = "1000";
    std::string name = path;
    char* argv[] = {name.data(), time, nullptr};
    ::execv(path.c_str(), argv);
  });
  const pb::ProcessRecord record = look(*real_source(), child.pid());
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_UNKNOWN);
  EXPECT_EQ(record.executable_path(), path);
  EXPECT_TRUE(record.file_exists());
}

TEST(ExeState, ACachedProcessSeesItsFileGo) {
  TempDir dir;
  const std::string path = copy_sleep(dir, "prog");
  const Child child = Child::running({path, "1000"});
  const auto source = real_source();
  EXPECT_EQ(sweep(*source).at(child.pid()).on_disk_state(), pb::ON_DISK_MATCH);
  ::unlink(path.c_str());
  EXPECT_EQ(sweep(*source).at(child.pid()).on_disk_state(), pb::ON_DISK_DELETED);
}

// ---- The cache between sweeps ----

TEST(Cache, ExecIsCountedAndColumnsFollow) {
  TempDir dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string second = copy_sleep(dir, "second");
  const Child child = Child::running({"/bin/sh", "-c", "read x < \"$0\"; exec \"$1\" 1000", fifo, second});
  const auto source = real_source();
  const pb::ProcessRecord before = sweep(*source).at(child.pid());
  EXPECT_EQ(before.exec_seq(), 0u);
  std::ofstream(fifo) << "go\n";
  pb::ProcessRecord after;
  for (int i = 0; i < 500; ++i) {
    after = sweep(*source).at(child.pid());
    if (after.name() == "second") break;
  }
  EXPECT_EQ(after.process_uid(), before.process_uid());
  EXPECT_EQ(after.exec_seq(), 1u);
  EXPECT_EQ(after.executable_path(), second);
  EXPECT_THAT(after.command_line(), ElementsAre(second, "1000"));
}

TEST(Cache, SteadyProcessesKeepTheirColumns) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const auto source = real_source();
  const pb::ProcessRecord first = sweep(*source).at(child.pid());
  for (int i = 0; i < 6; ++i) {
    pb::ProcessRecord later = sweep(*source).at(child.pid());
    later.set_collection_time_ms(first.collection_time_ms());
    later.clear_cpu_usage();
    EXPECT_EQ(later.SerializeAsString(), first.SerializeAsString());
  }
}

TEST(Cache, ChangedOwnerIsSeenAtOnce) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root";
  int go[2], done[2];
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t changer = ::fork();
  if (changer == 0) {
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
    if (::write(done[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  const auto source = real_source();
  const auto pid = static_cast<std::uint32_t>(changer);
  EXPECT_EQ(sweep(*source).at(pid).user_id(), "0");
  char byte = 'x';
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  ASSERT_EQ(::read(done[0], &byte, 1), 1);
  EXPECT_EQ(sweep(*source).at(pid).user_id(), "65534");
  ::kill(changer, SIGKILL);
  ::waitpid(changer, nullptr, 0);
  for (const int fd : {go[0], go[1], done[0], done[1]}) ::close(fd);
}

TEST(Cache, ZombieKeepsWhatItWas) {
  Child child = Child::running({"/bin/sleep", "1000"});
  const auto source = real_source();
  const std::string path = sweep(*source).at(child.pid()).executable_path();
  child.kill_only();
  const pb::ProcessRecord zombie = sweep(*source).at(child.pid());
  EXPECT_EQ(zombie.state(), "Z");
  EXPECT_EQ(zombie.executable_path(), path);
  EXPECT_EQ(zombie.command_line_size(), 2);
  child.stop();
  EXPECT_FALSE(sweep(*source).contains(child.pid()));
}

}  // namespace
}  // namespace de::collect
