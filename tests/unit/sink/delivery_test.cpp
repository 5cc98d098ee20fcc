#include "sink/delivery.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <thread>

#include "daemoneye/base/unique_fd.h"
#include "sample.h"

namespace de::sink {
namespace {

using namespace std::chrono_literals;

// The store's side: a list in memory, with errors on request.
class MemoryQueue final : public DeliveryQueue {
 public:
  Result<std::vector<pb::Alert>> pending(std::string_view, std::size_t max) override {
    const std::lock_guard lock(mutex);
    if (pending_errors > 0) {
      --pending_errors;
      return fail(Errc::Io, "store is away");
    }
    largest_pull = std::max(largest_pull, max);
    std::vector<pb::Alert> out;
    for (const pb::Alert& alert : alerts)
      if (out.size() < max) out.push_back(alert);
    return out;
  }
  Result<> delivered(std::string_view, std::uint64_t sequence) override {
    const std::lock_guard lock(mutex);
    if (delivered_errors > 0) {
      --delivered_errors;
      return fail(Errc::Io, "store is full");
    }
    EXPECT_FALSE(alerts.empty());
    EXPECT_EQ(alerts.front().sequence(), sequence) << "order";
    alerts.pop_front();
    return {};
  }
  Result<> failed(std::string_view, std::uint64_t sequence, std::string_view error) override {
    const std::lock_guard lock(mutex);
    attempts.emplace_back(sequence, error);
    return {};
  }
  void add(pb::Alert alert) {
    const std::lock_guard lock(mutex);
    alerts.push_back(std::move(alert));
  }
  std::size_t size() {
    const std::lock_guard lock(mutex);
    return alerts.size();
  }

  std::mutex mutex;
  std::deque<pb::Alert> alerts;
  std::vector<std::pair<std::uint64_t, std::string>> attempts;
  std::size_t largest_pull = 0;
  int pending_errors = 0;
  int delivered_errors = 0;
};

// What arrived, shared with the test because the worker owns the sink.
struct Record {
  std::mutex mutex;
  std::vector<std::uint64_t> arrived;
  std::vector<std::uint64_t> synced;
  int deliver_errors = 0;
  int sync_errors = 0;
  std::uint64_t refused_once = 0;  // A sequence that fails at its first attempt.
};

class RecordingSink final : public Sink {
 public:
  explicit RecordingSink(Record& record) : record_(record) {}
  std::string_view name() const override { return "recording"; }
  Result<> deliver(const pb::Alert& alert) override {
    const std::lock_guard lock(record_.mutex);
    if (record_.deliver_errors > 0 || record_.refused_once == alert.sequence()) {
      if (record_.deliver_errors > 0) --record_.deliver_errors;
      record_.refused_once = 0;
      return fail(Errc::Io, "no");
    }
    record_.arrived.push_back(alert.sequence());
    return {};
  }
  Result<> sync() override {
    const std::lock_guard lock(record_.mutex);
    if (record_.sync_errors > 0) {
      --record_.sync_errors;
      return fail(Errc::Io, "disk");
    }
    record_.synced = record_.arrived;
    return {};
  }

 private:
  Record& record_;
};

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

class DeliveryTest : public testing::Test {
 protected:
  std::unique_ptr<Delivery> start(DeliveryOptions options = {}) {
    options.first_retry = 1ms;
    options.longest_retry = 4ms;
    return std::make_unique<Delivery>(std::make_unique<RecordingSink>(record), queue, options);
  }
  void add(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i <= to; ++i) queue.add(small_alert(i));
  }
  std::vector<std::uint64_t> arrived() {
    const std::lock_guard lock(record.mutex);
    return record.arrived;
  }
  static std::vector<std::uint64_t> numbers(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = from; i <= to; ++i) out.push_back(i);
    return out;
  }

  MemoryQueue queue;
  Record record;
};

TEST_F(DeliveryTest, DeliversWhatAnEarlierRunLeft) {
  add(1, 200);
  const auto worker = start({.batch = 16});
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), numbers(1, 200));
  EXPECT_EQ(record.synced, record.arrived);
  EXPECT_EQ(queue.largest_pull, 16U);
  const auto counts = worker->counts();
  EXPECT_EQ(counts.delivered, 200U);
  EXPECT_EQ(counts.failures, 0U);
  EXPECT_EQ(counts.pending, 0U);
  EXPECT_EQ(worker->name(), "recording");
}

TEST_F(DeliveryTest, WakesForNewAlerts) {
  const auto worker = start();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    add(i, i);
    worker->wake();
    ASSERT_TRUE(eventually([&] { return queue.size() == 0; })) << i;
  }
  EXPECT_EQ(arrived(), numbers(1, 20));
}

TEST_F(DeliveryTest, RetriesInOrderAfterFailures) {
  record.deliver_errors = 5;
  add(1, 10);
  const auto worker = start();
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), numbers(1, 10));
  const auto counts = worker->counts();
  EXPECT_EQ(counts.failures, 5U);
  EXPECT_EQ(counts.failures_in_row, 0U);
  EXPECT_EQ(counts.last_error, "no");
  ASSERT_EQ(queue.attempts.size(), 5U);
  EXPECT_EQ(queue.attempts[4], (std::pair<std::uint64_t, std::string>{1, "no"}));
}

TEST_F(DeliveryTest, WhatCameBeforeAFailureIsNotSentAgain) {
  record.refused_once = 4;
  add(1, 6);
  const auto worker = start();
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), numbers(1, 6));
  ASSERT_EQ(queue.attempts.size(), 1U);
  EXPECT_EQ(queue.attempts[0].first, 4U);
}

TEST_F(DeliveryTest, NothingCountsBeforeItIsDurable) {
  record.sync_errors = 1;
  add(1, 3);
  const auto worker = start();
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), (std::vector<std::uint64_t>{1, 2, 3, 1, 2, 3})) << "twice rather than never";
  EXPECT_EQ(worker->counts().delivered, 3U);
  EXPECT_EQ(worker->counts().failures, 1U);
}

TEST_F(DeliveryTest, SurvivesAStoreThatFails) {
  queue.pending_errors = 2;
  queue.delivered_errors = 1;
  add(1, 2);
  const auto worker = start();
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), (std::vector<std::uint64_t>{1, 2, 1, 2}));
  EXPECT_EQ(worker->counts().delivered, 2U);
  EXPECT_EQ(worker->counts().failures, 3U);
  EXPECT_EQ(worker->counts().last_error, "note delivery: store is full");
}

TEST_F(DeliveryTest, FiltersBySeverity) {
  queue.add(small_alert(1, pb::SEVERITY_LOW));
  queue.add(small_alert(2, pb::SEVERITY_HIGH));
  queue.add(small_alert(3, pb::SEVERITY_MEDIUM));
  queue.add(small_alert(4, pb::SEVERITY_CRITICAL));
  const auto worker = start({.min_severity = pb::SEVERITY_HIGH});
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  worker->stop();
  EXPECT_EQ(arrived(), (std::vector<std::uint64_t>{2, 4}));
  EXPECT_EQ(worker->counts().delivered, 2U);
  EXPECT_EQ(worker->counts().filtered, 2U);
}

TEST_F(DeliveryTest, StopsAtOnceWhileWaitingToRetry) {
  record.deliver_errors = 1'000'000;
  add(1, 1);
  DeliveryOptions options;
  options.first_retry = 1h;
  options.longest_retry = 1h;
  Delivery worker(std::make_unique<RecordingSink>(record), queue, options);
  ASSERT_TRUE(eventually([&] { return worker.counts().failures == 1; }));
  worker.wake();  // Must not shorten the pause.
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(worker.counts().failures, 1U);
  EXPECT_EQ(worker.counts().pending, 1U);
  const auto begin = std::chrono::steady_clock::now();
  worker.stop();
  worker.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_EQ(queue.size(), 1U) << "it stays queued";
}

TEST_F(DeliveryTest, AFullDiskDelaysNobodyElse) {
  add(1, 3);
  MemoryQueue other;
  for (std::uint64_t i = 1; i <= 3; ++i) other.add(small_alert(i));
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  DeliveryOptions options;
  options.first_retry = 1ms;
  options.longest_retry = 2ms;
  Delivery stuck(make_stream_sink("full", Format::Json, full.get(), kWriteLimit), other, options);
  const auto worker = start();
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  ASSERT_TRUE(eventually([&] { return stuck.counts().failures > 10; }));
  stuck.stop();
  EXPECT_EQ(other.size(), 3U);
  EXPECT_EQ(stuck.counts().delivered, 0U);
  EXPECT_EQ(stuck.counts().last_error, "write to full: No space left on device");
}

TEST_F(DeliveryTest, AFileGetsEverythingOnceItsDirectoryIsBack) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "logs");
  auto sink = make_sink({.name = "file", .type = "file", .path = dir / "logs/a"});
  ASSERT_TRUE(sink) << sink.error().message();
  std::filesystem::rename(dir / "logs", dir / "away");
  add(1, 5);
  DeliveryOptions options;
  options.first_retry = 1ms;
  options.longest_retry = 2ms;
  Delivery worker(std::move(*sink), queue, options);
  ASSERT_TRUE(eventually([&] { return worker.counts().failures >= 2; }));
  std::filesystem::create_directory(dir / "logs");
  ASSERT_TRUE(eventually([&] { return queue.size() == 0; }));
  std::string expected;
  for (std::uint64_t i = 1; i <= 5; ++i) expected += format_alert(Format::Json, small_alert(i));
  EXPECT_EQ(read_text(dir / "logs/a"), expected);
}

}  // namespace
}  // namespace de::sink
