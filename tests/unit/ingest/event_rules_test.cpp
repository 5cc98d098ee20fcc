// Rules over events as they arrive: what they raise, what a later snapshot makes of it, and what is passed over.
#include "ingest/event_queue.h"
#include "rules_fixture.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EventRulesTest : public RulesTest {
 protected:
  NewEvent event(pb::EventType type, std::uint32_t pid, const std::string& name) {
    return arrived(told(type, pid, name));
  }
  pb::ProcessEvent told(pb::EventType type, std::uint32_t pid, const std::string& name) {
    pb::ProcessEvent made;
    made.set_sequence(++sequence_);
    made.set_event_type(type);
    made.set_event_time_ms(clock_.now_ms + static_cast<std::int64_t>(sequence_));
    *made.mutable_process() = process(pid);
    made.mutable_process()->set_name(name);
    made.mutable_process()->set_executable_path("/bin/" + name);
    made.mutable_process()->set_user_id("33");
    return made;
  }
  NewEvent arrived(pb::ProcessEvent event) const {
    return {collector_, std::make_shared<const pb::ProcessEvent>(std::move(event))};
  }
  Round run_events(const std::vector<NewEvent>& events) { return detector_->run_events(events, whole_); }
  static std::vector<std::string> titles(const Round& round) {
    std::vector<std::string> out;
    for (const RaisedAlert& raised : round.alerts) out.push_back(raised.alert.title());
    return out;
  }

  std::shared_ptr<const std::string> collector_ = std::make_shared<const std::string>("procmond");
  std::uint64_t sequence_ = 0;
};

TEST_F(EventRulesTest, ARuleOverProcessesSeesWhatStarts) {
  rule("sh", "SELECT pid, name FROM processes WHERE name = 'sh'");
  rule("later", "SELECT pid FROM processes WHERE name = 'sh'", "on: snapshot\n");
  open_detector();
  const Round round = run_events(
      {event(pb::EVENT_TYPE_START, 7, "ls"), event(pb::EVENT_TYPE_EXEC, 8, "sh"), event(pb::EVENT_TYPE_EXIT, 9, "sh")});
  EXPECT_EQ(round.rules_run, 1U);
  ASSERT_THAT(titles(round), ElementsAre("sh: sh (pid 8)"));
  const pb::Alert& alert = round.alerts[0].alert;
  EXPECT_EQ(alert.event().type(), "exec");
  EXPECT_EQ(alert.event().sequence(), 2U);
  EXPECT_EQ(alert.event().time_ms(), clock_.now_ms + 2);
  EXPECT_EQ(alert.event().collector(), "procmond");
  EXPECT_EQ(alert.first_seen_ms(), clock_.now_ms + 2);
  EXPECT_FALSE(alert.has_scan_id());
  EXPECT_TRUE(alert.completeness().complete());
  EXPECT_EQ(detector_->report()->health.at("sh").matches, 1U);
  EXPECT_FALSE(detector_->report()->health.contains("later"));
}

TEST_F(EventRulesTest, ADisabledRuleSeesNothing) {
  rule("off", "SELECT pid FROM processes WHERE name = 'sh'", "enabled: false\n");
  open_detector();
  const Round round = run_events({event(pb::EVENT_TYPE_EXEC, 8, "sh")});
  EXPECT_EQ(round.rules_run, 0U);
  EXPECT_THAT(round.alerts, IsEmpty());
}

TEST_F(EventRulesTest, WhatARuleHadNothingToSayAboutItIsNotAskedAgain) {
  rule("nginx", "SELECT pid FROM processes WHERE name IN ('nginx', 'apache2', 'httpd')");
  open_detector();
  for (std::uint32_t pid = 1; pid < 4; ++pid)
    EXPECT_THAT(run_events({event(pb::EVENT_TYPE_START, pid, "ls")}).alerts, IsEmpty());
  EXPECT_EQ(run_events({event(pb::EVENT_TYPE_START, 7, "ls")}).rules_run, 0U);
  EXPECT_THAT(titles(run_events({event(pb::EVENT_TYPE_START, 8, "ls"), event(pb::EVENT_TYPE_START, 9, "nginx")})),
              ElementsAre("nginx: nginx (pid 9)"));
  rule("nginx", "SELECT pid FROM processes WHERE name = 'ls'");
  ASSERT_TRUE(detector_->reload());
  EXPECT_THAT(titles(run_events({event(pb::EVENT_TYPE_START, 7, "ls")})), ElementsAre("nginx: ls (pid 7)"));
}

// The row says little: the rest comes from the event once and from the snapshot later, and must be the same.
TEST_F(EventRulesTest, TheSnapshotsAlertFoldsIntoTheEvents) {
  rule("sh", "SELECT pid FROM processes WHERE name = 'sh'");
  rule("keyed", "SELECT pid, process_uid FROM processes WHERE name = 'sh'", "dedup: {keys: [process_uid]}\n");
  open_detector();
  const NewEvent start = event(pb::EVENT_TYPE_START, 8, "sh");
  Round first = run_events({start});
  ASSERT_EQ(first.alerts.size(), 2U);
  acked(chunk(1, 0, true, {start.event->process()}, 1));
  ASSERT_TRUE(image_);
  Round second = detector_->run(image_, whole_);
  ASSERT_EQ(second.alerts.size(), 2U);
  const std::vector<std::string> sinks;
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(first.alerts[i].alert.dedupe_key(), second.alerts[i].alert.dedupe_key());
    EXPECT_EQ(first.alerts[i].alert.process_uid(), second.alerts[i].alert.process_uid());
    EXPECT_EQ(*store_->put_alert(first.alerts[i].alert, sinks, 300'000), store::AlertOutcome::Stored);
    EXPECT_EQ(*store_->put_alert(second.alerts[i].alert, sinks, 300'000), store::AlertOutcome::Folded);
    EXPECT_EQ(second.alerts[i].alert.count(), 2U);
    EXPECT_EQ(second.alerts[i].alert.first_seen_ms(), start.event->event_time_ms());
    EXPECT_EQ(second.alerts[i].alert.event().sequence(), 1U);
  }
}

TEST_F(EventRulesTest, AncestorsComeWithTheEvent) {
  rule("sh", "SELECT pid, name FROM processes WHERE name = 'sh'");
  open_detector();
  pb::ProcessEvent start = told(pb::EVENT_TYPE_EXEC, 8, "sh");
  pb::Ancestry ancestry;
  ancestry.add_ancestors()->set_pid(5);
  ancestry.mutable_ancestors(0)->set_name("ng\u00efnx");
  ancestry.mutable_ancestors(0)->set_executable_path("/a \"b\"");
  ancestry.add_ancestors()->set_pid(1);
  start.set_ancestry(ancestry.SerializeAsString());
  const Round round = run_events({arrived(start)});
  ASSERT_EQ(round.alerts.size(), 1U);
  const pb::Alert& alert = round.alerts[0].alert;
  ASSERT_EQ(alert.ancestry_size(), 2);
  EXPECT_EQ(alert.ancestry(0).pid(), 5U);
  EXPECT_EQ(alert.ancestry(0).name(), "ng\u00efnx");
  EXPECT_EQ(alert.ancestry(0).executable_path(), "/a \"b\"");
  EXPECT_EQ(alert.ancestry(1).pid(), 1U);
  EXPECT_TRUE(alert.completeness().complete());
  ancestry.mutable_ancestors(1)->clear_pid();
  for (const std::string& bad : {std::string("[{\"pid\":5"), std::string("\x0a\x7f"), ancestry.SerializeAsString()}) {
    start.set_ancestry(bad);
    const Round odd = run_events({arrived(start)});
    ASSERT_EQ(odd.alerts.size(), 1U) << bad;
    EXPECT_FALSE(odd.alerts[0].alert.completeness().complete()) << bad;
  }
}

TEST_F(EventRulesTest, WithoutThemTheSnapshotIsAsked) {
  rule("sh", "SELECT pid, name FROM processes WHERE name = 'sh'");
  open_detector();
  acked(chunk(1, 0, true, {process(4)}, 1));
  (void)detector_->run(image_, whole_);
  pb::ProcessEvent start = told(pb::EVENT_TYPE_START, 8, "sh");
  start.mutable_process()->set_ppid(4);
  const Round round = run_events({arrived(start)});
  ASSERT_EQ(round.alerts.size(), 1U);
  ASSERT_EQ(round.alerts[0].alert.ancestry_size(), 1);
  EXPECT_EQ(round.alerts[0].alert.ancestry(0).name(), "p4");
}

TEST_F(EventRulesTest, RulesOverEventsSeeEveryKind) {
  rule("killed", "SELECT pid, name, exit_signal FROM processes.events WHERE event_type = 'exit' AND exit_signal = 9");
  open_detector();
  pb::ProcessEvent exit = told(pb::EVENT_TYPE_EXIT, 9, "sh");
  exit.set_exit_signal(9);
  EXPECT_THAT(titles(run_events({event(pb::EVENT_TYPE_START, 7, "ls"), arrived(exit)})),
              ElementsAre("killed: sh (pid 9)"));
}

TEST_F(EventRulesTest, WindowsLookBackWithTheSnapshot) {
  rule("busy", "SELECT name, count(*) AS starts FROM processes.events GROUP BY name HAVING count(*) >= 3",
       "window: 10m\n");
  open_detector();
  EXPECT_TRUE(run_events({event(pb::EVENT_TYPE_START, 7, "ls")}).alerts.empty());
  acked(events(1, 2));
  clock_.now_ms += 1'000;
  pb::Publish more = events(3, 5);
  for (pb::ProcessEvent& e : *more.mutable_events()->mutable_events()) e.mutable_process()->set_name("loop");
  acked(more);
  acked(chunk(1, 0, true, {process(1)}, 1));
  EXPECT_THAT(titles(detector_->run(image_, whole_)), ElementsAre("busy: loop"));
  clock_.now_ms += 601'000;
  EXPECT_TRUE(detector_->run(image_, whole_).alerts.empty());
}

TEST_F(EventRulesTest, WhatIsMissingOfTheWindowDegradesTheAlert) {
  rule("any", "SELECT name, count(*) AS n FROM processes.events GROUP BY name", "window: 10m\n");
  open_detector();
  acked(events(1, 1));
  acked(gap(2, 4));
  acked(chunk(1, 0, true, {process(1)}, 1));
  const Round round = detector_->run(image_, whole_);
  ASSERT_EQ(round.alerts.size(), 1U);
  EXPECT_FALSE(round.alerts[0].alert.completeness().complete());
  EXPECT_EQ(round.alerts[0].alert.completeness().reasons(0).reason(), "EventsShed");
}

TEST_F(EventRulesTest, AnOverrunIsReportedAndStopsNobodyElse) {
  rule("a-greedy",
       "SELECT pid, name FROM processes WHERE length(replace(hex(hex(command_line)), '3', hex(command_line))) > 0");
  rule("b-good", "SELECT pid, name FROM processes WHERE name = 'sh'");
  open_detector({1'000, 64UL << 10, 1'000, 1 << 20});
  pb::ProcessEvent start = told(pb::EVENT_TYPE_START, 8, "sh");
  start.mutable_process()->add_command_line(std::string(60'000, '3'));
  const Round round = run_events({arrived(start)});
  EXPECT_THAT(titles(round), ElementsAre("b-good: sh (pid 8)"));
  ASSERT_EQ(round.reasons.size(), 1U);
  EXPECT_EQ(round.reasons[0].reason(), "ResourceLimit");
  EXPECT_FALSE(detector_->report()->health.at("a-greedy").healthy);
  EXPECT_TRUE(detector_->report()->health.at("b-good").healthy);
}

TEST_F(EventRulesTest, AReloadedRuleIsUsedAtOnce) {
  open_detector();
  EXPECT_TRUE(run_events({event(pb::EVENT_TYPE_START, 8, "sh")}).alerts.empty());
  rule("sh", "SELECT pid, name FROM processes WHERE name = 'sh'");
  ASSERT_TRUE(detector_->reload());
  const Round round = run_events({event(pb::EVENT_TYPE_START, 8, "sh")});
  ASSERT_EQ(round.alerts.size(), 1U);
  EXPECT_EQ(round.alerts[0].alert.rule_generation(), detector_->report()->rules->generation);
  std::filesystem::remove(rules_ + "/sh.yaml");
  ASSERT_TRUE(detector_->reload());
  EXPECT_TRUE(run_events({event(pb::EVENT_TYPE_START, 8, "sh")}).alerts.empty());
}

std::shared_ptr<const pb::EventBatch> some(std::uint64_t first, std::uint64_t last, std::size_t bytes = 0) {
  auto out = std::make_shared<pb::EventBatch>();
  for (std::uint64_t sequence = first; sequence <= last; ++sequence) {
    pb::ProcessEvent& event = *out->add_events();
    event.set_sequence(sequence);
    if (bytes > 0) event.set_reason(std::string(bytes, 'x'));
  }
  return out;
}

void push(EventQueue& queue, const std::string& collector, const std::string& spool_id, std::uint64_t committed,
          const std::shared_ptr<const pb::EventBatch>& events) {
  queue.push(collector, spool_id, committed, events, events->ByteSizeLong());
}

std::vector<std::uint64_t> popped(EventQueue& queue) {
  std::vector<std::uint64_t> out;
  for (const NewEvent& event : queue.pop()) out.push_back(event.event->sequence());
  return out;
}

TEST(EventQueue, WhatComesAgainIsNotLookedAtAgain) {
  StillClock clock;
  EventQueue queue(clock);
  push(queue, "procmond", "a", 2, some(1, 4));  // Two were committed before this agent began.
  EXPECT_THAT(popped(queue), ElementsAre(3, 4));
  push(queue, "procmond", "a", 2, some(3, 5));  // It could not be committed, and comes again.
  EXPECT_THAT(popped(queue), ElementsAre(5));
  push(queue, "procmond", "a", 5, some(8, 9));  // Over a gap.
  EXPECT_THAT(popped(queue), ElementsAre(8, 9));
  push(queue, "procmond", "b", 0, some(1, 1));  // Another spool counts anew.
  EXPECT_THAT(popped(queue), ElementsAre(1));
  push(queue, "procmond", "a", 9, some(1'000'000, 1'000'000));
  queue.forget("procmond");  // It was lying.
  (void)popped(queue);
  push(queue, "procmond", "a", 9, some(10, 11));
  EXPECT_THAT(popped(queue), ElementsAre(10, 11));
}

TEST(EventQueue, MergesBatchesAndKeepsTheirOrder) {
  StillClock clock;
  EventQueue queue(clock);
  EXPECT_TRUE(queue.pop().empty());
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    push(queue, i % 2 == 0 ? "even" : "odd", "a", 0, some(i, i));
  }
  const auto first = queue.pop();
  ASSERT_EQ(first.size(), EventQueue::kRunEvents);
  EXPECT_EQ(first[1].event->sequence(), 2U);
  EXPECT_EQ(*first[1].collector, "even");
  EXPECT_EQ(queue.pop().size(), 2'000 - EventQueue::kRunEvents);
  EXPECT_TRUE(queue.is_empty());
  EXPECT_TRUE(queue.reasons().empty());
}

TEST(EventQueue, PassesOverTheOldestAndSaysSo) {
  StillClock clock;
  EventQueue queue(clock);
  push(queue, "procmond", "a", 0, some(1, EventQueue::kMaxEvents + 10));
  EXPECT_EQ(queue.counts().skipped, 10U);
  EXPECT_EQ(queue.counts().pushed, queue.counts().popped + queue.counts().skipped + queue.waiting());
  ASSERT_EQ(queue.reasons().size(), 1U);
  EXPECT_EQ(queue.reasons()[0].reason(), "ResourceLimit");
  EXPECT_THAT(queue.reasons()[0].detail(), HasSubstr("passed over 10 events"));
  EXPECT_EQ(queue.pop()[0].event->sequence(), 11U);
  clock.now_ms += EventQueue::kToldForMs + 1;
  EXPECT_TRUE(queue.reasons().empty());
}

TEST(EventQueue, IsBoundedInBytes) {
  StillClock clock;
  EventQueue queue(clock);
  push(queue, "procmond", "a", 0, some(1, 40, 1 << 20));
  EXPECT_EQ(queue.counts().skipped, 9U);
  push(queue, "procmond", "a", 0, some(41, 41, 40 << 20));
  EXPECT_EQ(queue.pop().size(), 1U);
}

}  // namespace
}  // namespace de::ingest
