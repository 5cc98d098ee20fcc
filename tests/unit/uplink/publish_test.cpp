// What procmond sends: the greeting, spooled events until they are acknowledged, snapshots in order, heartbeats.
#include "broker_fixture.h"

namespace de::uplink {
namespace {

using PublishTest = BrokerTest;

// Serialised chunks 0..count-1 of a scan, as the monitor makes them.
std::deque<std::string> snapshot(std::uint64_t scan_id, std::uint32_t count) {
  std::deque<std::string> chunks;
  for (std::uint32_t i = 0; i < count; ++i) {
    pb::Envelope message;
    message.mutable_publish()->mutable_snapshot()->set_scan_id(scan_id);
    message.mutable_publish()->mutable_snapshot()->set_chunk(i);
    message.mutable_publish()->mutable_snapshot()->set_last(i + 1 == count);
    chunks.push_back(message.SerializeAsString());
  }
  return chunks;
}

// "7/0" for chunk 0 of scan 7, "1-256" for events.
std::string name_of(const Result<pb::Envelope>& message) {
  if (!message) return message.error().message();
  if (!message->publish().has_snapshot()) return sequences(*message);
  const pb::SnapshotChunk& chunk = message->publish().snapshot();
  return std::to_string(chunk.scan_id()) + "/" + std::to_string(chunk.chunk());
}

TEST_F(PublishTest, HelloComesFirstAndSaysWhoWeAre) {
  options_.spawn_token = "token-of-this-start";
  add_events(3);
  start();
  const pb::Hello hello = accept_hello();
  EXPECT_EQ(hello.protocol_major(), 1u);
  EXPECT_EQ(hello.collector_id(), "procmond");
  EXPECT_EQ(hello.collector_type(), "process");
  EXPECT_EQ(hello.boot_id(), "boot-1");
  EXPECT_EQ(hello.hostname(), "host-1");
  EXPECT_EQ(hello.pid(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(hello.spawn_token(), "token-of-this-start");
  EXPECT_EQ(hello.spool_id(), spool_->spool_id());
  EXPECT_EQ(hello.last_sequence(), 3u);
  EXPECT_FALSE(next_if_ready());
}

TEST_F(PublishTest, NothingIsPublishedBeforeBegin) {
  add_events(3);
  start();
  accept_hello();
  welcome();
  settle();
  EXPECT_FALSE(uplink_->wants_snapshots());
  EXPECT_FALSE(next_if_ready());
  EXPECT_EQ(uplink_->counts().sessions, 1u);
}

TEST_F(PublishTest, BeginAsksForAScanAndSendsWhatWaits) {
  add_events(3);
  start();
  monitor();
  EXPECT_EQ(scans_asked_, 1);
  const auto message = next();
  ASSERT_TRUE(message);
  EXPECT_EQ(sequences(*message), "1-3");
  EXPECT_EQ(message->publish().topic(), "events.process.batch");
  add_events(2);
  EXPECT_EQ(name_of(next()), "4-5");
}

TEST_F(PublishTest, NoMoreMessagesThanCredits) {
  add_events(600);
  start();
  monitor(2);
  EXPECT_EQ(name_of(next()), "1-256");
  EXPECT_EQ(name_of(next()), "257-512");
  EXPECT_FALSE(next_if_ready());
}

TEST_F(PublishTest, ACreditLetsOneMoreThrough) {
  add_events(600);
  start();
  monitor(0);
  settle();
  EXPECT_EQ(uplink_->counts().events_sent, 0u);
  credit(1);
  EXPECT_EQ(name_of(next()), "1-256");
  settle();
  EXPECT_EQ(uplink_->counts().events_sent, 256u);
  credit(2);
  EXPECT_EQ(name_of(next()), "257-512");
  EXPECT_EQ(name_of(next()), "513-600");
  EXPECT_EQ(uplink_->counts().events_sent, 600u);
}

TEST_F(PublishTest, EventsAreKeptUntilTheyAreAcknowledged) {
  add_events(300);
  start();
  monitor();
  EXPECT_EQ(name_of(next()), "1-256");
  EXPECT_EQ(name_of(next()), "257-300");
  EXPECT_EQ(spool_->acked_sequence(), 0u);
  pb::Envelope ack;
  ack.mutable_ack()->set_sequence(256);
  say(ack);
  drive([this] { return spool_->acked_sequence() != 0; });
  EXPECT_EQ(spool_->acked_sequence(), 256u);
}

TEST_F(PublishTest, ABrokenSessionSendsAgainWhatWasNotAcknowledged) {
  add_events(300);
  start();
  monitor();
  EXPECT_EQ(name_of(next()), "1-256");
  EXPECT_EQ(name_of(next()), "257-300");
  pb::Envelope ack;
  ack.mutable_ack()->set_sequence(100);
  say(ack);
  drive([this] { return spool_->acked_sequence() != 0; });
  peer_.close();

  monitor(64, 100);
  EXPECT_EQ(name_of(next()), "101-300");
  EXPECT_EQ(uplink_->counts().sessions, 2u);
  EXPECT_EQ(uplink_->counts().violations, 0u);
}

TEST_F(PublishTest, WelcomeAcknowledgesWhatTheLostAckWouldHave) {
  add_events(300);
  start();
  monitor(64, 256);
  EXPECT_EQ(name_of(next()), "257-300");
  EXPECT_EQ(spool_->acked_sequence(), 256u);
}

TEST_F(PublishTest, AnAgentThatForgotGetsOnlyWhatIsStillThere) {
  add_events(10);
  ASSERT_TRUE(spool_->acknowledge(10));
  add_events(5);
  start();
  monitor(64, 0);
  EXPECT_EQ(name_of(next()), "11-15");
}

TEST_F(PublishTest, ChunksOfASnapshotLeaveInOrderAsCreditsAllow) {
  start();
  monitor(1);
  uplink_->offer_snapshot(snapshot(7, 3));
  EXPECT_EQ(name_of(next()), "7/0");
  settle();
  EXPECT_EQ(uplink_->counts().chunks_sent, 1u);
  credit(1);
  EXPECT_EQ(name_of(next()), "7/1");
  credit(1);
  EXPECT_EQ(name_of(next()), "7/2");
  EXPECT_EQ(uplink_->counts().chunks_sent, 3u);
}

TEST_F(PublishTest, EventsGoBeforeTheRestOfASnapshot) {
  start();
  monitor(1);
  uplink_->offer_snapshot(snapshot(7, 2));
  EXPECT_EQ(name_of(next()), "7/0");
  add_events(2);
  credit(2);
  EXPECT_EQ(name_of(next()), "1-2");
  EXPECT_EQ(name_of(next()), "7/1");
}

TEST_F(PublishTest, ASnapshotThatHasBegunIsFinishedBeforeTheNewest) {
  start();
  monitor(1);
  uplink_->offer_snapshot(snapshot(1, 2));
  EXPECT_EQ(name_of(next()), "1/0");
  uplink_->offer_snapshot(snapshot(2, 1));
  uplink_->offer_snapshot(snapshot(3, 2));
  credit(3);
  EXPECT_EQ(name_of(next()), "1/1");
  EXPECT_EQ(name_of(next()), "3/0");
  EXPECT_EQ(name_of(next()), "3/1");
  EXPECT_EQ(uplink_->counts().snapshots_replaced, 1u);
}

TEST_F(PublishTest, ASnapshotThatHasNotBegunIsReplaced) {
  start();
  monitor(0);
  uplink_->offer_snapshot(snapshot(1, 2));
  settle();
  uplink_->offer_snapshot(snapshot(2, 2));
  credit(4);
  EXPECT_EQ(name_of(next()), "2/0");
  EXPECT_EQ(name_of(next()), "2/1");
  EXPECT_FALSE(next_if_ready());
  EXPECT_EQ(uplink_->counts().snapshots_replaced, 1u);
}

TEST_F(PublishTest, AnUnfinishedSnapshotDoesNotGoOnInTheNextSession) {
  start();
  monitor(1);
  uplink_->offer_snapshot(snapshot(1, 2));
  EXPECT_EQ(name_of(next()), "1/0");
  peer_.close();
  monitor();
  uplink_->offer_snapshot(snapshot(2, 1));
  EXPECT_EQ(name_of(next()), "2/0");
}

TEST_F(PublishTest, HeartbeatsComeAtTheIntervalOfWelcome) {
  hooks_.fill_heartbeat = [](pb::Heartbeat& beat) {
    beat.set_status("disk is slow");
    (*beat.mutable_counters())["scans"] = 4;
  };
  start();
  accept_hello();
  welcome();
  const auto first = next_any();
  ASSERT_TRUE(first && first->has_heartbeat());
  EXPECT_EQ(first->heartbeat().time_ms(), clock_.now_ms);
  EXPECT_EQ(first->heartbeat().status(), "disk is slow");
  EXPECT_EQ(first->heartbeat().counters().at("scans"), 4u);
  clock_.now_ms += 10'000;
  uplink_->wake();
  const auto second = next_any();
  ASSERT_TRUE(second && second->has_heartbeat());
  EXPECT_EQ(second->heartbeat().time_ms(), clock_.now_ms);
  clock_.now_ms += 9'999;
  uplink_->wake();
  EXPECT_FALSE(next_if_ready());
}

TEST_F(PublishTest, StopSaysGoodbyeAndEnds) {
  start();
  monitor();
  uplink_->stop();
  const auto message = next();
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->has_goodbye());
  EXPECT_EQ(end_of_session(), Errc::Closed);
  drive([this] { return !running_; });
  EXPECT_FALSE(running_);
}

TEST_F(PublishTest, AServerOfAnotherUserGetsNotOneByte) {
  options_.agent_uids = {::geteuid() + 1};
  start();
  accept();
  const auto message = next_any();
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code(), Errc::Closed);
  EXPECT_EQ(uplink_->counts().refused, 1u);
  EXPECT_EQ(uplink_->counts().sessions, 0u);
  const auto lines = ledger_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].action, "agent.refused");
  EXPECT_EQ(lines[0].payload, "{\"uid\":" + std::to_string(::geteuid()) + "}");
}

TEST_F(PublishTest, RefusedByTheAgentIsCountedAndTriedAgain) {
  start();
  accept_hello();
  pb::Envelope refusal;
  refusal.mutable_refusal()->set_reason("procmond is connected already");
  say(refusal);
  EXPECT_EQ(end_of_session(), Errc::Closed);
  EXPECT_EQ(uplink_->counts().refused, 1u);
  EXPECT_EQ(uplink_->counts().violations, 0u);
  monitor();
  EXPECT_EQ(uplink_->counts().sessions, 1u);
}

}  // namespace
}  // namespace de::uplink
