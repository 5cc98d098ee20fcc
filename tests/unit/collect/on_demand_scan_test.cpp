// Columns on demand are read of those whose they are wanted, and of nobody else; whichever way processes are listed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "collect/collector.h"
#include "collect/event_feed.h"
#include "kernel_support.h"
#include "own_source.h"

namespace de::collect {
namespace {

using namespace test;

class OnDemandScan : public testing::TestWithParam<const char*> {
 protected:
  bool is_bpf() const { return GetParam() == std::string("bpf"); }
  std::unique_ptr<ProcessIterator> iterator() {
    auto opened = ProcessIterator::open();
    EXPECT_TRUE(opened || !de::test::bpf_must_work());
    return opened ? std::move(*opened) : nullptr;
  }
  void SetUp() override {
    if (!is_bpf()) return;
    if (!iterator()) GTEST_SKIP() << "no BPF here";
  }
  void open_collector() {
    CollectorOptions options;
    options.on_demand = true;
    options.hash.enabled = false;
    std::unique_ptr<EventFeed> feed;
    if (is_bpf()) {
      auto opened = open_feed(FeedKind::Bpf, {}, system_clock());
      ASSERT_TRUE(opened) << opened.error().message();
      feed = std::move(*opened);
    }
    auto made = Collector::create(options, system_clock(), std::move(feed), is_bpf() ? iterator() : nullptr);
    ASSERT_TRUE(made) << made.error().message();
    collector_ = std::move(*made);
  }
  Records scan() {
    Records records;
    EventList events;
    const auto done = collector_->scan([&](pb::ProcessRecord& record) { records[record.pid()].Swap(&record); }, events);
    EXPECT_TRUE(done);
    if (done) {
      EXPECT_EQ(done->reported(), records.size()) << "everybody is handed out, and once";
    }
    return records;
  }
  static pb::DetectionTask task(const std::string& id, std::initializer_list<const char*> columns) {
    pb::DetectionTask out;
    out.set_task_id(id);
    out.set_task_type(pb::COLLECT_COLUMNS);
    out.mutable_pushdown_plan()->set_table("processes");
    out.mutable_pushdown_plan()->set_ttl_ms(60'000);
    for (const char* column : columns) out.mutable_pushdown_plan()->add_projection(column);
    return out;
  }
  static void add_predicate(pb::DetectionTask& task, const char* column, pb::PredicateOp op, const std::string& text) {
    pb::Predicate& predicate = *task.mutable_pushdown_plan()->add_predicates();
    predicate.set_column(column);
    predicate.set_op(op);
    predicate.add_values()->set_string_value(text);
  }
  void ask(const pb::DetectionTask& task) {
    const pb::DetectionResult result = collector_->run_task(task);
    ASSERT_TRUE(result.success()) << result.error_message();
    EXPECT_EQ(result.task_id(), task.task_id());
  }
  std::unique_ptr<Collector> collector_;
};

std::size_t told_anything(const Records& records) {
  std::size_t out = 0;
  for (const auto& [pid, record] : records) out += told_in(record) != kNothing;
  return out;
}

TEST_P(OnDemandScan, ASourceReadsWhatItIsTold) {
  const OwnSource source({}, is_bpf() ? iterator() : nullptr);
  const auto self = static_cast<std::uint32_t>(::getpid());
  for (const Demand& demand : {Demand{kNothing, kNothing}, Demand{kFdCount, kNothing}, Demand{kIo, kNothing},
                               Demand{kEverything, kNothing}, Demand{kNothing, kNothing}}) {
    const SourceState before = source->state();
    Records records;
    const auto swept =
        source->sweep([&](pb::ProcessRecord& record, const auto&) { records[record.pid()] = record; }, {}, demand);
    ASSERT_TRUE(swept);
    ASSERT_TRUE(records.contains(self));
    EXPECT_EQ(told_in(records.at(self)), demand.of_all);
    EXPECT_TRUE(records.at(self).has_memory_usage());
    if (demand.of_all == kNothing) {
      EXPECT_EQ(told_anything(records), 0u);
    }
    const SourceState after = source->state();
    EXPECT_EQ(after.reads_fd_count > before.reads_fd_count, (demand.of_all & kFdCount) != 0);
    EXPECT_EQ(after.reads_io > before.reads_io, (demand.of_all & kIo) != 0);
  }
}

TEST_P(OnDemandScan, NothingWithoutAPlanAndAllWithOne) {
  open_collector();
  const auto self = static_cast<std::uint32_t>(::getpid());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(told_anything(scan()), 0u);
  EXPECT_EQ(collector_->counts().source.reads_fd_count, 0u);
  EXPECT_EQ(collector_->counts().source.reads_io, 0u);
  ask(task("all", {"fd_count", "io_write_bytes"}));
  EXPECT_EQ(collector_->counts().plans.alive, 1u);
  for (int i = 0; i < 3; ++i) {
    const Records records = scan();
    EXPECT_EQ(told_in(records.at(self)), kFdCount | kIoWrite) << "not the one beside it";
    EXPECT_GE(records.at(self).fd_count(), 3u);
  }
  EXPECT_GT(collector_->counts().source.reads_fd_count, 0u);
  collector_->revoke_task("all");
  EXPECT_EQ(told_anything(scan()), 0u);
  EXPECT_EQ(collector_->counts().plans.revoked, 1u);
  ask(task("again", {"fd_count"}));
  collector_->end_session();
  EXPECT_EQ(told_anything(scan()), 0u);
}

TEST_P(OnDemandScan, OnlyOfThoseWhomAPlanMeans) {
  TempDir dir;
  const std::string program = copy_sleep(dir, "meant");
  const Child meant = Child::running({program, "1000"});
  const Child holder([] {
    for (int i = 0; i < 300; ++i) (void)!::open("/dev/null", O_RDONLY);
  });
  const Child other = Child::running({"/bin/sleep", "1000"});
  open_collector();
  pb::DetectionTask by_path = task("path", {"io_read_bytes"});
  add_predicate(by_path, "executable_path", pb::PREDICATE_OP_GLOB, dir.path() + "/*");
  ask(by_path);
  pb::DetectionTask by_pid = task("pid", {"fd_count"});
  pb::Predicate& predicate = *by_pid.mutable_pushdown_plan()->add_predicates();
  predicate.set_column("pid");
  predicate.set_op(pb::PREDICATE_OP_IN);
  predicate.add_values()->set_int_value(holder.pid());
  predicate.add_values()->set_int_value(meant.pid());
  ask(by_pid);
  // Also of those of whom nothing changed since the scan before.
  for (int i = 0; i < 3; ++i) {
    const Records records = scan();
    EXPECT_EQ(told_in(records.at(meant.pid())), kFdCount | kIoRead);
    EXPECT_EQ(told_in(records.at(holder.pid())), kFdCount);
    EXPECT_GE(records.at(holder.pid()).fd_count(), 300u);
    EXPECT_LE(records.at(holder.pid()).fd_count(), 400u);
    EXPECT_EQ(told_in(records.at(other.pid())), kNothing);
    EXPECT_EQ(told_anything(records), 2u);
    EXPECT_EQ(records.at(meant.pid()).executable_path(), program) << "whole in every other way";
  }
  if (is_bpf()) return;
  // They are asked for together, and nobody else is.
  EXPECT_EQ(collector_->counts().source.reads_fd_count, 6u);
  EXPECT_EQ(collector_->counts().source.reads_io, 6u);
}

TEST_P(OnDemandScan, WithoutTheSettingEverythingIsThereAndPlansAreRefused) {
  auto made = Collector::create({}, system_clock(), nullptr, is_bpf() ? iterator() : nullptr);
  ASSERT_TRUE(made);
  collector_ = std::move(*made);
  EXPECT_EQ(told_in(scan().at(static_cast<std::uint32_t>(::getpid()))), kEverything);
  const pb::DetectionResult refused = collector_->run_task(task("t", {"fd_count"}));
  EXPECT_FALSE(refused.success());
  EXPECT_NE(refused.error_message().find("collect.on_demand"), std::string::npos);
}

TEST_P(OnDemandScan, ARefusedPlanSaysWhy) {
  open_collector();
  pb::DetectionTask empty = task("t", {"fd_count"});
  empty.clear_pushdown_plan();
  EXPECT_EQ(collector_->run_task(empty).error_message(), "pushdown_plan: is missing");
  const pb::DetectionResult refused = collector_->run_task(task("t", {"memory_usage"}));
  EXPECT_FALSE(refused.success());
  EXPECT_NE(refused.error_message().find("memory_usage"), std::string::npos);
  EXPECT_EQ(collector_->counts().plans.refused, 1u);
  EXPECT_EQ(collector_->counts().tasks_failed, 2u);
  EXPECT_EQ(told_anything(scan()), 0u);
}

INSTANTIATE_TEST_SUITE_P(Sources, OnDemandScan, testing::Values("proc", "bpf"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace de::collect
