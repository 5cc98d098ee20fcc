// Processes and files that do not answer: whoever asks them waits for ever, and a sweep must not.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <chrono>
#include <thread>

#include "collect/linux/watched_thread.h"
#include "kernel_support.h"
#include "own_source.h"
#include "silent_files.h"

namespace de::collect {
namespace {

using test::Child;
using test::copy_sleep;
using test::OwnSource;
using test::Records;
using test::SilentFiles;
using test::sweep;
using test::TempDir;

constexpr std::chrono::milliseconds kDeadline(200);

// One thread reads its own memory through /proc where the page comes from a file that never answers: that holds the
// memory map. Another one wants to change the map, and from then on everybody waits who wants to look into it.
void hold_own_memory(const SilentFiles& files, const std::string& file) {
  files.let_go();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int fd = ::open(file.c_str(), O_RDONLY);
  void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  const int memory = ::open("/proc/self/mem", O_RDONLY);
  // Later, when the first thread of this process needs no memory any more.
  std::thread([memory, page] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    char byte = 0;
    (void)!::pread(memory, &byte, 1, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(page)));
  }).detach();
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    (void)::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }).detach();
}

class Unanswered : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
    std::filesystem::create_directory(dir_ / "silent");
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
    children_.clear();
  }
  void mount_over(const std::string& name) {
    files_ = std::make_unique<SilentFiles>(dir_ / name);
    ASSERT_TRUE(files_->is_mounted()) << std::strerror(errno);
  }
  Child& add_held() {
    children_.push_back(std::make_unique<Child>(
        [this] { hold_own_memory(*files_, dir_ / ("silent/" + std::to_string(children_.size()))); }));
    return *children_.back();
  }

  TempDir dir_;
  std::unique_ptr<ProcessIterator> iterator_;
  std::unique_ptr<SilentFiles> files_;
  std::vector<std::unique_ptr<Child>> children_;
};

double seconds_of(const std::function<void()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST_P(Unanswered, AProcessThatHoldsItsMemoryMapStallsNobody) {
  mount_over("silent");
  Child& held = add_held();
  Child after = Child::running({"/bin/sleep", "1000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  const auto iterated = source();
  Records records;
  Sweep counts;
  const double first = seconds_of([&] { records = sweep(*iterated, &counts); });
  EXPECT_LT(first, 3.0);
  EXPECT_GE(first, 0.2) << "the process answered after all: nothing was tested";
  EXPECT_EQ(counts.seen, records.size() + counts.vanished);
  ASSERT_TRUE(records.contains(held.pid()));
  const pb::ProcessRecord& record = records.at(held.pid());
  EXPECT_FALSE(record.accessible());
  EXPECT_EQ(record.platform_data(), R"({"blocked":true})");
  EXPECT_EQ(record.ppid(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(record.process_uid().size(), 16u);
  EXPECT_EQ(record.command_line_size(), 0);
  ASSERT_TRUE(records.contains(after.pid()));
  EXPECT_THAT(records.at(after.pid()).command_line(), testing::ElementsAre("/bin/sleep", "1000"));
  EXPECT_TRUE(records.contains(static_cast<std::uint32_t>(::getpid())));
  EXPECT_EQ(iterated->state().timeouts, 1u);
  EXPECT_EQ(iterated->state().stuck, 1u);

  // It is not asked again while the thread that asked it still waits.
  EXPECT_LT(seconds_of([&] { records = sweep(*iterated); }), 2.0);
  EXPECT_FALSE(records.at(held.pid()).accessible());
  EXPECT_EQ(iterated->state().timeouts, 1u);
  files_.reset();
  for (int tries = 0; tries < 100 && iterated->state().stuck > 0; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(iterated->state().stuck, 0u) << "the thread comes back when the process answers";
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

TEST_P(Unanswered, OnlySoManyThreadsHang) {
  mount_over("silent");
  for (int i = 0; i < 4; ++i) add_held();
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  const auto iterated = source();
  Records records;
  EXPECT_LT(seconds_of([&] { records = sweep(*iterated); }), 4.0);
  EXPECT_EQ(iterated->state().stuck, 2u);
  EXPECT_EQ(iterated->state().timeouts, 2u);
  for (const auto& child : children_) {
    ASSERT_TRUE(records.contains(child->pid()));
    EXPECT_FALSE(records.at(child->pid()).accessible());
  }
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
