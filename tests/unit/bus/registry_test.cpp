#include "bus/registry.h"

#include <gtest/gtest.h>

#include "still_clock.h"

namespace de::bus {
namespace {

constexpr uid_t kCollectorUid = 970;

link::Peer peer(uid_t uid = kCollectorUid) { return link::Peer{uid, uid, 4711, {}}; }

pb::Hello hello(const std::string& id = "procmond") {
  pb::Hello out;
  out.set_protocol_major(1);
  out.set_collector_id(id);
  out.set_collector_type("process");
  out.set_version("0.1.0");
  out.set_boot_id("boot");
  out.set_hostname("host");
  out.set_pid(1);
  out.set_spool_id("spool");
  return out;
}

class RegistryTest : public testing::Test {
 protected:
  static Admission admission() {
    Admission out;
    out.uids = {kCollectorUid};
    out.check_genuine = [](const link::Peer&, const pb::Hello& greeting) -> Result<> {
      if (greeting.collector_id() != "spawned" || greeting.spawn_token() == "secret") return {};
      return fail(Errc::Denied, "it is another");
    };
    return out;
  }
  Errc refusal(const link::Peer& who, const pb::Hello& greeting) {
    const auto admitted = registry_.admit(who, greeting);
    EXPECT_FALSE(admitted);
    EXPECT_EQ(registry_.collectors().count(greeting.collector_id()), 0u);
    return admitted ? Errc::Io : admitted.error().code();
  }
  const Collector& at(const std::string& id) { return registry_.collectors().at(id); }
  // Who fell silent in this time, looked for as the agent does.
  std::vector<std::string> silent_after(std::int64_t ms) {
    std::vector<std::string> fallen;
    while (ms > 0) {
      const std::int64_t step = std::min<std::int64_t>(ms, 250);
      ms -= step;
      clock_.now_ms += step;
      for (std::string& id : registry_.find_silent()) fallen.push_back(std::move(id));
    }
    return fallen;
  }

  StillClock clock_;
  Registry registry_{admission(), clock_};
};

TEST_F(RegistryTest, RemembersWhatTheKernelSaysNotWhatTheGreetingClaims) {
  const auto admitted = registry_.admit(peer(), hello());
  ASSERT_TRUE(admitted) << admitted.error().message();
  const Collector& collector = **admitted;
  EXPECT_EQ(collector.state, CollectorState::Connected);
  EXPECT_EQ(collector.pid, 4711u);
  EXPECT_EQ(collector.uid, kCollectorUid);
  EXPECT_EQ(collector.type, "process");
  EXPECT_EQ(collector.hostname, "host");
  EXPECT_EQ(collector.spool_id, "spool");
  EXPECT_EQ(collector.sessions, 1u);
  EXPECT_FALSE(collector.expected);
}

TEST_F(RegistryTest, RefusesAnotherUidRootIncluded) {
  EXPECT_EQ(refusal(peer(0), hello()), Errc::Denied);
  EXPECT_EQ(refusal(peer(1000), hello()), Errc::Denied);
  EXPECT_EQ(refusal(link::Peer{}, hello()), Errc::Denied);
}

TEST_F(RegistryTest, RefusesAnotherMajorVersionAndNamesBoth) {
  pb::Hello greeting = hello();
  greeting.set_protocol_major(7);
  const auto admitted = registry_.admit(peer(), greeting);
  ASSERT_FALSE(admitted);
  EXPECT_EQ(admitted.error().code(), Errc::Unsupported);
  EXPECT_NE(admitted.error().what().find('7'), std::string::npos);
  EXPECT_NE(admitted.error().what().find('1'), std::string::npos);
  greeting.set_protocol_major(1);
  greeting.set_protocol_minor(99);  // A higher minor version only adds.
  EXPECT_TRUE(registry_.admit(peer(), greeting));
}

TEST_F(RegistryTest, IdsAreShortAndPlain) {
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a/b"),
                                 std::string("a\nb"), std::string("\xc3\xa4"), std::string("a\0b", 3)})
    EXPECT_EQ(refusal(peer(), hello(bad)), Errc::Invalid) << bad;
  for (const std::string& good : {std::string("a"), std::string(64, 'Z'), std::string("proc-mon_2.x")})
    EXPECT_TRUE(registry_.admit(peer(), hello(good))) << good;
}

TEST_F(RegistryTest, SpoolIdIsNeededAndShort) {
  pb::Hello greeting = hello();
  greeting.set_spool_id("");
  EXPECT_EQ(refusal(peer(), greeting), Errc::Invalid);
  greeting.set_spool_id(std::string(257, 's'));
  EXPECT_EQ(refusal(peer(), greeting), Errc::Invalid);
  greeting.set_spool_id(std::string(256, 's'));
  EXPECT_TRUE(registry_.admit(peer(), greeting));
}

TEST_F(RegistryTest, SpawnTokenHasToFitItsId) {
  pb::Hello greeting = hello("spawned");
  EXPECT_EQ(refusal(peer(), greeting), Errc::Denied);
  greeting.set_spawn_token("guess");
  EXPECT_EQ(refusal(peer(), greeting), Errc::Denied);
  greeting.set_spawn_token("secret");
  EXPECT_TRUE(registry_.admit(peer(), greeting));
}

TEST_F(RegistryTest, ATokenIsNotSpentOnAGreetingThatIsRefusedAnyway) {
  int asked = 0;
  Admission counting;
  counting.uids = {kCollectorUid};
  counting.check_genuine = [&asked](const link::Peer&, const pb::Hello&) -> Result<> {
    ++asked;
    return {};
  };
  Registry registry(counting, clock_);
  ASSERT_TRUE(registry.admit(peer(), hello()));
  EXPECT_FALSE(registry.admit(peer(), hello()));
  EXPECT_FALSE(registry.admit(peer(0), hello("other")));
  EXPECT_EQ(asked, 1);
}

TEST_F(RegistryTest, SecondConnectionWithAnIdIsRefusedUntilTheFirstLeft) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_EQ(registry_.admit(peer(), hello()).error().code(), Errc::Conflict);
  EXPECT_EQ(silent_after(2'501), std::vector<std::string>{"procmond"});
  EXPECT_EQ(registry_.admit(peer(), hello()).error().code(), Errc::Conflict);
  registry_.leave("procmond", false);
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_EQ(at("procmond").sessions, 2u);
}

TEST_F(RegistryTest, KnowsAtMost64Collectors) {
  registry_.expect("expected", "process", 1000, 1000);
  for (int i = 0; i < 63; ++i) {
    const std::string id = "c" + std::to_string(i);
    ASSERT_TRUE(registry_.admit(peer(), hello(id)));
    registry_.leave(id, false);
  }
  EXPECT_EQ(refusal(peer(), hello("one-more")), Errc::Exhausted);
  EXPECT_TRUE(registry_.admit(peer(), hello("c0")));
  EXPECT_TRUE(registry_.admit(peer(), hello("expected")));
}

TEST_F(RegistryTest, HostileFieldsAreCutAndEscaped) {
  pb::Hello greeting = hello();
  greeting.set_version("1\n\x1b[31mred");
  greeting.set_hostname(std::string(100'000, 'h'));
  ASSERT_TRUE(registry_.admit(peer(), greeting));
  EXPECT_EQ(at("procmond").version, "1\\x0a\\x1b[31mred");
  EXPECT_EQ(at("procmond").hostname, std::string(256, 'h'));

  pb::Heartbeat beat;
  beat.set_status(std::string(1000, 's'));
  for (int i = 0; i < 1000; ++i) (*beat.mutable_counters())[std::string(300, 'c') + std::to_string(i)] = 1;
  for (int i = 0; i < 1000; ++i) (*beat.mutable_counters())["n" + std::to_string(i)] = 1;
  registry_.heartbeat("procmond", beat);
  ASSERT_EQ(at("procmond").troubles.size(), 1u);
  EXPECT_EQ(at("procmond").troubles[0].detail().size(), 256u);
  EXPECT_LE(at("procmond").counters.size(), 256u);
  for (const auto& [name, value] : at("procmond").counters) EXPECT_LE(name.size(), 256u);
}

TEST_F(RegistryTest, CountersAreThoseOfTheLastHeartbeat) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  pb::Heartbeat beat;
  (*beat.mutable_counters())["old"] = 1;
  registry_.heartbeat("procmond", beat);
  beat.clear_counters();
  (*beat.mutable_counters())["new"] = 2;
  registry_.heartbeat("procmond", beat);
  EXPECT_EQ(at("procmond").counters, (std::map<std::string, std::uint64_t>{{"new", 2}}));
}

TEST_F(RegistryTest, AHostileHeartbeatIsBounded) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  pb::Heartbeat beat;
  for (int i = 0; i < 1'000; ++i) {
    (*beat.mutable_counters())[std::to_string(i)] = 1;
    beat.add_findings()->set_level(static_cast<pb::Finding::Level>(i % 2 == 0 ? 1'000 : -1));
  }
  registry_.heartbeat("procmond", beat);
  EXPECT_EQ(at("procmond").counters.size(), 256u);
  ASSERT_EQ(at("procmond").findings.size(), 32u);
  EXPECT_EQ(at("procmond").findings[0].level(), pb::Finding::FAILED);
  EXPECT_EQ(at("procmond").findings[1].level(), pb::Finding::OK);
}

TEST_F(RegistryTest, KnowsWhoCountsProcessesInAnotherWay) {
  pb::Hello greeting = hello();
  ASSERT_TRUE(registry_.admit(peer(), greeting));
  EXPECT_FALSE(at("procmond").has_our_pids) << "it takes itself for process 1";
  registry_.leave("procmond", false);
  greeting.set_pid(4711);
  ASSERT_TRUE(registry_.admit(peer(), greeting));
  EXPECT_TRUE(at("procmond").has_our_pids);
}

TEST_F(RegistryTest, ClonesThatOthersPutOutAreNoReason) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  pb::Heartbeat beat;
  beat.add_findings()->set_component("books.clones");
  beat.mutable_findings(0)->set_level(pb::Finding::FAILED);
  for (std::uint64_t check = 1; check <= 5; ++check) {
    (*beat.mutable_counters())["books_checked"] = check;
    registry_.heartbeat("procmond", beat);
  }
  EXPECT_TRUE(registry_.reasons().empty());
}

pb::Heartbeat books(std::uint64_t checks, pb::Finding::Level kernel, pb::Finding::Level model) {
  pb::Heartbeat beat;
  beat.set_status("ok");
  (*beat.mutable_counters())["books_checked"] = checks;
  pb::Finding& one = *beat.add_findings();
  one.set_component("books.kernel");
  one.set_level(kernel);
  one.set_detail("happened 10 = delivered 9 + dropped 0");
  pb::Finding& other = *beat.add_findings();
  other.set_component("books.model");
  other.set_level(model);
  pb::Finding& source = *beat.add_findings();
  source.set_component("events");
  source.set_level(pb::Finding::FAILED);
  return beat;
}

TEST_F(RegistryTest, ABookThatStaysUnbalancedIsAReason) {
  constexpr auto kOk = pb::Finding::OK, kFailed = pb::Finding::FAILED;
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  registry_.heartbeat("procmond", books(1, kFailed, kOk));
  for (int i = 0; i < 5; ++i) registry_.heartbeat("procmond", books(2, kFailed, kOk));
  EXPECT_TRUE(registry_.reasons().empty()) << "two checks, however often they are told";
  registry_.heartbeat("procmond", books(3, kOk, kFailed));
  registry_.heartbeat("procmond", books(4, kFailed, kFailed));
  EXPECT_TRUE(registry_.reasons().empty()) << "it balanced in between";
  registry_.heartbeat("procmond", books(5, kFailed, kFailed));
  ASSERT_EQ(registry_.reasons().size(), 1U);
  EXPECT_EQ(registry_.reasons()[0].subject(), "books.model");
  registry_.heartbeat("procmond", books(6, kFailed, kFailed));
  ASSERT_EQ(registry_.reasons().size(), 2U);
  EXPECT_EQ(registry_.reasons()[0].reason(), "BooksUnbalanced");
  EXPECT_EQ(registry_.reasons()[0].collector(), "procmond");
  EXPECT_EQ(registry_.reasons()[0].detail(), "books.kernel does not balance: happened 10 = delivered 9 + dropped 0");
  registry_.heartbeat("procmond", books(7, kOk, kOk));
  EXPECT_TRUE(registry_.reasons().empty());
}

TEST_F(RegistryTest, ACollectorThatComesAnewBeginsNewBooks) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  for (std::uint64_t check = 1; check <= 3; ++check)
    registry_.heartbeat("procmond", books(check, pb::Finding::FAILED, pb::Finding::OK));
  EXPECT_EQ(registry_.reasons().size(), 1U);
  registry_.leave("procmond", false);
  ASSERT_EQ(registry_.reasons().size(), 1U);
  EXPECT_EQ(registry_.reasons()[0].reason(), "CollectorUnavailable");
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_TRUE(registry_.reasons().empty());
}

// Whatever it did: an agent that did not listen knows nothing about who was silent.
TEST_F(RegistryTest, OurOwnStandstillIsNobodysSilence) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_TRUE(registry_.find_silent().empty());
  clock_.now_ms += 60'000;
  EXPECT_TRUE(registry_.find_silent().empty());
  EXPECT_TRUE(silent_after(2'500).empty());
  EXPECT_EQ(silent_after(1), std::vector<std::string>{"procmond"});
}

TEST_F(RegistryTest, WhoSaysNothingIsSilentOnceAndAMessageBringsItBack) {
  registry_.expect("procmond", "process", 60'000, 1'000);
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_TRUE(silent_after(2'500).empty());
  EXPECT_EQ(silent_after(1), std::vector<std::string>{"procmond"});
  EXPECT_EQ(at("procmond").since_ms, clock_.now_ms) << "and from then on, as answers say";
  EXPECT_TRUE(registry_.find_silent().empty());
  EXPECT_EQ(at("procmond").state, CollectorState::Silent);
  EXPECT_FALSE(registry_.all_expected_connected());
  ASSERT_EQ(registry_.reasons().size(), 1u);
  EXPECT_EQ(registry_.reasons()[0].reason(), "CollectorUnavailable");
  EXPECT_EQ(registry_.reasons()[0].collector(), "procmond");

  registry_.heard("procmond");
  EXPECT_EQ(at("procmond").state, CollectorState::Connected);
  EXPECT_TRUE(registry_.find_silent().empty());
  EXPECT_TRUE(registry_.reasons().empty());
}

TEST_F(RegistryTest, AnswersAreDegradedWhileAnExpectedCollectorIsMissing) {
  registry_.expect("procmond", "process", 60'000, 30'000);
  EXPECT_FALSE(registry_.all_expected_connected());
  ASSERT_EQ(registry_.reasons().size(), 1u);
  EXPECT_EQ(registry_.reasons()[0].reason(), "CollectorUnavailable");
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  EXPECT_TRUE(registry_.all_expected_connected());
  EXPECT_TRUE(registry_.reasons().empty());
  registry_.leave("procmond", true);
  EXPECT_EQ(registry_.reasons().size(), 1u);
  EXPECT_EQ(at("procmond").violations, 1u);
  EXPECT_TRUE(at("procmond").expected);
}

TEST_F(RegistryTest, AnUnexpectedCollectorThatWasHereIsMissedToo) {
  ASSERT_TRUE(registry_.admit(peer(), hello("extra")));
  EXPECT_TRUE(registry_.all_expected_connected());
  registry_.leave("extra", false);
  EXPECT_TRUE(registry_.all_expected_connected());
  EXPECT_EQ(registry_.reasons().size(), 1u);
}

TEST_F(RegistryTest, AStatusOtherThanOkDegradesAnswers) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  pb::Heartbeat beat;
  beat.set_status("ok");
  registry_.heartbeat("procmond", beat);
  EXPECT_TRUE(registry_.reasons().empty());
  beat.set_status("/proc is not readable");
  registry_.heartbeat("procmond", beat);
  ASSERT_EQ(registry_.reasons().size(), 1u);
  EXPECT_EQ(registry_.reasons()[0].reason(), "CollectionFailed");
  EXPECT_EQ(registry_.reasons()[0].detail(), "/proc is not readable");
}

// One that is there already must not hide the next: each is an alert of its own by its subject.
TEST_F(RegistryTest, EachTroubleIsAReason) {
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  pb::Heartbeat beat;
  beat.set_status("the disk is full");
  for (const auto& [subject, detail] : {std::pair{"spool", "the disk is full"}, {"opener", "it has\nended"}}) {
    beat.add_troubles()->set_subject(subject);
    beat.mutable_troubles(beat.troubles_size() - 1)->set_detail(detail);
  }
  registry_.heartbeat("procmond", beat);
  const auto reasons = registry_.reasons();
  ASSERT_EQ(reasons.size(), 2u);
  EXPECT_EQ(reasons[0].subject(), "spool");
  EXPECT_EQ(reasons[0].detail(), "the disk is full");
  EXPECT_EQ(reasons[1].subject(), "opener");
  EXPECT_EQ(reasons[1].detail(), "it has\\x0aended");
  for (int i = 0; i < 1'000; ++i) beat.add_troubles();
  registry_.heartbeat("procmond", beat);
  EXPECT_LE(registry_.reasons().size(), 32u);
  beat.clear_troubles();
  beat.set_status("ok");
  registry_.heartbeat("procmond", beat);
  EXPECT_TRUE(registry_.reasons().empty());
}

TEST_F(RegistryTest, StartupIsOverdueOnlyForWhoNeverCame) {
  const std::int64_t started_ns = clock_.steady_ns();
  registry_.expect("procmond", "process", 60'000, 30'000);
  clock_.now_ms += 60'000;
  EXPECT_FALSE(registry_.startup_overdue(started_ns));
  clock_.now_ms += 1;
  EXPECT_TRUE(registry_.startup_overdue(started_ns));
  ASSERT_TRUE(registry_.admit(peer(), hello()));
  registry_.leave("procmond", false);
  EXPECT_FALSE(registry_.startup_overdue(started_ns));
}

TEST_F(RegistryTest, NewsOfSomebodyUnknownChangesNothing) {
  registry_.heard("nobody");
  registry_.leave("nobody", true);
  registry_.heartbeat("nobody", pb::Heartbeat());
  EXPECT_TRUE(registry_.collectors().empty());
}

}  // namespace
}  // namespace de::bus
