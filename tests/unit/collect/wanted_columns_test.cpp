// Records that wait for columns on demand are asked for together, handed on whatever becomes of it, and hold nobody up.
#include "collect/wanted_columns.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "own_source.h"
#include "silent_files.h"

namespace de::collect {
namespace {

using namespace test;

// Tells what it is asked for, except of every seventh process.
class MadeUpUses final : public ProcessSource {
 public:
  Result<Sweep> sweep(const RecordFn&, const SameFn&, const Demand&) override { return Sweep{}; }
  Result<Sweep> visit(std::span<const std::uint32_t>, const RecordFn&, Wanted) override { return Sweep{}; }
  Result<Executable> open_executable(std::uint32_t, std::string_view) override { return fail(Errc::NotFound, "none"); }
  Result<Executable> open_file(const std::string&) override { return fail(Errc::NotFound, "none"); }
  const std::string& boot_id() const override { return boot_; }
  std::int64_t boot_time_ms() const override { return 0; }
  void add_on_demand(std::span<const Wanting> wanting) override {
    batches.push_back(wanting.size());
    for (const Wanting& one : wanting)
      if (one.record->pid() % 7 != 0 && (one.columns & kFdCount) != 0) one.record->set_fd_count(one.record->pid());
  }
  std::vector<std::size_t> batches;

 private:
  const std::string boot_ = "boot";
};

class WantedOfMany : public testing::Test {
 protected:
  void add_plan(const char* task, const char* column, std::int64_t least_pid) {
    pb::PushdownPlan plan;
    plan.set_table("processes");
    plan.set_ttl_ms(60'000);
    plan.add_projection(column);
    if (least_pid > 0) {
      pb::Predicate& predicate = *plan.add_predicates();
      predicate.set_column("pid");
      predicate.set_op(pb::PREDICATE_OP_GE);
      predicate.add_values()->set_int_value(least_pid);
    }
    ASSERT_TRUE(plans_.accept(task, plan));
  }
  // 200 processes, which the source told `told` of.
  void hand_in(Wanted told, std::size_t name_bytes = 1, bool kernel_threads = false) {
    const WantedColumns::RecordFn on_record = [this](pb::ProcessRecord& record) { out_[record.pid()] = record; };
    WantedColumns wanted(&plans_, plans_.begin_snapshot(), source_, on_record);
    for (std::uint32_t pid = 1; pid <= 200; ++pid) {
      pb::ProcessRecord record;
      record.set_pid(pid);
      record.set_name(std::string(name_bytes, 'x'));
      record.set_kernel_thread(kernel_threads);
      if ((told & kFdCount) != 0) record.set_fd_count(1'000);
      if ((told & kIoRead) != 0) record.set_io_read_bytes(1'000);
      wanted.add(record);
    }
    wanted.finish();
  }
  MadeUpUses source_;
  ColumnPlans plans_{system_clock()};
  Records out_;
};

TEST_F(WantedOfMany, AreAskedForTogether) {
  add_plan("t", "fd_count", 51);
  hand_in(kNothing);
  ASSERT_EQ(out_.size(), 200u);
  EXPECT_EQ(source_.batches, (std::vector<std::size_t>{64, 64, 22}));
  for (const auto& [pid, record] : out_) {
    const bool is_told = pid >= 51 && pid % 7 != 0;
    EXPECT_EQ(record.has_fd_count(), is_told) << pid;
    if (is_told) {
      EXPECT_EQ(record.fd_count(), pid);
    }
    EXPECT_EQ(record.name(), "x");
  }
}

TEST_F(WantedOfMany, LargeOnesDoNotWaitForManyOthers) {
  add_plan("t", "fd_count", 1);
  hand_in(kNothing, 300'000);
  EXPECT_EQ(out_.size(), 200u);
  EXPECT_EQ(source_.batches, std::vector<std::size_t>(50, 4));
}

TEST_F(WantedOfMany, WhatTheSourceToldAnywayIsKeptOrTakenAwayAndNeverAskedFor) {
  add_plan("t", "fd_count", 51);
  hand_in(kFdCount | kIoRead);
  EXPECT_TRUE(source_.batches.empty());
  for (const auto& [pid, record] : out_) {
    EXPECT_EQ(record.has_fd_count(), pid >= 51) << pid;
    EXPECT_FALSE(record.has_io_read_bytes()) << "nobody wants it";
  }
}

TEST_F(WantedOfMany, WhatAllWereAskedForIsNotAskedAgain) {
  add_plan("all", "fd_count", 0);
  add_plan("some", "fd_count", 51);
  hand_in(kNothing);
  EXPECT_TRUE(source_.batches.empty());
  EXPECT_EQ(out_.size(), 200u);
}

TEST_F(WantedOfMany, ThreadsOfTheKernelAreNotAsked) {
  add_plan("t", "fd_count", 1);
  hand_in(kNothing, 1, true);
  EXPECT_TRUE(source_.batches.empty());
  EXPECT_EQ(out_.size(), 200u);
}

// ---- The real reader, over files in place of /proc ----

class UsesOfFiles : public testing::Test {
 protected:
  void add_process(int pid) {
    const std::string dir = std::to_string(pid);
    dir_.write(dir + "/stat", dir + " (p) S 1 1 1 0 -1 4194560 0 0 0 0 5 7 0 0 20 0 1 0 100 1 1 1 4096 5000 6000 0\n");
    dir_.write(dir + "/status", "Tgid:\t" + dir + "\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n");
    dir_.write(dir + "/cmdline", std::string("p\0", 2));
    dir_.write(dir + "/io", "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: " + dir + "\nwrite_bytes: 6\n");
  }
  OwnSource source() {
    dir_.write("sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    SourceOptions options;
    options.proc_root = dir_.path();
    options.deadline = std::chrono::milliseconds(200);
    return real_source(options);
  }
  static Records swept(ProcessSource& source) {
    Records out;
    EXPECT_TRUE(source.sweep([&](pb::ProcessRecord& record, const auto&) { out[record.pid()] = record; }, {},
                             Demand{kNothing, kNothing}));
    return out;
  }
  static void add_io(ProcessSource& source, Records& records, Wanted wanted = kIo) {
    std::vector<Wanting> wanting;
    for (auto& [pid, record] : records) wanting.push_back({&record, wanted});
    source.add_on_demand(wanting);
  }
  TempDir dir_;
};

TEST_F(UsesOfFiles, OnlyWhatIsWantedAndOnlyOfTheSameProcess) {
  add_process(10);
  add_process(11);
  const OwnSource own = source();
  Records records = swept(*own);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(told_in(records.at(10)), kNothing);
  records.at(11).set_process_uid(std::string(16, 'x'));  // Of somebody who had that pid before.
  add_io(*own, records, kIoRead);
  EXPECT_EQ(told_in(records.at(10)), kIoRead);
  EXPECT_EQ(records.at(10).io_read_bytes(), 10u);
  EXPECT_EQ(told_in(records.at(11)), kNothing);
  EXPECT_EQ(own->state().reads_io, 2u);
  EXPECT_EQ(own->state().reads_fd_count, 0u);
}

TEST_F(UsesOfFiles, OneThatDoesNotAnswerKeepsNobodyElseFromIt) {
  if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
  for (int pid = 10; pid < 100; ++pid) add_process(pid);
  { const SilentFiles first(dir_ / "50"); }  // Makes the mount namespace, before there are threads.
  const OwnSource own = source();
  Records records = swept(*own);
  ASSERT_EQ(records.size(), 90u);
  auto silent = std::make_unique<SilentFiles>(dir_ / "50");
  ASSERT_TRUE(silent->is_mounted()) << std::strerror(errno);
  silent->fall_silent();
  for (int i = 0; i < 3; ++i) {
    for (auto& [pid, record] : records) keep_only(kNothing, record);
    const auto begin = std::chrono::steady_clock::now();
    add_io(*own, records);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    for (const auto& [pid, record] : records) EXPECT_EQ(told_in(record), pid == 50 ? kNothing : kIo) << pid;
  }
  EXPECT_EQ(own->state().stuck, 2u);
  EXPECT_EQ(own->state().timeouts, 2u);
  silent.reset();
  for (int tries = 0; tries < 100 && own->state().stuck > 0; ++tries) ::usleep(50'000);
  add_io(*own, records);
  EXPECT_EQ(told_in(records.at(50)), kIo) << "asked again once it can answer";
  EXPECT_EQ(told_in(records.at(51)), kIo);
}

}  // namespace
}  // namespace de::collect
