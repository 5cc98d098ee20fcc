// Scans go in whole and come out row by row as they went in.
#include <chrono>
#include <limits>

#include "store/scan_codec.h"
#include "store/scan_writer.h"
#include "store_fixture.h"

namespace de::store {
namespace {

using Scans = StoreTest;

TEST_F(Scans, ADayWithChurnReadsBackExactly) {
  Population population(300, 1);
  std::map<ScanKey, Rows> given;
  for (std::uint32_t i = 0; i < 120; ++i) {
    const std::int64_t time = kNoon + i * 12 * 60'000LL;  // 24 h: two days, several keyframes.
    clock_.now_ms = time;
    const auto records = population.at(time, i % 2 == 0);
    ASSERT_TRUE(store_scan(*store_, meta_of(i, time), records));
    given[{time, "procmond", i}] = rows_of(records);
    population.step(200, 10, 5);
  }
  EXPECT_EQ(read_all(*store_, kNoon, kNoon + 2 * kDayMs), given);
  open();  // Nothing of it may depend on memory.
  EXPECT_EQ(read_all(*store_, kNoon, kNoon + 2 * kDayMs), given);
}

TEST_F(Scans, ARangeStartsInTheMiddleOfAChain) {
  Population population(50, 2);
  std::map<ScanKey, Rows> given;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const std::int64_t time = kNoon + i * 30'000LL;
    const auto records = population.at(time, false);
    ASSERT_TRUE(store_scan(*store_, meta_of(i, time), records));
    if (i >= 17 && i < 31) given[{time, "procmond", i}] = rows_of(records);
    population.step(300, 20, 20);
  }
  EXPECT_EQ(read_all(*store_, kNoon + 17 * 30'000, kNoon + 31 * 30'000), given);
}

TEST_F(Scans, RestartBeginsWithAKeyframeAndContinues) {
  Population population(80, 3);
  std::map<ScanKey, Rows> given;
  for (std::uint32_t i = 0; i < 30; ++i) {
    if (i % 7 == 6) open();
    const std::int64_t time = kNoon + i * 30'000LL;
    const auto records = population.at(time, false);
    ASSERT_TRUE(store_scan(*store_, meta_of(i, time), records));
    given[{time, "procmond", i}] = rows_of(records);
    population.step(200, 30, 10);
  }
  EXPECT_EQ(read_all(*store_, kNoon, kNoon + kHourMs), given);
}

TEST_F(Scans, CollectorsAndSteppingClocksDoNotMix) {
  Population a(30, 4), b(40, 5);
  std::map<ScanKey, Rows> given;
  const std::int64_t times[] = {0, 30, 60, 90, 15, 45, 75, 105, 15, 16, 20, 4000, 3000, 5000};  // Seconds; jumps back.
  std::uint64_t id = 0;
  for (const std::int64_t seconds : times) {
    const std::int64_t time = kNoon + seconds * 1000;
    ASSERT_TRUE(store_scan(*store_, meta_of(++id, time, "a"), a.at(time, false)));
    given[{time, "a", id}] = rows_of(a.at(time, false));
    ASSERT_TRUE(store_scan(*store_, meta_of(++id, time, "b"), b.at(time, false)));
    given[{time, "b", id}] = rows_of(b.at(time, false));
    a.step(300, 50, 50);
    b.step(300, 50, 50);
  }
  EXPECT_EQ(read_all(*store_, 0, kNoon + kDayMs), given);
}

TEST_F(Scans, ExtremeValuesSurvive) {
  std::vector<pb::ProcessRecord> first, second;
  for (std::uint32_t n = 0; n < 4; ++n) {
    pb::ProcessRecord r = process(n, kNoon);
    r.set_cpu_usage(n == 0 ? std::numeric_limits<double>::infinity() : n == 1 ? -0.0 : 12.34);
    r.set_memory_usage(n % 2 == 0 ? UINT64_MAX : 0);
    r.set_cpu_user_ms(n % 2 == 0 ? 1ULL << 63 : 1);
    r.set_threads(UINT32_MAX);
    r.set_collection_time_ms(n == 0 ? INT64_MIN : INT64_MAX);
    r.set_state(n == 3 ? "a state of its own" : n == 2 ? "" : "Z");
    r.add_command_line(std::string("\xff\x00\xfe", 3));
    first.push_back(r);
    r.set_memory_usage(n % 2 == 0 ? 1 : UINT64_MAX);
    r.set_cpu_usage(std::numeric_limits<double>::quiet_NaN());
    r.clear_cpu_user_ms();
    r.set_state("T");
    second.push_back(r);
  }
  first.emplace_back().set_process_uid(uid_of(99));  // Nothing known about it.
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), first));
  ASSERT_TRUE(store_scan(*store_, meta_of(2, kNoon + 1), second));
  const std::map<ScanKey, Rows> given = {{{kNoon, "procmond", 1}, rows_of(first)},
                                         {{kNoon + 1, "procmond", 2}, rows_of(second)}};
  EXPECT_EQ(read_all(*store_, 0, kNoon + kHourMs), given);
}

TEST_F(Scans, FieldsFromTheFutureAreKept) {
  pb::ProcessRecord r = process(1, kNoon);
  // Field 999, varint 5, and field 7 with a wire type it should not have.
  ASSERT_TRUE(r.MergeFromString(std::string("\xb8\x3e\x05\x3a\x01x", 6)));
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), {r}));
  EXPECT_EQ(read_all(*store_, 0, kNoon + 1).begin()->second, rows_of({r}));
}

TEST_F(Scans, AnUnfinishedScanLeavesNoTrace) {
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), {process(1, kNoon)}));
  ASSERT_TRUE(store_->begin_scan(meta_of(2, kNoon + 1)));
  ASSERT_TRUE(add(*store_, process(2, kNoon + 1)));
  store_->abandon_scan();
  EXPECT_EQ(read_all(*store_, 0, kNoon + kHourMs).size(), 1u);
  ASSERT_TRUE(store_scan(*store_, meta_of(3, kNoon + 2), {process(1, kNoon + 2, 3)}));
  ASSERT_TRUE(store_->begin_scan(meta_of(4, kNoon + 3)));
  ASSERT_TRUE(add(*store_, process(7, kNoon + 3)));
  open();
  const auto all = read_all(*store_, 0, kNoon + kHourMs);
  EXPECT_EQ(all.size(), 2u);
  EXPECT_EQ(all.rbegin()->second, rows_of({process(1, kNoon + 2, 3)}));
}

TEST_F(Scans, RefusesWhatItCannotKeepAndGoesOn) {
  EXPECT_EQ(add(*store_, process(1, kNoon)).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->finish_scan().error().code(), Errc::Invalid);
  EXPECT_EQ(store_->begin_scan(meta_of(1, kNoon, "")).error().code(), Errc::Invalid);
  ASSERT_TRUE(store_->begin_scan(meta_of(1, kNoon)));
  EXPECT_EQ(store_->begin_scan(meta_of(2, kNoon)).error().code(), Errc::Conflict);
  ASSERT_TRUE(add(*store_, process(1, kNoon)));
  EXPECT_EQ(add(*store_, process(1, kNoon)).error().code(), Errc::Conflict);
  pb::ProcessRecord bad = process(2, kNoon);
  bad.set_process_uid("short");
  EXPECT_EQ(add(*store_, bad).error().code(), Errc::Invalid);
  bad = process(3, kNoon);
  bad.set_user_name("\xff");
  EXPECT_EQ(add(*store_, bad).error().code(), Errc::Invalid);
  bad = process(4, kNoon);
  bad.add_command_line(std::string(5 << 20, 'x'));
  EXPECT_EQ(add(*store_, bad).error().code(), Errc::TooLarge);
  ASSERT_TRUE(store_->finish_scan());
  EXPECT_EQ(read_all(*store_, 0, kNoon + 1).begin()->second, rows_of({process(1, kNoon)}));
  ASSERT_TRUE(store_->begin_scan(meta_of(2, kNoon + 1)));
  ASSERT_TRUE(add(*store_, process(1, kNoon + 1)));
  EXPECT_EQ(add(*store_, process(1, kNoon + 1)).error().code(), Errc::Conflict);
  ASSERT_TRUE(store_->finish_scan());
}

TEST_F(Scans, MoreThanOneTransactionIsStillOneScan) {
  std::vector<pb::ProcessRecord> records;
  for (std::uint32_t n = 0; n < 5000; ++n) records.push_back(process(n, kNoon));
  records[17].add_command_line(std::string(300'000, 'y'));
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), records));
  EXPECT_EQ(read_all(*store_, 0, kNoon + 1).begin()->second, rows_of(records));
  const auto stats = store_->stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->records, 5000u);
  EXPECT_EQ(stats->scans, 1u);
}

TEST_F(Scans, HeadersCarryTheSummary) {
  pb::ScanSummary late;
  late.set_reported(12);
  ASSERT_TRUE(store_->begin_scan(meta_of(5, kNoon)));
  ASSERT_TRUE(store_->finish_scan(late));  // An empty scan is a scan too.
  std::size_t seen = 0;
  ASSERT_TRUE(store_->list_scans(0, kNoon + 1, [&](const ScanMeta& meta, std::uint64_t rows) {
    ++seen;
    EXPECT_EQ(meta.scan_id, 5u);
    EXPECT_EQ(meta.summary.reported(), 12u);
    EXPECT_EQ(rows, 0u);
    return true;
  }));
  EXPECT_EQ(seen, 1u);
}

TEST_F(Scans, ReadingStopsWhenAsked) {
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon + i), {process(1, kNoon), process(2, kNoon)}));
  const auto read = store_->read_scans(0, kNoon + 10, [](const ScanMeta&, const pb::ProcessRecord&) { return false; });
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rows, 1u);
  EXPECT_TRUE(read->stopped);
}

TEST_F(Scans, AClaimedTimeFarAwayIsFiledNearNowAndKept) {
  for (const std::int64_t claimed : {std::int64_t{-5}, kNoon - 400 * kDayMs, kNoon + 400 * kDayMs, INT64_MAX})
    ASSERT_TRUE(store_scan(*store_, meta_of(1, claimed), {process(1, claimed)}));
  const auto all = read_all(*store_, 0, INT64_MAX);
  EXPECT_EQ(all.size(), 4u);
  EXPECT_EQ(std::get<0>(all.rbegin()->first), INT64_MAX);
  EXPECT_EQ(store_->stats()->days.size(), 2u);  // The first day that is kept, and tomorrow.
}

TEST_F(Scans, LivesAreFoundByTheirColumns) {
  const pb::ProcessRecord one = process(1, kNoon), other = process(2, kNoon);
  pb::ProcessRecord changed = process(1, kNoon + 2);
  changed.set_name("PROC-1");
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), {one}));
  ASSERT_TRUE(store_scan(*store_, meta_of(2, kNoon + 1), {one, other}));
  ASSERT_TRUE(store_scan(*store_, meta_of(3, kNoon + 2), {changed, other}));
  const auto find = [&](const LifeFilter& filter, std::int64_t from = 0, std::int64_t to = INT64_MAX) {
    std::vector<std::tuple<LifeKind, std::int64_t, std::string>> out;
    const auto read = store_->find_lives(filter, from, to, [&](LifeKind kind, std::int64_t ms, const auto& record) {
      EXPECT_FALSE(record.has_memory_usage());
      out.emplace_back(kind, ms, record.name());
      return true;
    });
    EXPECT_TRUE(read);
    return out;
  };
  using List = std::vector<std::tuple<LifeKind, std::int64_t, std::string>>;
  const List both = {{LifeKind::Carried, kNoon, "proc-1"}, {LifeKind::Modify, kNoon + 2, "PROC-1"}};
  EXPECT_EQ(find({.pid = 1001, .ppid = {}, .name = {}, .executable_hash = {}}), both);
  EXPECT_EQ(find({.pid = {}, .ppid = {}, .name = "Proc-1", .executable_hash = {}}), both);
  EXPECT_EQ(find({.pid = {}, .ppid = {}, .name = {}, .executable_hash = one.executable_hash()}), both);
  EXPECT_EQ(find({.pid = {}, .ppid = {}, .name = {}, .executable_hash = other.executable_hash()}),
            (List{{LifeKind::Start, kNoon + 1, "proc-2"}}));
  EXPECT_EQ(find({.pid = {}, .ppid = 1000, .name = {}, .executable_hash = {}}).size(), 3u);
  EXPECT_EQ(find({.pid = 1001, .ppid = {}, .name = {}, .executable_hash = {}}, kNoon + 1, kNoon + 2).size(), 0u);
  EXPECT_EQ(find({.pid = 1, .ppid = {}, .name = {}, .executable_hash = {}}).size(), 0u);
  EXPECT_EQ(store_->find_lives({}, 0, 1, [](auto, auto, const auto&) { return true; }).error().code(), Errc::Invalid);
}

TEST_F(Scans, TooManyCollectorsAreRefused) {
  for (std::size_t i = 0; i < kMaxCollectors; ++i)
    ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon, "c" + std::to_string(i)), {}));
  EXPECT_EQ(store_->begin_scan(meta_of(1, kNoon, "one more")).error().code(), Errc::Exhausted);
}

// The promise of the design, with a fifth of the metrics moving and one process in a thousand replaced per scan.
TEST_F(Scans, TakeAtMostTenBytesPerProcess) {
  Population population(1000, 6);
  const auto size = [&] { return store_->stats()->days.at(0).bytes; };
  for (std::uint32_t i = 0; i < 400; ++i) {
    const std::int64_t time = kNoon + i * 30'000LL;
    ASSERT_TRUE(store_scan(*store_, meta_of(i, time), population.at(time, false)));
    population.step(200, 1, 0);
  }
  const double per_process = static_cast<double>(size()) / (400.0 * 1000);
  RecordProperty("bytes_per_process_and_scan", std::to_string(per_process));
  std::printf("%.2f bytes per process and scan\n", per_process);
  EXPECT_LE(per_process, 10.0);
}

}  // namespace
}  // namespace de::store
