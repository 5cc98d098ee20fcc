// Events and gaps: acknowledged once they are on the disk, stored once, and nothing missing without a record of it.
#include "intake_fixture.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using EventsTest = IntakeTest;

TEST_F(EventsTest, WhatWasAcknowledgedIsThereAfterARestart) {
  EXPECT_EQ(acked(events(1, 3)), 3u);
  open();
  EXPECT_THAT(stored_sequences(), ElementsAre(1, 2, 3));
  EXPECT_EQ(store_->acked_sequence("procmond", "spool"), 3u);
}

TEST_F(EventsTest, RepeatedEventsAreStoredOnceAndAcknowledgedAgain) {
  EXPECT_EQ(acked(events(1, 3)), 3u);
  EXPECT_EQ(acked(events(1, 3)), 3u);
  EXPECT_EQ(acked(events(2, 5)), 5u);
  EXPECT_EQ(acked(events(1, 1)), 5u);
  EXPECT_THAT(stored_sequences(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(intake_->counts().events_duplicate, 6u);
  EXPECT_THAT(reason_names(), IsEmpty());
  books_balance();
}

TEST_F(EventsTest, RepeatsAreKnownAfterARestartToo) {
  EXPECT_EQ(acked(events(1, 3)), 3u);
  open();
  EXPECT_EQ(acked(events(2, 4)), 4u);
  EXPECT_THAT(stored_sequences(), ElementsAre(1, 2, 3, 4));
}

TEST_F(EventsTest, ANewSpoolAndAnotherCollectorCountForThemselves) {
  EXPECT_EQ(acked(events(1, 2)), 2u);
  EXPECT_EQ(publish(events(1, 1), "procmond", "spool-2").value(), 1u);
  EXPECT_EQ(publish(events(1, 1), "other", "spool").value(), 1u);
  EXPECT_EQ(stored_sequences().size(), 4u);
  EXPECT_EQ(intake_->counts().events_duplicate, 0u);
}

TEST_F(EventsTest, AJumpBecomesAGapRecordAndDegradesAnswersForAnHour) {
  EXPECT_EQ(acked(events(1, 2)), 2u);
  EXPECT_EQ(acked(events(6, 7)), 7u);
  EXPECT_THAT(stored_sequences(), ElementsAre(1, 2, 6, 7));
  const auto gaps = store_->list_gaps(kFirstMs, kLastMs);
  ASSERT_TRUE(gaps);
  ASSERT_EQ(gaps->size(), 1u);
  EXPECT_EQ((*gaps)[0].collector, "procmond");
  EXPECT_EQ((*gaps)[0].gap.first_sequence(), 3u);
  EXPECT_EQ((*gaps)[0].gap.last_sequence(), 5u);
  EXPECT_EQ(intake_->counts().events_lost, 3u);
  ASSERT_THAT(reason_names(), ElementsAre("SequenceGap"));
  EXPECT_EQ(intake_->reasons()[0].collector(), "procmond");
  EXPECT_THAT(intake_->reasons()[0].detail(), HasSubstr("3 to 5"));
  clock_.now_ms += 3'600'000;
  EXPECT_THAT(reason_names(), IsEmpty());
}

TEST_F(EventsTest, AJumpInsideABatchIsSeenToo) {
  pb::Publish message = events(1, 4);
  message.mutable_events()->mutable_events()->DeleteSubrange(1, 2);
  EXPECT_EQ(acked(message), 4u);
  EXPECT_EQ(intake_->counts().events_lost, 2u);
  EXPECT_EQ(store_->list_gaps(kFirstMs, kLastMs)->size(), 1u);
}

TEST_F(EventsTest, AReportedGapIsRecordedAcknowledgedAndCountedOnce) {
  EXPECT_EQ(acked(events(1, 2)), 2u);
  EXPECT_EQ(acked(gap(3, 10)), 10u);
  EXPECT_EQ(acked(gap(3, 10)), 10u);
  EXPECT_EQ(acked(events(11, 11)), 11u);
  EXPECT_EQ(intake_->counts().events_lost, 8u);
  EXPECT_EQ(store_->list_gaps(kFirstMs, kLastMs)->size(), 1u);
  ASSERT_THAT(reason_names(), ElementsAre("EventsShed"));
  EXPECT_THAT(intake_->reasons()[0].detail(), HasSubstr("size cap"));
}

TEST_F(EventsTest, ARestartedAgentRemembersTheGapsOfTheLastHour) {
  EXPECT_EQ(acked(gap(1, 10)), 10u);
  clock_.now_ms += 3'000'000;
  open();
  EXPECT_THAT(reason_names(), IsEmpty());
  ASSERT_TRUE(intake_->recall_gaps());
  EXPECT_THAT(reason_names(), ElementsAre("EventsShed"));
  clock_.now_ms += 700'000;
  EXPECT_THAT(reason_names(), IsEmpty());
}

TEST_F(EventsTest, ManyGapsAreAllRecordedButReasonsStayFew) {
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(acked(gap(2 * i + 1, 2 * i + 1)), 2 * i + 1);
  EXPECT_EQ(intake_->counts().events_lost, 79u - 39u + 0u);
  EXPECT_EQ(store_->list_gaps(kFirstMs, kLastMs)->size(), 40u);
  EXPECT_LE(intake_->reasons().size(), 16u);
}

TEST_F(EventsTest, WhatMakesNoSenseIsTheCollectorsFaultAndStoresNothing) {
  EXPECT_EQ(refused(pb::Publish()), Errc::Corrupt);
  EXPECT_EQ(refused(gap(0, 5)), Errc::Corrupt);
  EXPECT_EQ(refused(gap(5, 4)), Errc::Corrupt);
  EXPECT_EQ(refused(events(0, 1)), Errc::Invalid);
  EXPECT_THAT(stored_sequences(), IsEmpty());
  EXPECT_TRUE(store_->list_gaps(kFirstMs, kLastMs)->empty());
  EXPECT_EQ(store_->acked_sequence("procmond", "spool"), 0u);
  EXPECT_EQ(acked(events(1, 1)), 1u);
}

TEST_F(EventsTest, HighestNumbersDoNotWrapAround) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(acked(gap(1, kMost - 1)), kMost - 1);
  EXPECT_EQ(intake_->counts().events_lost, kMost - 1);
  EXPECT_EQ(acked(events(kMost - 3, kMost - 2)), kMost - 1);
  EXPECT_THAT(stored_sequences(), IsEmpty());
  EXPECT_EQ(store_->acked_sequence("procmond", "spool"), kMost - 1);
}

TEST_F(EventsTest, HostileContentIsStoredByteForByte) {
  pb::Publish message = events(1, 1);
  pb::ProcessEvent& event = *message.mutable_events()->mutable_events(0);
  const std::string junk("\xff\xfe\x00\n'\";DROP TABLE processes;--\xc3(", 30);
  event.mutable_process()->set_name(junk);
  event.mutable_process()->set_executable_path(std::string(5000, '/') + junk);
  for (int i = 0; i < 200; ++i) event.mutable_process()->add_command_line(junk);
  event.mutable_process()->set_memory_usage(std::numeric_limits<std::uint64_t>::max());
  event.mutable_process()->set_cpu_usage(std::numeric_limits<double>::infinity());
  event.mutable_process()->set_start_time_ms(kFirstMs);
  event.set_event_type(static_cast<pb::EventType>(99));
  event.set_parent_name(junk);
  EXPECT_EQ(acked(message), 1u);
  open();
  std::vector<pb::ProcessEvent> back;
  ASSERT_TRUE(store_->read_events(kFirstMs, kLastMs, [&](std::string_view, const pb::ProcessEvent& stored) {
    back.push_back(stored);
    return true;
  }));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].SerializeAsString(), event.SerializeAsString());
}

TEST_F(EventsTest, AbsurdTimesFillNoDirectoryAndLoseNoEvent) {
  pb::Publish message = events(1, 200);
  for (int i = 0; i < 200; ++i)
    message.mutable_events()->mutable_events(i)->set_event_time_ms(i == 0   ? kFirstMs
                                                                   : i == 1 ? kLastMs
                                                                            : kNoon + (i - 100) * 86'400'000'000LL);
  EXPECT_EQ(acked(message), 200u);
  EXPECT_EQ(stored_sequences().size(), 200u);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir_ + "/store")) ++entries;
  EXPECT_LT(entries, 10u);
}

}  // namespace
}  // namespace de::ingest
