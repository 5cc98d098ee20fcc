// An admitted collector: what it publishes is acknowledged after the commit, and what breaks the protocol ends its
// session and nobody else's.
#include <thread>

#include "session_fixture.h"

namespace de::bus {
namespace {

TEST_F(SessionTest, NothingIsAcknowledgedBeforeTheCommit) {
  Played& collector = admit("procmond");
  held_ = true;
  say(collector, events(1, 3));
  drive([this] { return !commits_.empty(); });
  EXPECT_FALSE(has_answer(collector));
}

TEST_F(SessionTest, AcknowledgesAndGivesTheCreditBackAfterTheCommit) {
  Played& collector = admit("procmond");
  say(collector, events(1, 3));
  EXPECT_EQ(next(collector)->ack().sequence(), 3u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].collector, "procmond");
}

TEST_F(SessionTest, AnotherIntervalIsToldOnlyToWhoHasBegun) {
  Played& collector = admit("procmond", false);
  collector.session->adjust(7'000);
  collector.session->begin(5'000);
  EXPECT_EQ(next(collector)->begin().scan_interval_ms(), 5'000u) << "something came before Begin";
  collector.session->adjust(9'000);
  EXPECT_EQ(next(collector)->adjust_interval().scan_interval_ms(), 9'000u);
}

TEST_F(SessionTest, WhatHasNoSequenceGivesItsCreditBackWithoutAck) {
  Played& collector = admit("procmond");
  pb::Envelope chunk;
  chunk.mutable_publish()->mutable_snapshot()->set_scan_id(1);
  say(collector, chunk);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
}

TEST_F(SessionTest, EventsThatWaitAreCommittedTogetherAndInOrder) {
  Played& collector = admit("procmond");
  held_ = true;
  say(collector, events(1, 1));
  drive([this] { return !commits_.empty(); });
  say(collector, events(2, 3));
  say(collector, events(4, 4));
  pb::Envelope gap;
  gap.mutable_publish()->mutable_gap()->set_first_sequence(5);
  say(collector, gap);
  say(collector, events(6, 6));
  settle();
  release();
  EXPECT_EQ(next(collector)->ack().sequence(), 1u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  EXPECT_EQ(next(collector)->ack().sequence(), 4u);
  EXPECT_EQ(next(collector)->credit().messages(), 2u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  EXPECT_EQ(next(collector)->ack().sequence(), 6u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  ASSERT_EQ(commits_.size(), 4u);
  const auto& together = commits_[1].publish.events().events();
  ASSERT_EQ(together.size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(together[i].sequence(), static_cast<std::uint64_t>(i + 2));
  EXPECT_TRUE(commits_[2].publish.has_gap());
}

TEST_F(SessionTest, EventsAreHandedOnAtOnceAndCommittedWithThoseThatFollow) {
  consumers_.commit_delay_ms = 20;
  Played& collector = admit("procmond");
  say(collector, events(1, 3));
  drive([this] { return arrived_.size() == 3; });
  clock_.now_ms += 19;
  say(collector, events(4, 4));
  drive([this] { return arrived_.size() == 4; });
  EXPECT_EQ(arrived_.back(), "spool-procmond 4");
  EXPECT_TRUE(commits_.empty());
  clock_.now_ms += 1;
  EXPECT_EQ(next(collector)->ack().sequence(), 4u);
  EXPECT_EQ(next(collector)->credit().messages(), 2u);
  ASSERT_EQ(commits_.size(), 1u);
}

TEST_F(SessionTest, WhatFollowsEventsOrFillsTheInboxEndsTheirWait) {
  consumers_.commit_delay_ms = 1'000'000;
  Played& collector = admit("procmond");
  say(collector, events(1, 3));
  pb::Envelope gap;
  gap.mutable_publish()->mutable_gap()->set_first_sequence(4);
  say(collector, gap);
  EXPECT_EQ(next(collector)->ack().sequence(), 3u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  EXPECT_EQ(next(collector)->credit().messages(), 1u);
  for (std::uint64_t i = 5; i < 5 + kCredits * 3 / 4; ++i) say(collector, events(i, i));
  EXPECT_EQ(next(collector)->ack().sequence(), 4 + kCredits * 3 / 4);
  say(collector, events(100, 101));
  drive([this] { return arrived_.back() == "spool-procmond 101"; });
  collector.end.close();
  drive([&] { return collector.ended.has_value(); });
  EXPECT_EQ(commits_.back().publish.events().events(0).sequence(), 100u) << "what was read is committed";
}

TEST_F(SessionTest, WhatSomebodyAsksForDoesNotWaitForCompany) {
  consumers_.commit_delay_ms = 1'000'000;
  Played& played = admit("a");
  say(played, events(1, 3));
  drive([&] { return arrived_.size() == 3; });
  settle();
  EXPECT_TRUE(commits_.empty());
  EXPECT_TRUE(run(played.session->settle()));
  ASSERT_EQ(commits_.size(), 1u);
  EXPECT_EQ(commits_[0].publish.events().events_size(), 3);
  EXPECT_TRUE(run(played.session->settle())) << "nothing to wait for";
  say(played, events(4, 4));
  drive([&] { return arrived_.size() == 4; });
  settle();
  EXPECT_EQ(commits_.size(), 1u) << "what came later waits again";
}

TEST_F(SessionTest, WhoeverAsksWaitsForTheCommitAndNotForOneThatFails) {
  consumers_.commit_delay_ms = 1'000'000;
  Played& played = admit("a");
  say(played, events(1, 3));
  drive([&] { return arrived_.size() == 3; });
  held_ = true;
  bool is_settled = false;
  boost::asio::co_spawn(io_, played.session->settle(),
                        [&](const std::exception_ptr&, const Result<>&) { is_settled = true; });
  drive([&] { return !commits_.empty(); });
  std::this_thread::sleep_for(20ms);
  settle();
  EXPECT_FALSE(is_settled);
  commit_error_ = Errc::Exhausted;  // The disk is full: the session lasts a while yet.
  release();
  drive([&] { return is_settled; });
  EXPECT_TRUE(is_settled);
  EXPECT_FALSE(played.ended);
}

TEST_F(SessionTest, OneCommitHasABoundedNumberOfEvents) {
  Played& collector = admit("procmond");
  held_ = true;
  say(collector, events(1, 1));
  drive([this] { return !commits_.empty(); });
  // As many as may wait, each as large as a collector makes them.
  for (std::uint64_t i = 0; i < kCredits; ++i) say(collector, events(2 + i * 256, 257 + i * 256));
  settle();
  release();
  for (std::uint64_t acked = 0; acked != 1 + kCredits * 256;) {
    const auto message = next(collector);
    ASSERT_TRUE(message) << message.error().message();
    if (message->has_ack()) acked = message->ack().sequence();
  }
  for (const Commit& commit : commits_) EXPECT_LE(commit.publish.events().events_size(), kMaxEventsPerCommit);
  EXPECT_LE(commits_.size(), 2 + kCredits * 256 / (kMaxEventsPerCommit - 256) + 1);
}

TEST_F(SessionTest, AFailedCommitEndsTheSessionUnacknowledgedAndIsNotTheCollectorsFault) {
  Played& collector = admit("procmond");
  commit_error_ = Errc::Io;
  say(collector, events(1, 3));
  for (;;) {
    const auto message = next_any(collector);
    if (!message) break;
    EXPECT_FALSE(message->has_ack());
  }
  drive([&] { return collector.ended.has_value(); });
  EXPECT_EQ(at("procmond").state, CollectorState::Gone);
  EXPECT_EQ(at("procmond").violations, 0u);
  EXPECT_TRUE(noted("procmond ended"));
}

TEST_F(SessionTest, ContentTheCommitRefusesIsAViolation) {
  Played& collector = admit("procmond");
  commit_error_ = Errc::Corrupt;
  say(collector, events(1, 3));
  EXPECT_EQ(end_of(collector), Errc::Closed);
  EXPECT_EQ(at("procmond").violations, 1u);
  EXPECT_TRUE(noted("procmond violated"));
}

TEST_F(SessionTest, WhatArrivedBeforeTheCollectorLeftIsCommitted) {
  Played& collector = admit("procmond");
  held_ = true;
  say(collector, events(1, 1));
  drive([this] { return !commits_.empty(); });
  say(collector, events(2, 2));
  collector.end.close();
  settle();
  EXPECT_FALSE(collector.ended);
  release();
  drive([&] { return collector.ended.has_value(); });
  ASSERT_EQ(commits_.size(), 2u);
  EXPECT_EQ(commits_[1].publish.events().events(0).sequence(), 2u);
  EXPECT_EQ(at("procmond").state, CollectorState::Gone);
  EXPECT_EQ(at("procmond").violations, 0u);
  admit("procmond");
}

TEST_F(SessionTest, HeartbeatsResultsAndConfirmationsAreHandedOn) {
  Played& collector = admit("procmond");
  pb::Envelope message;
  message.mutable_heartbeat()->set_status("slow disk");
  say(collector, message);
  message.mutable_task_result()->set_task_id("t-1");
  say(collector, message);
  message.mutable_ledger_appended()->set_sequence(9);
  say(collector, message);
  drive([this] { return noted("procmond entered 9"); });
  EXPECT_TRUE(noted("procmond answered t-1"));
  ASSERT_EQ(at("procmond").troubles.size(), 1u);
  EXPECT_EQ(at("procmond").troubles[0].detail(), "slow disk");
  EXPECT_EQ(at("procmond").messages, 3u);
}

// Whoever listens to it must be able to tell a quiet agent from one that stands still.
TEST_F(SessionTest, TheAgentSaysSomethingEverySecond) {
  Played& collector = admit("procmond");
  int alive = 0;
  for (int i = 0; i < 3; ++i) {
    clock_.now_ms += 1'000;
    const auto message = next_any(collector);
    ASSERT_TRUE(message) << message.error().message();
    alive += message->has_alive() || message->has_heartbeat() ? 1 : 0;
  }
  EXPECT_EQ(alive, 3);
}

TEST_F(SessionTest, WhoSaysMoreThanItMayIsReadNoFasterAndLosesNothing) {
  Played& collector = admit("talks");
  Played& other = admit("other");
  pb::Envelope entered;
  constexpr auto kMost = static_cast<std::uint64_t>(kUnpaidPerSecond);
  for (std::uint64_t i = 1; i <= kMost + 3; ++i) {
    entered.mutable_ledger_appended()->set_sequence(i);
    say(collector, entered);
    if (i == kMost) {
      EXPECT_EQ(at("talks").held_back, 0u);
    }
  }
  say(other, events(1, 1));
  EXPECT_EQ(next(other)->ack().sequence(), 1u);
  drive([&] { return noted("talks entered " + std::to_string(kMost + 3)); });
  EXPECT_TRUE(noted("talks entered " + std::to_string(kMost + 3)));
  EXPECT_GE(at("talks").held_back, 3u) << "the clock stands still";
  EXPECT_EQ(at("other").held_back, 0u);
  EXPECT_EQ(at("talks").violations, 0u);
}

TEST_F(SessionTest, ASilentCollectorIsBackWithItsNextMessage) {
  Played& collector = admit("procmond");
  pb::Envelope beat, alive;
  beat.mutable_heartbeat()->set_status("ok");
  alive.mutable_alive();
  for (const pb::Envelope& message : {beat, alive}) {
    std::vector<std::string> fallen;
    for (int i = 0; i < 4; ++i) {
      clock_.now_ms += 900;
      for (std::string& id : registry_.find_silent()) fallen.push_back(std::move(id));
    }
    EXPECT_EQ(fallen, std::vector<std::string>{"procmond"});
    say(collector, message);
    drive([this] { return at("procmond").state == CollectorState::Connected; });
    EXPECT_EQ(at("procmond").state, CollectorState::Connected);
  }
  say(collector, beat);
  drive([this] { return at("procmond").messages == 3; });
  EXPECT_EQ(at("procmond").messages, 3u) << "what only says that it is alive breaks no rule";
}

TEST_F(SessionTest, TheAgentBeatsAtTheIntervalItAnnounced) {
  Played& collector = admit("procmond", false);
  ASSERT_TRUE(next_any(collector)->has_heartbeat());
  clock_.now_ms += 30'000;
  collector.session->begin(0);  // Wakes the writer.
  bool beat = false;
  for (int i = 0; i < 2; ++i) {
    const auto message = next_any(collector);
    ASSERT_TRUE(message);
    if (message->has_heartbeat()) beat = message->heartbeat().time_ms() == clock_.now_ms;
  }
  EXPECT_TRUE(beat);
}

TEST_F(SessionTest, GoodbyeOfEitherSideIsNoViolation) {
  Played& first = admit("first");
  pb::Envelope message;
  message.mutable_goodbye()->set_reason("stopping");
  say(first, message);
  EXPECT_EQ(end_of(first), Errc::Closed);
  EXPECT_TRUE(noted("first ended"));

  Played& second = admit("second");
  second.session->close("the agent stops");
  const auto farewell = next(second);
  ASSERT_TRUE(farewell);
  EXPECT_EQ(farewell->goodbye().reason(), "the agent stops");
  EXPECT_EQ(end_of(second), Errc::Closed);
  EXPECT_TRUE(noted("second ended"));
}

TEST_F(SessionTest, QueueForACollectorThatDoesNotReadIsBounded) {
  Played& collector = admit("procmond");
  pb::Envelope message;
  message.mutable_scan_now();
  int queued = 0;
  while (queued < 100'000 && collector.session->send(message)) ++queued;
  EXPECT_EQ(queued, 4'096);
}

struct Misdeed {
  const char* name;
  bool begun;
  std::vector<std::string> payloads;
};

class CollectorViolates : public SessionTest, public testing::WithParamInterface<Misdeed> {};

TEST_P(CollectorViolates, OnlyItsOwnSessionEndsAndThatIsCounted) {
  Played& good = admit("good");
  Played& bad = admit("bad", GetParam().begun);
  held_ = true;
  for (const std::string& payload : GetParam().payloads) say_bytes(bad, payload);
  settle();
  release();
  drive([&] { return bad.ended.has_value(); });
  ASSERT_TRUE(bad.ended);
  EXPECT_EQ(at("bad").state, CollectorState::Gone);
  EXPECT_EQ(at("bad").violations, 1u);
  EXPECT_TRUE(noted("bad violated"));

  EXPECT_EQ(at("good").state, CollectorState::Connected);
  EXPECT_EQ(at("good").violations, 0u);
  say(good, events(1, 2));
  EXPECT_EQ(next(good)->ack().sequence(), 2u);
  admit("bad");
  EXPECT_EQ(at("bad").sessions, 2u);
}

template <class Fill>
std::string message(Fill fill) {
  pb::Envelope out;
  fill(out);
  return out.SerializeAsString();
}
using Payloads = std::vector<std::string>;

const std::string kHello = message([](pb::Envelope& m) {
  m.mutable_hello()->set_protocol_major(1);
  m.mutable_hello()->set_collector_id("bad");
  m.mutable_hello()->set_spool_id("spool-bad");
});
const std::string kPublish = message([](pb::Envelope& m) { m.mutable_publish()->mutable_events()->add_events(); });
const std::string kNothing = message([](pb::Envelope& m) { m.mutable_publish()->mutable_events(); });
const std::string kNoBody = message([](pb::Envelope& m) { m.mutable_publish(); });
const std::string kAck = message([](pb::Envelope& m) { m.mutable_ack()->set_sequence(1); });
const std::string kCredit = message([](pb::Envelope& m) { m.mutable_credit()->set_messages(1'000); });
const std::string kWelcome = message([](pb::Envelope& m) { m.mutable_welcome()->set_credits(1); });
const std::string kTask = message([](pb::Envelope& m) { m.mutable_task()->set_task_id("t"); });
const std::string kAppend = message([](pb::Envelope& m) { m.mutable_ledger_append()->set_action("a"); });

INSTANTIATE_TEST_SUITE_P(
    Broker, CollectorViolates,
    testing::Values(Misdeed{"PublishBeforeBegin", false, {kPublish}}, Misdeed{"SecondHello", true, {kHello}},
                    Misdeed{"SecondHelloBeforeBegin", false, {kHello}}, Misdeed{"Ack", true, {kAck}},
                    Misdeed{"Credit", true, {kCredit}}, Misdeed{"Welcome", true, {kWelcome}},
                    Misdeed{"Task", true, {kTask}}, Misdeed{"LedgerAppend", true, {kAppend}},
                    Misdeed{"PublishNothing", true, {kPublish, kNothing}},
                    Misdeed{"PublishWithoutBody", true, {kPublish, kNoBody}},
                    Misdeed{"UnknownMessage", true, {"\xfa\x07\x01x"}}, Misdeed{"Garbage", true, {"\xff\xff\xff"}},
                    Misdeed{"Oversized", true, {std::string((4u << 20) + 1, '\n')}},
                    // One is being committed, as many as it has credits may wait.
                    Misdeed{"MoreThanItsCredits", true, Payloads(kCredits + 2, kPublish)}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace de::bus
