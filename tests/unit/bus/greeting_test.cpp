// Who is let in, and what is counted when somebody is not.
#include "session_fixture.h"

namespace de::bus {
namespace {

using GreetingTest = SessionTest;

TEST_F(GreetingTest, WelcomeSaysWhatIsCommittedAndHowMuchMayBeInFlight) {
  registry_.expect("procmond", "process", 60'000, 12'000);
  committed_before_ = 41;
  Played& collector = connect();
  say(collector, hello("procmond"));
  const auto answer = next(collector);
  ASSERT_TRUE(answer && answer->has_welcome());
  EXPECT_EQ(answer->welcome().acked_sequence(), 41u);
  EXPECT_EQ(answer->welcome().credits(), kCredits);
  EXPECT_EQ(answer->welcome().heartbeat_interval_ms(), 12'000u);
  settle();
  EXPECT_TRUE(noted("procmond connected"));
  EXPECT_EQ(at("procmond").uid, ::geteuid());
  EXPECT_EQ(at("procmond").pid, static_cast<std::uint32_t>(::getpid()));
}

TEST_F(GreetingTest, SpoolThatWentBackwardsIsAViolation) {
  committed_before_ = 1'001;
  Played& collector = connect();
  say(collector, hello("procmond"));
  EXPECT_EQ(end_of(collector), Errc::Closed);
  EXPECT_EQ(at("procmond").state, CollectorState::Gone);
  EXPECT_EQ(at("procmond").violations, 1u);
  EXPECT_TRUE(noted("procmond violated"));
  committed_before_ = 1'000;
  admit("procmond");
}

TEST_F(GreetingTest, RefusalSaysWhyAndTheOthersGoOn) {
  Played& first = admit("procmond");
  Played& second = connect();
  say(second, hello("procmond"));
  const auto answer = next(second);
  ASSERT_TRUE(answer && answer->has_refusal());
  EXPECT_NE(answer->refusal().reason().find("connected already"), std::string::npos);
  EXPECT_EQ(end_of(second), Errc::Closed);
  EXPECT_EQ(registry_.refused(), 1u);
  EXPECT_FALSE(noted("procmond violated"));
  EXPECT_EQ(at("procmond").state, CollectorState::Connected);
  say(first, events(1, 2));
  EXPECT_EQ(next(first)->ack().sequence(), 2u);
}

class StrangerTest : public SessionTest {
 protected:
  static Admission another_uid() {
    Admission out;
    out.uids = {::geteuid() + 1};
    return out;
  }
  Registry strict_{another_uid(), clock_};
};

TEST_F(StrangerTest, AForeignUidIsRefusedBeforeItSaysAnything) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  auto ours = link::Connection::adopt(io_.get_executor(), UniqueFd(ends[0]), kBrokerLimits);
  auto theirs = link::Connection::adopt(io_.get_executor(), UniqueFd(ends[1]), {1u << 20, 1u << 20});
  auto session = std::make_shared<CollectorSession>(io_.get_executor(), std::move(*ours), strict_, consumers_, clock_);
  const Result<> ended = run(session->run());
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), Errc::Denied);
  const auto answer = run(link::read_message<pb::Envelope>(*theirs, 5s));
  ASSERT_TRUE(answer && answer->has_refusal());
  EXPECT_NE(answer->refusal().reason().find("uid " + std::to_string(::geteuid())), std::string::npos);
  EXPECT_EQ(strict_.refused(), 1u);
  EXPECT_TRUE(noted(" violated"));
}

TEST_F(GreetingTest, WhoLeavesWithoutAWordIsNeitherRefusedNorCounted) {
  Played& visitor = connect();
  visitor.end.close();
  drive([&] { return visitor.ended.has_value(); });
  EXPECT_EQ(registry_.refused(), 0u);
  EXPECT_EQ(notes_, std::vector<std::string>{" ended"});
}

struct FirstWords {
  const char* name;
  std::string payload;
};

class NoGreeting : public SessionTest, public testing::WithParamInterface<FirstWords> {};

TEST_P(NoGreeting, EndsIsCountedAndTheOthersGoOn) {
  Played& other = admit("other");
  Played& stranger = connect();
  say_bytes(stranger, GetParam().payload);
  end_of(stranger);
  ASSERT_TRUE(stranger.ended);
  EXPECT_FALSE(*stranger.ended);
  EXPECT_EQ(registry_.refused(), 1u);
  EXPECT_TRUE(noted(" violated"));
  EXPECT_EQ(registry_.collectors().size(), 1u);
  say(other, events(1, 1));
  EXPECT_EQ(next(other)->ack().sequence(), 1u);
}

std::string heartbeat() {
  pb::Envelope message;
  message.mutable_heartbeat()->set_status("ok");
  return message.SerializeAsString();
}
std::string publish() {
  pb::Envelope message;
  message.mutable_publish()->mutable_events()->add_events()->set_sequence(1);
  return message.SerializeAsString();
}
std::string hello_of(const std::string& id, std::uint32_t major) {
  pb::Envelope message;
  message.mutable_hello()->set_protocol_major(major);
  message.mutable_hello()->set_collector_id(id);
  message.mutable_hello()->set_spool_id("s");
  return message.SerializeAsString();
}

INSTANTIATE_TEST_SUITE_P(Broker, NoGreeting,
                         testing::Values(FirstWords{"Heartbeat", heartbeat()}, FirstWords{"Publish", publish()},
                                         FirstWords{"Garbage", "\xff\xff\xff"},
                                         FirstWords{"UnknownMessage", "\xfa\x07\x01x"},
                                         FirstWords{"Oversized", std::string((4u << 20) + 1, '\n')},
                                         FirstWords{"TooLongForAGreeting", std::string(kGreetingBytes + 1, '\n')},
                                         FirstWords{"OtherMajor", hello_of("procmond", 2)},
                                         FirstWords{"BadId", hello_of("../procmond", 1)}),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace de::bus
