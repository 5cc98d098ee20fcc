#include "collect/collector.h"

#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <thread>

#include "collect/tasks.h"
#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"
#include "live_process.h"

namespace de::collect {
namespace {

using test::Child;
using test::TempDir;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Ten seconds ahead, so that files written by the test have settled.
class AheadClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return system_clock().unix_ms() + 10'000; }
  std::int64_t steady_ns() const override { return system_clock().steady_ns(); }
};

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class RealCollector : public testing::Test {
 protected:
  RealCollector() {
    auto made = Collector::create({}, clock_);
    EXPECT_TRUE(made) << made.error().message();
    collector_ = std::move(*made);
    std::filesystem::copy_file("/bin/sleep", tool_);
    hash_ = to_hex(crypto::as_bytes(crypto::sha256(slurp("/bin/sleep"))));
  }

  std::map<std::uint32_t, pb::ProcessRecord> scan() {
    std::map<std::uint32_t, pb::ProcessRecord> records;
    events_.Clear();
    const Result<pb::ScanSummary> summary =
        collector_->scan([&](pb::ProcessRecord& record) { records[record.pid()].Swap(&record); }, events_);
    EXPECT_TRUE(summary);
    summary_ = *summary;
    return records;
  }
  const pb::ProcessEvent* event_of(std::uint32_t pid, pb::EventType type) const {
    for (const pb::ProcessEvent& event : events_)
      if (event.process().pid() == pid && event.event_type() == type) return &event;
    return nullptr;
  }
  pb::DetectionTask hash_task(pb::TaskType type, const std::string& path, const std::string& expected) {
    pb::DetectionTask task;
    task.set_task_id("t1");
    task.set_task_type(type);
    task.mutable_hash_check()->set_executable_path(path);
    task.mutable_hash_check()->set_expected_hash(expected);
    return task;
  }
  static std::vector<std::uint32_t> pids(const pb::DetectionResult& result) {
    std::vector<std::uint32_t> out;
    for (const pb::ProcessRecord& record : result.processes()) out.push_back(record.pid());
    return out;
  }

  AheadClock clock_;
  TempDir dir_;
  const std::string tool_ = dir_ / "tool";
  std::string hash_;
  std::unique_ptr<Collector> collector_;
  EventList events_;
  pb::ScanSummary summary_;
};

TEST_F(RealCollector, BooksBalanceAndTheFirstScanIsNoNews) {
  const auto records = scan();
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(summary_.reported(), records.size());
  EXPECT_EQ(summary_.seen(), summary_.reported() + summary_.vanished());
  EXPECT_GT(summary_.duration_us(), 0u);
  scan();
  const Counts counts = collector_->counts();
  EXPECT_EQ(counts.scans, 2u);
  EXPECT_EQ(counts.seen, counts.reported + counts.vanished);
  EXPECT_GT(counts.tracked, 0u);
  EXPECT_EQ(collector_->boot_id().size(), 36u);
}

TEST_F(RealCollector, AProcessStartsAndEnds) {
  scan();
  auto child = std::make_unique<Child>([this] {
    std::string name = tool_, time = "1000";
    char* argv[] = {name.data(), time.data(), nullptr};
    ::execv(name.c_str(), argv);
  });
  const std::uint32_t pid = child->pid();
  scan();
  const pb::ProcessEvent* start = event_of(pid, pb::EVENT_TYPE_START);
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(start->process().executable_path(), tool_);
  EXPECT_EQ(start->parent_name(), "test_collect");
  EXPECT_THAT(start->parent_executable_path(), HasSubstr("test_collect"));
  EXPECT_FALSE(start->parent_command_line().empty());
  child.reset();
  scan();
  const pb::ProcessEvent* exit = event_of(pid, pb::EVENT_TYPE_EXIT);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->process().executable_path(), tool_);
  EXPECT_TRUE(exit->has_duration_ms());
  EXPECT_EQ(exit->parent_name(), "test_collect");
  EXPECT_GE(collector_->counts().starts, 1u);
  EXPECT_GE(collector_->counts().exits, 1u);
}

TEST_F(RealCollector, HashesArriveWithALaterScan) {
  const Child child = Child::running({tool_, "1000"});
  EXPECT_FALSE(scan().at(child.pid()).has_executable_hash());
  EXPECT_GT(summary_.hash_pending(), 0u);
  pb::ProcessRecord record;
  for (int i = 0; i < 2000 && !record.has_executable_hash(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    record = scan().at(child.pid());
  }
  EXPECT_EQ(record.executable_hash(), hash_);
  EXPECT_EQ(record.hash_algorithm(), "sha256");
}

TEST_F(RealCollector, TheHashOfADeletedExecutableIsOfWhatRuns) {
  const Child child = Child::running({tool_, "1000"});
  ::unlink(tool_.c_str());
  dir_.write("tool", "something else");
  pb::ProcessRecord record;
  for (int i = 0; i < 2000 && !record.has_executable_hash(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    record = scan().at(child.pid());
  }
  EXPECT_EQ(record.executable_hash(), hash_);
  EXPECT_EQ(record.on_disk_state(), pb::ON_DISK_REPLACED);
}

// ---- Tasks ----

TEST_F(RealCollector, EnumerateFiltersByNamePidAndPath) {
  const Child one = Child::running({tool_, "1000"});
  const Child two = Child::running({"/bin/sleep", "1000"});
  pb::DetectionTask task;
  task.set_task_id("e1");
  task.set_task_type(pb::ENUMERATE_PROCESSES);
  const pb::DetectionResult all = collector_->run_task(task);
  EXPECT_TRUE(all.success());
  EXPECT_EQ(all.task_id(), "e1");
  EXPECT_THAT(pids(all), testing::IsSupersetOf({one.pid(), two.pid()}));

  task.mutable_process_filter()->add_process_names("tool");
  // Tests that run beside this one have tools, too.
  EXPECT_THAT(pids(collector_->run_task(task)),
              testing::AllOf(testing::Contains(one.pid()), testing::Not(testing::Contains(two.pid()))));
  task.mutable_process_filter()->clear_process_names();
  task.mutable_process_filter()->add_pids(two.pid());
  task.mutable_process_filter()->add_pids(4'000'000'000U);
  EXPECT_THAT(pids(collector_->run_task(task)), UnorderedElementsAre(two.pid()));
  task.mutable_process_filter()->clear_pids();
  task.mutable_process_filter()->set_executable_pattern(dir_.path() + "/*");
  EXPECT_THAT(pids(collector_->run_task(task)), UnorderedElementsAre(one.pid()));
  task.mutable_process_filter()->set_executable_pattern(std::string(513, '*'));
  EXPECT_FALSE(collector_->run_task(task).success());
}

TEST_F(RealCollector, TreeGivesTheDescendantsOnly) {
  const std::string script = tool_ + " 1000 & " + tool_ + " 1000 & wait";
  const Child shell = Child::running({"/bin/sh", "-c", script});
  pb::DetectionTask task;
  task.set_task_type(pb::MONITOR_PROCESS_TREE);
  EXPECT_FALSE(collector_->run_task(task).success()) << "no roots";
  task.mutable_process_filter()->add_pids(shell.pid());
  pb::DetectionResult result;
  for (int i = 0; i < 2000 && result.processes_size() != 2; ++i) result = collector_->run_task(task);
  EXPECT_EQ(result.processes_size(), 2);
  for (const pb::ProcessRecord& record : result.processes()) {
    EXPECT_EQ(record.ppid(), shell.pid());
    ::kill(static_cast<pid_t>(record.pid()), SIGKILL);
  }
  task.mutable_process_filter()->set_pids(0, 4'000'000'000U);
  result = collector_->run_task(task);
  EXPECT_TRUE(result.success());
  EXPECT_EQ(result.processes_size(), 0) << "no descendants is not everybody";
}

TEST_F(RealCollector, CheckHashComparesWhatRuns) {
  const Child child = Child::running({tool_, "1000"});
  pb::DetectionResult result = collector_->run_task(hash_task(pb::CHECK_PROCESS_HASH, tool_, hash_));
  ASSERT_TRUE(result.success()) << result.error_message();
  EXPECT_TRUE(result.hash_result().success());
  EXPECT_EQ(result.hash_result().hash_value(), hash_);
  EXPECT_EQ(result.hash_result().algorithm(), "sha256");
  EXPECT_EQ(result.hash_result().file_path(), tool_);
  EXPECT_THAT(pids(result), UnorderedElementsAre(child.pid()));
  EXPECT_EQ(result.processes(0).executable_hash(), hash_);

  result = collector_->run_task(hash_task(pb::CHECK_PROCESS_HASH, tool_, std::string(64, '0')));
  EXPECT_TRUE(result.success());
  EXPECT_FALSE(result.hash_result().success());
  EXPECT_THAT(result.hash_result().error_message(), HasSubstr("not the expected"));
}

TEST_F(RealCollector, APathNobodyRunsIsNotOpened) {
  const std::string secret = dir_.write("secret", "text");
  const pb::DetectionResult result = collector_->run_task(hash_task(pb::CHECK_PROCESS_HASH, secret, ""));
  EXPECT_FALSE(result.success());
  EXPECT_FALSE(result.has_hash_result());
  EXPECT_THAT(result.error_message(), HasSubstr("no running process"));
}

TEST_F(RealCollector, VerifyNoticesAReplacedFile) {
  const Child child = Child::running({tool_, "1000"});
  EXPECT_TRUE(collector_->run_task(hash_task(pb::VERIFY_EXECUTABLE, tool_, "")).hash_result().success());
  ::unlink(tool_.c_str());
  dir_.write("tool", "evil");
  const pb::DetectionResult result = collector_->run_task(hash_task(pb::VERIFY_EXECUTABLE, tool_, ""));
  ASSERT_TRUE(result.success()) << result.error_message();
  EXPECT_FALSE(result.hash_result().success());
  EXPECT_THAT(result.hash_result().error_message(), HasSubstr("not the one that runs"));
  EXPECT_EQ(result.hash_result().hash_value(), hash_) << "of what runs, not of what lies there";

  pb::DetectionTask by_pid;
  by_pid.set_task_type(pb::VERIFY_EXECUTABLE);
  by_pid.mutable_process_filter()->add_pids(child.pid());
  EXPECT_FALSE(collector_->run_task(by_pid).hash_result().success());
}

TEST_F(RealCollector, TasksThatMakeNoSenseAreRefused) {
  pb::DetectionTask task = hash_task(pb::CHECK_PROCESS_HASH, tool_, "");
  task.mutable_hash_check()->set_hash_algorithm("md5");
  EXPECT_FALSE(collector_->run_task(task).success());
  EXPECT_FALSE(collector_->run_task(hash_task(pb::CHECK_PROCESS_HASH, "", "")).success());
  EXPECT_FALSE(collector_->run_task(hash_task(pb::VERIFY_EXECUTABLE, "", "")).success());
  task.set_task_type(static_cast<pb::TaskType>(99));
  EXPECT_FALSE(collector_->run_task(task).success());
  EXPECT_EQ(collector_->counts().tasks_failed, 4u);
}

// A source that makes its processes up.
class FakeSource final : public ProcessSource {
 public:
  Result<Sweep> sweep(const RecordFn& fn, const SameFn&, const Demand& demand) override {
    if (broken) return fail(Errc::Io, "list processes");
    return visit({}, fn, demand.of_all);
  }
  Result<Sweep> visit(std::span<const std::uint32_t>, const RecordFn& fn, Wanted) override {
    for (std::uint32_t pid = 1; pid <= processes; ++pid) {
      pb::ProcessRecord record;
      record.set_pid(pid);
      record.set_process_uid(std::string(15, 'u') + static_cast<char>(pid));
      record.add_command_line(std::string(argument_bytes, 'x'));
      fn(record, std::nullopt);
    }
    return Sweep{processes, 0, 0};
  }
  Result<Executable> open_executable(std::uint32_t, std::string_view) override {
    return fail(Errc::NotFound, "no files here");
  }
  Result<Executable> open_file(const std::string&) override { return fail(Errc::NotFound, "no files here"); }
  const std::string& boot_id() const override { return boot_; }
  std::int64_t boot_time_ms() const override { return 0; }

  bool broken = false;
  std::uint32_t processes = 3;
  std::size_t argument_bytes = 10;

 private:
  const std::string boot_ = "boot";
};

TEST(CollectorOverFake, ABrokenListIsAFailedScanAndEndsNobody) {
  auto owned = std::make_unique<FakeSource>();
  FakeSource& source = *owned;
  const auto collector = Collector::create_over(std::move(owned), {}, system_clock());
  EventList events;
  const auto ignore = [](pb::ProcessRecord&) {};
  ASSERT_TRUE(collector->scan(ignore, events));
  source.broken = true;
  const Result<pb::ScanSummary> failed = collector->scan(ignore, events);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::Io);
  source.broken = false;
  ASSERT_TRUE(collector->scan(ignore, events));
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(collector->counts().scans_failed, 1u);
}

TEST(CollectorOverFake, ALargeAnswerIsCappedAndSaysSo) {
  auto owned = std::make_unique<FakeSource>();
  owned->argument_bytes = 1'500'000;
  CollectorOptions options;
  options.hash.enabled = false;
  const auto collector = Collector::create_over(std::move(owned), options, system_clock());
  const pb::DetectionResult result = collector->run_task({});
  EXPECT_TRUE(result.success());
  EXPECT_EQ(result.processes_size(), 2);
  EXPECT_THAT(result.error_message(), HasSubstr("2 of 3"));
  EXPECT_LT(result.ByteSizeLong(), 4UL * 1024 * 1024);
  pb::DetectionTask task;
  task.set_task_type(pb::CHECK_PROCESS_HASH);
  task.mutable_hash_check()->set_executable_path("/x");
  EXPECT_THAT(collector->run_task(task).error_message(), HasSubstr("switched off"));
}

TEST(Glob, OverTheWholeText) {
  struct Case {
    const char *pattern, *text;
    bool matches;
  };
  for (const Case& c :
       {Case{"", "", true}, Case{"", "a", false}, Case{"*", "", true}, Case{"/usr/*", "/usr/bin/x", true},
        Case{"/usr/*", "/usr", false}, Case{"*/x", "/usr/bin/x", true}, Case{"*/x", "/usr/bin/xy", false},
        Case{"a?c", "abc", true}, Case{"a?c", "ac", false}, Case{"*a*b*", "xxaxxbxx", true},
        Case{"*a*b*", "xxbxxaxx", false}, Case{"[a]", "a", false}})
    EXPECT_EQ(matches_glob(c.pattern, c.text), c.matches) << c.pattern << " " << c.text;
}

}  // namespace
}  // namespace de::collect
