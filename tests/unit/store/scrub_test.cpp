// A day whose pages were damaged one after the other: either looking through it tells, or the damage harms nobody.
#include "store/scrub.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "store_fixture.h"

namespace de::store {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kFlagsAt = 10, kLowerAt = 12, kHeaderBytes = 16;  // MDB_page
constexpr std::uint16_t kBranchOrLeaf = 0x03;

class ScrubTest : public StoreTest {
 protected:
  void fill(std::uint64_t first) {
    for (std::uint64_t batch = 0; batch < 6; ++batch) {
      pb::EventBatch events;
      for (std::uint64_t i = 0; i < 50; ++i) {
        pb::ProcessEvent& event = *events.add_events();
        const std::uint64_t number = first + batch * 50 + i;
        event.set_sequence(number);
        event.set_event_type(pb::EVENT_TYPE_START);
        event.set_event_time_ms(kNoon + static_cast<std::int64_t>(number));
        event.mutable_process()->set_pid(static_cast<std::uint32_t>(number));
        event.mutable_process()->set_process_uid(uid_of(static_cast<std::uint32_t>(number)));
        event.mutable_process()->set_name("name-" + std::to_string(number % 7));
      }
      ASSERT_TRUE(store_->append_events("procmond", "spool", events));
      ScanMeta meta;
      meta.scan_id = first + batch;
      meta.time_ms = kNoon + static_cast<std::int64_t>(first + batch);
      meta.collector = "procmond";
      ASSERT_TRUE(store_->begin_scan(meta));
      for (std::uint32_t n = 0; n < 60; ++n) {
        pb::ProcessRecord record;
        record.set_pid(n + 1);
        record.set_process_uid(uid_of(static_cast<std::uint32_t>(first + batch) * 100 + n));
        record.set_name("process-" + std::to_string(n));
        ASSERT_TRUE(store_->add(record, record.SerializeAsString()));
      }
      ASSERT_TRUE(store_->finish_scan());
    }
  }
  std::string day() const { return dir_ / "store/2026-01-02"; }
};

TEST_F(ScrubTest, APageThatLooksEmptyIsFoundOrHarmsNobody) {
  fill(1);
  store_.reset();
  const std::string file = day() + "/data.mdb";
  const std::string whole = test::read_text(file);
  ASSERT_TRUE(scrub(day(), 10));
  std::size_t looked_empty = 0, found = 0;
  for (std::size_t at = 2 * kPage; at + kPage <= whole.size(); at += kPage) {
    std::uint16_t flags = 0;
    std::memcpy(&flags, whole.data() + at + kFlagsAt, sizeof flags);
    if ((flags & kBranchOrLeaf) == 0) continue;
    std::string damaged = whole;
    const std::uint16_t lower = kHeaderBytes;
    std::memcpy(damaged.data() + at + kLowerAt, &lower, sizeof lower);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged;
    ++looked_empty;
    if (!scrub(day(), 10)) {
      ++found;
      continue;
    }
    // Not part of any table: then it can be written over.
    const pid_t child = ::fork();
    if (child == 0) {
      open();
      fill(1'000);
      ::_exit(HasFatalFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "page " << at / kPage;
    std::filesystem::remove_all(dir_ / "store/state");
  }
  EXPECT_GT(found, 5U);
  EXPECT_GT(looked_empty, found) << "some pages are free";
}

}  // namespace
}  // namespace de::store
