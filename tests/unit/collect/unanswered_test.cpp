// Processes and files that do not answer: whoever asks them waits for ever, and a sweep must not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "collect/linux/watched_thread.h"
#include "kernel_support.h"
#include "own_source.h"
#include "silent_files.h"

namespace de::collect {
namespace {

using namespace test;

constexpr std::chrono::milliseconds kDeadline(200);

class Unanswered : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
    // Makes the mount namespace, which the processes of the test are to share.
    std::filesystem::create_directory(dir_ / "silent");
    mount_over("silent");
    files_.reset();
    if (GetParam() == std::string("bpf")) {
      auto iterator = ProcessIterator::open();
      if (!iterator && !de::test::bpf_must_work()) GTEST_SKIP() << iterator.error().message();
      ASSERT_TRUE(iterator) << iterator.error().message();
      iterator_ = std::move(*iterator);
    }
  }
  // Of its own threads, which were made after the namespace.
  OwnSource source() {
    SourceOptions options;
    options.deadline = kDeadline;
    options.max_stuck = 2;
    return OwnSource(options, std::move(iterator_));
  }
  void TearDown() override {
    files_.reset();  // First: who waits for it cannot be killed.
  }
  void mount_over(const std::string& name) {
    files_ = std::make_unique<SilentFiles>(dir_ / name);
    ASSERT_TRUE(files_->is_mounted()) << std::strerror(errno);
  }
  TempDir dir_;
  std::unique_ptr<ProcessIterator> iterator_;
  std::unique_ptr<SilentFiles> files_;
};

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST_P(Unanswered, APathThatLeadsIntoSilenceStallsNobody) {
  std::filesystem::create_directory(dir_ / "bin");
  const std::string program = copy_sleep(dir_, "bin/prog");
  const Child running = Child::running({program, "1000"});
  mount_over("bin");
  files_->fall_silent();
  const auto iterated = source();
  Records records;
  EXPECT_LT(seconds_of([&] { records = sweep(*iterated); }), 3.0);
  ASSERT_TRUE(records.contains(running.pid()));
  EXPECT_FALSE(records.at(running.pid()).accessible());
  EXPECT_EQ(iterated->state().stuck, 1u);
  // A file that does not open is not waited for either.
  EXPECT_LT(seconds_of([&] { EXPECT_FALSE(iterated->open_file(program)); }), 2.0);
  files_.reset();
  for (int tries = 0; tries < 100 && iterated->state().stuck > 0; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(iterated->state().stuck, 0u);
  EXPECT_TRUE(sweep(*iterated).at(running.pid()).accessible()) << "asked again once it can answer";
}

// Whoever is told only what changes is told that there was no answer.
TEST_P(Unanswered, AProcessThatNoLongerAnswersIsNotToldAsUnchanged) {
  std::filesystem::create_directory(dir_ / "bin");
  const std::string program = copy_sleep(dir_, "bin/prog");
  const Child running = Child::running({program, "1000"});
  const auto watched = source();
  bool accessible = false;
  const auto sweep_once = [&] {
    const auto swept = watched->sweep(
        [&](pb::ProcessRecord& record, const auto&) {
          if (record.pid() == running.pid()) accessible = record.accessible();
        },
        [](pb::ProcessRecord&, const auto&) { return true; });
    EXPECT_TRUE(swept);
  };
  for (int sweeps = 0; sweeps < 3; ++sweeps) sweep_once();
  EXPECT_TRUE(accessible);
  mount_over("bin");
  files_->fall_silent();
  for (int sweeps = 0; sweeps < 20 && accessible; ++sweeps) sweep_once();
  EXPECT_FALSE(accessible);
}

// From now on the arguments of this process are what is there. False: the kernel refused it.
bool has_arguments_at(std::uintptr_t place) {
  std::ifstream in("/proc/self/stat");
  const std::string stat((std::istreambuf_iterator<char>(in)), {});
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::array<std::uint64_t, 52> value{};  // As proc(5) numbers them; the third is a letter.
  std::string field;
  for (std::size_t i = 3; i < value.size() && fields >> field; ++i)
    value[i] = std::strtoull(field.c_str(), nullptr, 10);
  prctl_mm_map map{};
  map.start_code = value[26];
  map.end_code = value[27];
  map.start_stack = value[28];
  map.start_data = value[45];
  map.end_data = value[46];
  map.start_brk = value[47];
  map.brk = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  map.arg_start = place;
  map.arg_end = place + 64;
  map.env_start = value[50];
  map.env_end = value[51];
  map.exe_fd = static_cast<std::uint32_t>(-1);
  return ::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0;
}

// A process may say that its arguments are in a file whose server never hands out the bytes. Whoever reads the memory
// of the process then waits with it for ever: the kernel refuses that below /proc, and our programs do not try.
TEST_P(Unanswered, ArgumentsInAFileThatNobodyServesHoldNobodyUp) {
  std::filesystem::create_directory(dir_ / "arguments");
  mount_over("arguments");
  const std::string path = dir_ / "arguments/list";
  int in_place = 0;
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
  const Child liar([&] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    void* text = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    in_place = fd >= 0 && text != MAP_FAILED && has_arguments_at(reinterpret_cast<std::uintptr_t>(text));
    (void)!::write(told[1], &in_place, sizeof in_place);
    files_->let_go();
  });
  ASSERT_EQ(::read(told[0], &in_place, sizeof in_place), static_cast<ssize_t>(sizeof in_place));
  ASSERT_TRUE(in_place);
  const Child beside = Child::running({"/bin/sleep", "1000"});
  const auto watched = source();
  for (int sweeps = 0; sweeps < 3; ++sweeps) {
    Records records;
    EXPECT_LT(seconds_of([&] { records = sweep(*watched); }), 3.0);
    ASSERT_TRUE(records.contains(liar.pid()));
    ASSERT_TRUE(records.contains(beside.pid()));
    EXPECT_EQ(records.at(beside.pid()).command_line_size(), 2);
    EXPECT_TRUE(records.at(liar.pid()).accessible());
  }
  EXPECT_EQ(watched->state().timeouts, 0u);
}

INSTANTIATE_TEST_SUITE_P(Sources, Unanswered, testing::Values("proc", "bpf"),
                         [](const auto& of) { return std::string(of.param); });

TEST(WatchedThread, RunsAndGoesOnAfterOneThatHangs) {
  WatchedThread thread({std::chrono::milliseconds(50), 2});
  int done = 0;
  EXPECT_EQ(thread.run([&](Watch& watch) {
    watch.enter(1);
    if (watch.leave()) ++done;
  }),
            std::nullopt);
  EXPECT_EQ(done, 1);
  auto release = std::make_shared<std::atomic<bool>>(false);
  auto told = std::make_shared<std::atomic<int>>(0);
  const auto hang = [release, told](Watch& watch) {
    watch.enter(7);
    while (!*release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    *told = watch.leave() ? 1 : 2;
  };
  EXPECT_EQ(thread.run(hang), 7u);
  EXPECT_TRUE(thread.is_stuck_in(7));
  EXPECT_FALSE(thread.is_stuck_in(8));
  EXPECT_FALSE(thread.is_at_limit());
  EXPECT_EQ(thread.run(hang), 7u);
  EXPECT_TRUE(thread.is_at_limit());
  EXPECT_EQ(thread.run([&](Watch&) { ++done; }), std::nullopt);
  EXPECT_EQ(done, 2);
  *release = true;
  for (int tries = 0; tries < 1000 && thread.stuck() > 0; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(thread.stuck(), 0u);
  EXPECT_EQ(*told, 2) << "it was told that nobody waits any more";
  EXPECT_EQ(thread.timeouts(), 2u);
}

// Work that takes long without being in one place for long is not left behind.
TEST(WatchedThread, WaitsForWorkThatGoesOn) {
  WatchedThread thread({std::chrono::milliseconds(100), 2});
  EXPECT_EQ(thread.run([](Watch& watch) {
    for (int i = 0; i < 10; ++i) {
      watch.enter(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      EXPECT_TRUE(watch.leave());
    }
  }),
            std::nullopt);
}

}  // namespace
}  // namespace de::collect
