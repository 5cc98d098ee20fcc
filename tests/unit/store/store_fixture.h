// A store in a directory of its own, a clock that is moved by hand, and processes that change like real ones.
//
// Thread: the test's.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "store/store.h"
#include "temp_dir.h"

namespace de::store {

constexpr std::int64_t kNoon = 1'767'355'200'000;  // 2026-01-02T12:00:00Z
constexpr std::int64_t kMidnight = kNoon + 12 * 3'600'000;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDay = 24 * kHourMs;
inline const std::string kToday = "2026-01-02";  // The day of kNoon.

class FakeClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = kNoon;
};

using test::TempDir;

class StoreTest : public testing::Test {
 protected:
  virtual StoreOptions options() const {
    StoreOptions out;
    out.dir = dir_ / "store";
    return out;
  }
  void open() {
    store_.reset();
    auto opened = Store::open(options(), clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }
  void SetUp() override { open(); }

  TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
};

inline std::string uid_of(std::uint32_t n) {
  std::string uid(16, '\0');
  std::uint64_t mixed = n;
  for (char& c : uid) {
    mixed = mixed * 6364136223846793005 + 1442695040888963407;
    c = static_cast<char>(mixed >> 56);
  }
  return uid;
}

// Process `n`: its columns follow from n, its metrics from `step`.
inline pb::ProcessRecord process(std::uint32_t n, std::int64_t time_ms, std::uint32_t step = 0) {
  pb::ProcessRecord r;
  r.set_pid(1000 + n);
  r.set_ppid(n % 7 == 0 ? 1 : 1000 + n / 7);
  r.set_name("proc-" + std::to_string(n % 40));
  r.set_executable_path("/usr/lib/daemons/proc-" + std::to_string(n % 40));
  r.add_command_line("/usr/lib/daemons/proc-" + std::to_string(n % 40));
  r.add_command_line("--instance=" + std::to_string(n));
  r.set_start_time_ms(kNoon - 1'000'000 + n * 37);
  r.set_executable_hash(std::string(62, 'a') + (n % 2 == 0 ? "01" : "fe"));
  r.set_hash_algorithm("sha256");
  r.set_user_id(std::to_string(n % 3 * 1000));
  r.set_user_name(n % 3 == 0 ? "root" : "user");
  r.set_accessible(true);
  r.set_file_exists(true);
  r.set_on_disk_state(pb::ON_DISK_MATCH);
  r.set_process_uid(uid_of(n));
  r.set_parent_uid(uid_of(n / 7));
  r.set_boot_time_ms(kNoon - 50'000'000);
  r.mutable_namespaces()->set_mnt(4026531841);
  r.mutable_namespaces()->set_pid(4026531836);
  r.set_cgroup("/system.slice/proc-" + std::to_string(n % 40) + ".service");
  r.set_source(pb::RECORD_SOURCE_SCAN);
  r.set_nice(n % 5 == 0 ? -5 : 0);
  r.set_cpu_usage(step == 0 ? 0 : static_cast<double>(n + step) / 7);
  r.set_memory_usage(4096ULL * (1000 + n + step));
  r.set_virtual_memory(4096ULL * (10'000 + n));
  r.set_threads(1 + n % 4);
  if (n % 3 != 0) r.set_fd_count(4 + (n + step) % 100);
  r.set_cpu_user_ms(step * 10);
  r.set_cpu_system_ms(step * 3);
  r.set_io_write_bytes(step * 777);
  r.set_state(step % 9 == 4 ? "R" : "S");
  r.set_collection_time_ms(time_ms);
  return r;
}

using Rows = std::map<std::string, std::string>;  // process_uid -> serialized record

// A population with churn: each scan, some metrics move, some processes go, some come, some change their columns.
class Population {
 public:
  Population(std::uint32_t size, unsigned seed) : random_(seed) {
    for (std::uint32_t i = 0; i < size; ++i) add();
  }
  // Shares in per mille.
  void step(unsigned metrics, unsigned churn, unsigned modified) {
    for (auto it = records_.begin(); it != records_.end();) {
      if (chance(churn)) {
        it = records_.erase(it);
        ++gone_;
        continue;
      }
      if (chance(metrics)) move_metrics(it->second);
      if (chance(modified)) it->second.set_cwd("/tmp/work-" + std::to_string(random_() % 5));
      ++it;
    }
    for (; gone_ > 0; --gone_) add();
  }
  std::vector<pb::ProcessRecord> at(std::int64_t time_ms, bool spread) {
    std::vector<pb::ProcessRecord> out;
    std::int64_t delay = 0;
    for (auto& [n, record] : records_) {
      if (spread && chance(100)) ++delay;
      record.set_collection_time_ms(time_ms + delay);
      out.push_back(record);
    }
    return out;
  }

 private:
  bool chance(unsigned per_mille) { return random_() % 1000 < per_mille; }
  void add() {
    records_.emplace(next_, process(next_, 0));
    ++next_;
  }
  void move_metrics(pb::ProcessRecord& r) {
    r.set_cpu_usage(static_cast<double>(random_() % 100'000) / 977);
    r.set_memory_usage(r.memory_usage() + 4096 * (random_() % 64) - 4096 * 30);
    r.set_cpu_user_ms(r.cpu_user_ms() + 10 * (random_() % 50));
    if (chance(300)) r.set_cpu_system_ms(r.cpu_system_ms() + 10 * (random_() % 20));
    if (chance(200)) r.set_fd_count(static_cast<std::uint32_t>(random_() % 200));
    if (chance(50)) r.clear_fd_count();
    if (chance(100)) r.set_state(chance(500) ? "R" : "D");
    if (chance(200)) r.set_io_read_bytes(r.io_read_bytes() + random_() % 100'000);
  }

  std::mt19937 random_;
  std::uint32_t next_ = 0;
  std::uint32_t gone_ = 0;
  std::map<std::uint32_t, pb::ProcessRecord> records_;
};

inline Result<> add(Store& store, const pb::ProcessRecord& record) {
  return store.add(record, record.SerializeAsString());
}

inline Result<> store_scan(Store& store, const ScanMeta& meta, const std::vector<pb::ProcessRecord>& records) {
  DE_CHECK(store.begin_scan(meta));
  for (const pb::ProcessRecord& record : records) DE_CHECK(add(store, record));
  return store.finish_scan();
}

inline ScanMeta meta_of(std::uint64_t id, std::int64_t time_ms, std::string collector = "procmond") {
  ScanMeta meta{id, time_ms, std::move(collector), {}};
  meta.summary.set_seen(static_cast<std::uint32_t>(id) + 7);
  return meta;
}

inline Rows rows_of(const std::vector<pb::ProcessRecord>& records) {
  Rows out;
  for (const pb::ProcessRecord& record : records) out[record.process_uid()] = record.SerializeAsString();
  return out;
}

// Every scan in the range, by (time, collector, id).
using ScanKey = std::tuple<std::int64_t, std::string, std::uint64_t>;
inline std::map<ScanKey, Rows> read_all(const Store& store, std::int64_t from_ms, std::int64_t to_ms) {
  std::map<ScanKey, Rows> out;
  auto read = store.read_scans(from_ms, to_ms, [&](const ScanMeta& meta, const pb::ProcessRecord& record) {
    Rows& rows = out[{meta.time_ms, meta.collector, meta.scan_id}];
    EXPECT_TRUE(rows.emplace(record.process_uid(), record.SerializeAsString()).second) << "row came twice";
    return true;
  });
  EXPECT_TRUE(read) << (read ? "" : read.error().message());
  return out;
}

inline pb::EventBatch events(std::uint64_t first, std::uint64_t last, std::int64_t time_ms) {
  pb::EventBatch batch;
  for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
    pb::ProcessEvent& event = *batch.add_events();
    *event.mutable_process() = process(static_cast<std::uint32_t>(sequence), time_ms, 1);
    event.set_event_type(sequence % 3 == 0 ? pb::EVENT_TYPE_EXIT : pb::EVENT_TYPE_START);
    event.set_event_time_ms(time_ms + static_cast<std::int64_t>(sequence % 50));
    event.set_sequence(sequence);
    event.set_parent_name("parent");
    event.set_parent_executable_path("/usr/bin/parent");
    if (sequence % 3 == 0) event.set_duration_ms(sequence);
    if (sequence % 4 == 0) event.add_modified_fields("name");
  }
  return batch;
}

// sequence -> serialized event, everything that is stored.
inline std::map<std::uint64_t, std::string> stored_events(const Store& store) {
  std::map<std::uint64_t, std::string> out;
  auto read = store.read_events(0, INT64_MAX, [&](std::string_view, const pb::ProcessEvent& event) {
    EXPECT_TRUE(out.emplace(event.sequence(), event.SerializeAsString()).second) << "event came twice";
    return true;
  });
  EXPECT_TRUE(read) << (read ? "" : read.error().message());
  return out;
}

inline pb::Alert alert(const std::string& id, const std::string& key = "", std::int64_t time_ms = kNoon) {
  pb::Alert out;
  out.set_id(id);
  out.set_alert_time_ms(time_ms);
  out.set_rule_id("rule-1");
  out.set_title("something");
  out.set_severity(pb::SEVERITY_HIGH);
  out.set_dedupe_key(key);
  return out;
}

}  // namespace de::store
