// Processes and files that do not answer: whoever asks them waits for ever, and a sweep must not.
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
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
