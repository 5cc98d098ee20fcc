// An intake over a real store and mirror. The clock is moved by hand; the store can be reopened as after a restart.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ingest/intake.h"
#include "mirror/session.h"

namespace de::ingest {

using namespace std::chrono_literals;

constexpr std::int64_t kNoon = 1'767'355'200'000;  // 2026-01-02T12:00:00Z
constexpr std::int64_t kFirstMs = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLastMs = std::numeric_limits<std::int64_t>::max();

class StillClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = kNoon;
};

class IntakeTest : public testing::Test {
 protected:
  IntakeTest() {
    char name[] = "/tmp/de-ingest-XXXXXX";
    dir_ = ::mkdtemp(name);
    open();
  }
  ~IntakeTest() override {
    writer_.join();
    std::filesystem::remove_all(dir_);
  }

  void open() {
    intake_.reset();
    store_.reset();
    store::StoreOptions options;
    options.dir = dir_ + "/store";
    auto opened = store::Store::open(options, clock_);
    if (!opened) throw std::runtime_error(opened.error().message());
    store_ = std::move(*opened);
    mirror_ = std::move(*mirror::Mirror::create());
    intake_ = std::make_unique<Intake>(*store_, *mirror_, writer_, clock_,
                                       [this](std::shared_ptr<const mirror::Image> image) {
                                         scans_when_published_ = stored_scans();
                                         image_ = std::move(image);
                                       });
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> outcome;
    boost::asio::co_spawn(io_, std::move(task), [&outcome](const std::exception_ptr& thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      outcome.emplace(std::move(value));
    });
    io_.restart();
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (!outcome && std::chrono::steady_clock::now() < until) io_.run_one_for(100ms);
    if (!outcome) throw std::runtime_error("the task did not end");
    return std::move(*outcome);
  }
  Result<std::uint64_t> publish(pb::Publish message, const std::string& collector = "procmond",
                                const std::string& spool_id = "spool") {
    if (!message.has_events()) return run(intake_->publish(collector, spool_id, std::move(message)));
    auto batch = std::make_shared<const pb::EventBatch>(std::move(*message.mutable_events()));
    return run(intake_->publish_events(collector, spool_id, {std::move(batch)}));
  }
  // The sequence that may be acknowledged; 0 also after an error, which fails the test.
  std::uint64_t acked(pb::Publish message) {
    const auto outcome = publish(std::move(message));
    EXPECT_TRUE(outcome) << outcome.error().message();
    return outcome ? *outcome : 0;
  }
  Errc refused(pb::Publish message, const std::string& collector = "procmond") {
    const auto outcome = publish(std::move(message), collector);
    EXPECT_FALSE(outcome);
    return outcome ? Errc::Io : outcome.error().code();
  }

  pb::Publish events(std::uint64_t first, std::uint64_t last) const {
    pb::Publish message;
    for (std::uint64_t i = first; i <= last; ++i) {
      pb::ProcessEvent& event = *message.mutable_events()->add_events();
      event.set_sequence(i);
      event.set_event_type(pb::EVENT_TYPE_START);
      event.set_event_time_ms(clock_.now_ms);
      *event.mutable_process() = process(static_cast<std::uint32_t>(i));
    }
    return message;
  }
  static pb::Publish gap(std::uint64_t first, std::uint64_t last, const std::string& reason = "size cap") {
    pb::Publish message;
    message.mutable_gap()->set_first_sequence(first);
    message.mutable_gap()->set_last_sequence(last);
    message.mutable_gap()->set_from_ms(kNoon - 1000);
    message.mutable_gap()->set_to_ms(kNoon);
    message.mutable_gap()->set_reason(reason);
    return message;
  }
  static pb::ProcessRecord process(std::uint32_t pid) {
    pb::ProcessRecord record;
    record.set_pid(pid);
    record.set_name("p" + std::to_string(pid));
    std::string uid(16, '\x07');
    for (std::size_t i = 0; i < 4; ++i) uid[i] = static_cast<char>(pid >> (8 * i));
    record.set_process_uid(uid);
    record.set_collection_time_ms(kNoon);
    return record;
  }
  pb::Publish chunk(std::uint64_t scan_id, std::uint32_t number, bool last,
                    const std::vector<pb::ProcessRecord>& records, std::uint32_t reported = 0) const {
    pb::Publish message;
    pb::SnapshotChunk& out = *message.mutable_snapshot();
    out.set_scan_id(scan_id);
    out.set_chunk(number);
    out.set_last(last);
    out.set_scan_time_ms(clock_.now_ms);
    for (const pb::ProcessRecord& record : records) *out.add_processes() = record;
    if (last) out.mutable_summary()->set_reported(reported);
    return message;
  }

  std::vector<std::uint64_t> stored_sequences() const {
    std::vector<std::uint64_t> out;
    EXPECT_TRUE(store_->read_events(kFirstMs, kLastMs, [&](std::string_view, const pb::ProcessEvent& event) {
      out.push_back(event.sequence());
      return true;
    }));
    return out;
  }
  std::set<std::uint64_t> stored_scans() const {
    std::set<std::uint64_t> out;
    EXPECT_TRUE(store_->list_scans(kFirstMs, kLastMs, [&](const store::ScanMeta& meta, std::uint64_t) {
      out.insert(meta.scan_id);
      return true;
    }));
    return out;
  }
  std::vector<std::string> reason_names() const {
    std::vector<std::string> out;
    for (const pb::Reason& reason : intake_->reasons()) out.push_back(reason.reason());
    return out;
  }
  // Of the last snapshot that was published to the rules; -1 when there is none.
  std::int64_t image_rows(const std::string& where = "1") {
    if (!image_) return -1;
    auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, clock_));
    EXPECT_TRUE(session->load(image_));
    std::int64_t count = -1;
    const auto outcome = session->run(
        "SELECT count(*) FROM processes WHERE " + where, {}, mirror::kAdHocBudget, [](auto) {},
        [&](std::span<const mirror::Value> row) {
          count = std::get<std::int64_t>(row[0]);
          return true;
        });
    EXPECT_TRUE(outcome) << outcome.error().message();
    return count;
  }
  void books_balance() const {
    const Counts& counts = intake_->counts();
    EXPECT_EQ(counts.records_received, counts.records_stored + counts.records_rejected);
    EXPECT_EQ(counts.events_received, counts.events_stored + counts.events_duplicate);
  }

  std::string dir_;
  StillClock clock_;
  boost::asio::io_context io_;
  boost::asio::thread_pool writer_{1};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<Intake> intake_;
  std::shared_ptr<const mirror::Image> image_;
  std::set<std::uint64_t> scans_when_published_;
};

}  // namespace de::ingest
