// Readers on other threads see whole scans while the writer writes, and may be inside a day that is removed.
#include <atomic>
#include <thread>

#include "store_fixture.h"

namespace de::store {
namespace {

TEST_F(StoreTest, ReadersAreNotDisturbedByWritesAndRemovals) {
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> rows = 0;
  std::atomic<int> failures = 0;
  const auto read = [&] {
    while (!done) {
      std::map<std::uint64_t, int> per_scan;
      const auto scans = store_->read_scans(0, INT64_MAX, [&](const ScanMeta& meta, const pb::ProcessRecord& record) {
        ++per_scan[meta.scan_id];
        if (record.name().empty()) ++failures;
        return true;
      });
      if (!scans || !store_->stats() || !store_->list_alerts({}) ||
          !store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; }))
        ++failures;
      for (const auto& [id, count] : per_scan)
        if (count != 20) ++failures;  // Half a scan.
      rows += scans ? scans->rows : 0;
    }
  };
  std::thread first(read), second(read);
  std::uint64_t removed = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    clock_.now_ms += kDay / 4;
    std::vector<pb::ProcessRecord> records;
    for (std::uint32_t n = 0; n < 20; ++n)
      records.push_back(process(n + static_cast<std::uint32_t>(i), clock_.now_ms, static_cast<std::uint32_t>(i)));
    EXPECT_TRUE(store_scan(*store_, meta_of(i, clock_.now_ms), records));
    EXPECT_TRUE(store_->append_events("c", "s", events(i * 10 + 1, i * 10 + 10, clock_.now_ms)));
    pb::Alert a = alert("alert-" + std::to_string(i));
    EXPECT_TRUE(store_->put_alert(a, {}, 0));
    if (i % 20 == 19) clock_.now_ms += 31 * kDay;
    const auto gone = store_->enforce_retention();
    ASSERT_TRUE(gone) << gone.error().message();
    removed += gone->size();
  }
  done = true;
  first.join();
  second.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(rows, 0u);
  EXPECT_GE(removed, 10u);
}

}  // namespace
}  // namespace de::store
