// Snapshots: chunks in order, committed before anybody sees them, bad records named and left out.
#include "intake_fixture.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using SnapshotTest = IntakeTest;

TEST_F(SnapshotTest, IsSeenWholeAndOnlyAfterItsCommit) {
  EXPECT_EQ(acked(chunk(7, 0, false, {process(1), process(2)})), 0u);
  EXPECT_EQ(image_rows(), -1);
  EXPECT_EQ(acked(chunk(7, 1, true, {process(3)}, 3)), 0u);
  EXPECT_EQ(image_rows(), 3);
  EXPECT_THAT(scans_when_published_, ElementsAre(7));
  EXPECT_EQ(intake_->counts().scans, 1u);
  EXPECT_THAT(reason_names(), IsEmpty());
  books_balance();
  open();
  EXPECT_THAT(stored_scans(), ElementsAre(7));
}

TEST_F(SnapshotTest, TheNextOneReplacesIt) {
  acked(chunk(1, 0, true, {process(1), process(2)}, 2));
  clock_.now_ms += 30'000;
  acked(chunk(2, 0, true, {process(2), process(3), process(4)}, 3));
  EXPECT_EQ(image_rows(), 3);
  EXPECT_EQ(image_rows("pid = 1"), 0);
  EXPECT_THAT(stored_scans(), ElementsAre(1, 2));
}

TEST_F(SnapshotTest, ChunksOutOfOrderAreTheCollectorsFault) {
  acked(chunk(1, 0, true, {process(1)}, 1));
  EXPECT_EQ(refused(chunk(2, 1, true, {process(2)})), Errc::Corrupt);  // None is open.
  acked(chunk(2, 0, false, {process(2)}));
  EXPECT_EQ(refused(chunk(2, 2, true, {process(3)})), Errc::Corrupt);
  EXPECT_EQ(refused(chunk(3, 1, true, {process(3)})), Errc::Corrupt);
  EXPECT_EQ(refused(chunk(2, 1, true, {process(3)}), "other"), Errc::Corrupt);
  EXPECT_EQ(refused(chunk(2, std::numeric_limits<std::uint32_t>::max(), true, {})), Errc::Corrupt);
  EXPECT_EQ(image_rows("pid = 1"), 1);
  EXPECT_THAT(stored_scans(), ElementsAre(1));
}

TEST_F(SnapshotTest, ARepeatedChunkIsOutOfOrder) {
  acked(chunk(2, 0, false, {process(1)}));
  acked(chunk(2, 1, false, {process(2)}));
  EXPECT_EQ(refused(chunk(2, 1, false, {process(2)})), Errc::Corrupt);
}

TEST_F(SnapshotTest, ANewFirstChunkDropsTheUnfinishedSnapshot) {
  acked(chunk(1, 0, false, {process(1), process(2)}));
  acked(chunk(2, 0, true, {process(3)}, 1));
  EXPECT_EQ(image_rows(), 1);
  EXPECT_EQ(image_rows("pid = 3"), 1);
  EXPECT_THAT(stored_scans(), ElementsAre(2));
  EXPECT_EQ(intake_->counts().scans_abandoned, 1u);
}

TEST_F(SnapshotTest, OneThatIsAbandonedLeavesNoTrace) {
  acked(chunk(1, 0, true, {process(1)}, 1));
  acked(chunk(2, 0, false, {process(2)}));
  ASSERT_TRUE(run(intake_->abandon("procmond")));
  EXPECT_EQ(intake_->counts().scans_abandoned, 1u);
  EXPECT_EQ(refused(chunk(2, 1, true, {process(3)})), Errc::Corrupt);
  clock_.now_ms += 1;
  acked(chunk(3, 0, true, {process(1), process(4)}, 2));
  EXPECT_EQ(image_rows(), 2);
  EXPECT_THAT(stored_scans(), ElementsAre(1, 3));
}

TEST_F(SnapshotTest, AnotherCollectorNeitherMixesInNorDropsIt) {
  acked(chunk(1, 0, false, {process(1)}));
  EXPECT_EQ(refused(chunk(1, 0, true, {process(9)}), "other"), Errc::Conflict);
  ASSERT_TRUE(run(intake_->abandon("other")));
  acked(chunk(1, 1, true, {process(2)}, 2));
  EXPECT_EQ(image_rows(), 2);
  EXPECT_EQ(image_rows("pid = 9"), 0);
}

TEST_F(SnapshotTest, RecordsThatCannotBeStoredAreLeftOutCountedAndSaid) {
  pb::ProcessRecord nameless = process(2);
  nameless.clear_process_uid();
  pb::ProcessRecord short_uid = process(3);
  short_uid.set_process_uid("short");
  acked(chunk(1, 0, true, {process(1), nameless, short_uid, process(1), process(4)}, 5));
  EXPECT_EQ(image_rows(), 2);
  EXPECT_EQ(intake_->counts().records_received, 5u);
  EXPECT_EQ(intake_->counts().records_stored, 2u);
  EXPECT_EQ(intake_->counts().records_rejected, 3u);
  ASSERT_THAT(reason_names(), ElementsAre("IngestFailed"));
  EXPECT_THAT(intake_->reasons()[0].detail(), HasSubstr("3 records"));
  clock_.now_ms += 1;
  acked(chunk(2, 0, true, {process(1)}, 1));
  EXPECT_THAT(reason_names(), IsEmpty());
}

TEST_F(SnapshotTest, ASummaryThatDoesNotAddUpDegradesAnswers) {
  acked(chunk(1, 0, true, {process(1)}, 100));
  ASSERT_THAT(reason_names(), ElementsAre("SequenceGap"));
  EXPECT_THAT(intake_->reasons()[0].detail(), HasSubstr("100"));
  EXPECT_EQ(image_rows(), 1);
}

TEST_F(SnapshotTest, AFailureOfOursInTheMiddleIsNotTheCollectorsFault) {
  ASSERT_TRUE(mirror_->begin_scan(99, kNoon));  // Stands in for memory or disk that is missing at the first chunk.
  acked(chunk(1, 0, false, {process(1)}));
  ASSERT_EQ(reason_names().size(), 1u);
  acked(chunk(1, 1, false, {process(2)}));  // Was under way already.
  acked(chunk(1, 2, true, {process(3)}, 3));
  EXPECT_EQ(image_rows(), -1);
  acked(chunk(2, 0, true, {process(1)}, 1));
  EXPECT_EQ(image_rows(), 1);
  EXPECT_THAT(reason_names(), IsEmpty());
}

TEST_F(SnapshotTest, AnEmptySnapshotIsOne) {
  acked(chunk(1, 0, true, {process(1)}, 1));
  clock_.now_ms += 1;
  acked(chunk(2, 0, true, {}, 0));
  EXPECT_EQ(image_rows(), 0);
}

// Every field at its most hostile: the snapshot is kept, the store gives it back as it was, SQL can look at it.
TEST_F(SnapshotTest, HostileRecordsAreKeptAndQueryable) {
  const std::string junk("\xff\xfe\x00\n'\";DROP TABLE processes;--\xc3(", 30);
  pb::ProcessRecord hostile = process(1);
  hostile.set_name(junk);
  hostile.set_executable_path(junk);
  hostile.set_cwd(std::string(70'000, '\xff'));
  for (int i = 0; i < 2000; ++i) hostile.add_command_line(std::string(1000, static_cast<char>(i)));
  hostile.set_executable_hash("not a hash");
  hostile.set_user_id("999999999999999999999999");
  hostile.set_cpu_usage(std::numeric_limits<double>::quiet_NaN());
  hostile.set_memory_usage(std::numeric_limits<std::uint64_t>::max());
  hostile.set_start_time_ms(kFirstMs);
  hostile.set_collection_time_ms(kLastMs);
  hostile.set_boot_time_ms(-1);
  hostile.set_nice(std::numeric_limits<std::int32_t>::min());
  hostile.set_on_disk_state(static_cast<pb::OnDiskState>(77));
  hostile.set_source(static_cast<pb::RecordSource>(-5));
  hostile.set_parent_uid("x");
  hostile.set_cap_effective(std::numeric_limits<std::uint64_t>::max());
  pb::ProcessRecord huge = process(std::numeric_limits<std::uint32_t>::max());
  huge.set_cgroup(std::string(3u << 20, 'c'));
  acked(chunk(1, 0, true, {hostile, huge, process(2)}, 3));
  EXPECT_EQ(image_rows(), 3);
  EXPECT_EQ(image_rows("pid = 1 AND argc = 2000 AND uid IS NULL AND on_disk_state = 'unknown'"), 1);
  EXPECT_EQ(image_rows("pid = 4294967295 AND length(cgroup) > 0"), 1);
  EXPECT_EQ(image_rows("name REGEXP 'DROP' OR name LIKE '%drop%'"), 1);
  books_balance();
  open();
  std::vector<pb::ProcessRecord> back;
  ASSERT_TRUE(store_->read_scans(kFirstMs, kLastMs, [&](const store::ScanMeta&, const pb::ProcessRecord& record) {
    if (record.pid() == 1) back.push_back(record);
    return true;
  }));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].SerializeAsString(), hostile.SerializeAsString());
}

TEST_F(SnapshotTest, AbsurdScanTimesEndNothingButThemselves) {
  for (const std::int64_t time_ms : {kFirstMs, kLastMs, std::int64_t{-1}, std::int64_t{0}}) {
    pb::Publish message = chunk(1, 0, true, {process(1)}, 1);
    message.mutable_snapshot()->set_scan_time_ms(time_ms);
    (void)publish(message);  // Whether it is taken or refused, the next one is taken.
  }
  acked(chunk(9, 0, true, {process(1), process(2)}, 2));
  EXPECT_EQ(image_rows(), 2);
  EXPECT_TRUE(stored_scans().contains(9));
}

}  // namespace
}  // namespace de::ingest
