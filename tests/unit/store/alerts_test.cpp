// Alerts: stored once with their deliveries, folded while the window is open, delivered in order.
#include "store_fixture.h"

namespace de::store {
namespace {

const std::vector<std::string> kSinks = {"file", "syslog"};
constexpr std::int64_t kWindow = 300'000;
using Alerts = StoreTest;

TEST_F(Alerts, StoringGivesASequenceAndDeliveries) {
  pb::Alert a = alert("aaaaaa-1"), b = alert("bbbbbb-2");
  const auto stored = store_->put_alert(a, kSinks, kWindow);
  ASSERT_TRUE(stored);
  EXPECT_EQ(*stored, AlertOutcome::Stored);
  ASSERT_TRUE(store_->put_alert(b, {}, kWindow));
  EXPECT_EQ(a.sequence(), 1u);
  EXPECT_EQ(b.sequence(), 2u);
  EXPECT_EQ(a.count(), 1u);
  EXPECT_EQ(a.first_seen_ms(), kNoon);
  EXPECT_EQ(a.last_seen_ms(), kNoon);
  open();
  const auto found = store_->find_alert("aaaaaa-1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->SerializeAsString(), a.SerializeAsString());
  EXPECT_EQ(store_->deliveries(1)->size(), 2u);
  EXPECT_EQ(store_->deliveries(2)->size(), 0u);
  EXPECT_EQ(store_->stats()->alerts_open, 2u);
  EXPECT_EQ(store_->stats()->deliveries_pending, 2u);
  pb::Alert c = alert("cccccc-3");
  ASSERT_TRUE(store_->put_alert(c, kSinks, kWindow));
  EXPECT_EQ(c.sequence(), 3u);
}

TEST_F(Alerts, FoldWhileTheWindowIsOpen) {
  pb::Alert first = alert("aaaaaa", "key");
  ASSERT_TRUE(store_->put_alert(first, kSinks, kWindow));
  clock_.now_ms += kWindow - 1;
  open();  // The window is on disk.
  pb::Alert again = alert("bbbbbb", "key", clock_.now_ms);
  const auto folded = store_->put_alert(again, kSinks, kWindow);
  ASSERT_TRUE(folded);
  EXPECT_EQ(*folded, AlertOutcome::Folded);
  EXPECT_EQ(again.id(), "aaaaaa");
  EXPECT_EQ(again.sequence(), 1u);
  EXPECT_EQ(again.count(), 2u);
  EXPECT_EQ(again.first_seen_ms(), kNoon);
  EXPECT_EQ(again.last_seen_ms(), clock_.now_ms);
  EXPECT_EQ(store_->find_alert("aaaaaa")->count(), 2u);
  EXPECT_EQ(store_->list_alerts({})->size(), 1u);
  EXPECT_EQ(store_->stats()->deliveries_pending, 2u);  // Nothing is delivered a second time.

  clock_.now_ms += 1;  // Counted from the first: something that never stops is reported again.
  pb::Alert late = alert("cccccc", "key");
  EXPECT_EQ(*store_->put_alert(late, kSinks, kWindow), AlertOutcome::Stored);
  pb::Alert into_late = alert("dddddd", "key");
  EXPECT_EQ(*store_->put_alert(into_late, kSinks, kWindow), AlertOutcome::Folded);
  EXPECT_EQ(into_late.id(), "cccccc");
}

TEST_F(Alerts, DoNotFoldWithoutKeyOrWindowOrAfterTheClockJumpedBack) {
  const struct {
    const char* why;
    std::string key;
    std::int64_t window;
    std::int64_t move_ms;
  } cases[] = {{"no key", "", kWindow, 0}, {"no window", "k", 0, 0}, {"clock jumped back", "k", kWindow, -1000}};
  int n = 0;
  for (const auto& c : cases) {
    pb::Alert a = alert("alert-" + std::to_string(n++), c.key), b = alert("alert-" + std::to_string(n++), c.key);
    ASSERT_TRUE(store_->put_alert(a, {}, c.window)) << c.why;
    clock_.now_ms += c.move_ms;
    EXPECT_EQ(*store_->put_alert(b, {}, c.window), AlertOutcome::Stored) << c.why;
  }
}

TEST_F(Alerts, LongKeysThatDifferLateAreDifferent) {
  const std::string stem(2000, 'k');
  pb::Alert a = alert("aaaaaa", stem + "1"), b = alert("bbbbbb", stem + "2"), c = alert("cccccc", stem + "2");
  ASSERT_TRUE(store_->put_alert(a, {}, kWindow));
  EXPECT_EQ(*store_->put_alert(b, {}, kWindow), AlertOutcome::Stored);
  EXPECT_EQ(*store_->put_alert(c, {}, kWindow), AlertOutcome::Folded);
}

TEST_F(Alerts, AreListedNewestFirstAndFiltered) {
  for (int i = 0; i < 6; ++i) {
    pb::Alert a = alert("alert-" + std::to_string(i));
    a.set_rule_id(i % 2 == 0 ? "even" : "odd");
    a.set_severity(i < 3 ? pb::SEVERITY_LOW : pb::SEVERITY_CRITICAL);
    ASSERT_TRUE(store_->put_alert(a, {}, 0));
  }
  const auto ids = [&](const AlertFilter& filter) {
    std::string out;
    const auto listed = store_->list_alerts(filter);
    EXPECT_TRUE(listed);
    for (const pb::Alert& a : *listed) out += a.id().back();
    return out;
  };
  EXPECT_EQ(ids({}), "543210");
  EXPECT_EQ(ids({.limit = 2, .rule_id = {}, .severity = {}}), "54");
  EXPECT_EQ(ids({.limit = 0, .rule_id = {}, .severity = {}}), "");
  EXPECT_EQ(ids({.limit = 9, .rule_id = "even", .severity = {}}), "420");
  EXPECT_EQ(ids({.limit = 9, .rule_id = "odd", .severity = pb::SEVERITY_LOW}), "1");
  EXPECT_EQ(ids({.limit = 9, .rule_id = "none", .severity = {}}), "");
}

TEST_F(Alerts, AreFoundByAUniquePrefix) {
  for (const char* id : {"abcdef-1", "abcdef-12", "abcxyz-3"}) {
    pb::Alert a = alert(id);
    ASSERT_TRUE(store_->put_alert(a, {}, 0));
  }
  EXPECT_EQ(store_->find_alert("abcxyz")->id(), "abcxyz-3");
  EXPECT_EQ(store_->find_alert("abcdef-1")->id(), "abcdef-1");  // Whole, although another begins with it.
  EXPECT_EQ(store_->find_alert("abcdef-12")->id(), "abcdef-12");
  EXPECT_EQ(store_->find_alert("abcdef").error().code(), Errc::Conflict);
  EXPECT_EQ(store_->find_alert("abcde").error().code(), Errc::Invalid);
  EXPECT_EQ(store_->find_alert("zzzzzz").error().code(), Errc::NotFound);
  EXPECT_EQ(store_->find_alert(std::string(300, 'a')).error().code(), Errc::Invalid);
}

TEST_F(Alerts, DeliveriesAreWorkedOffInOrder) {
  for (int i = 0; i < 3; ++i) {
    pb::Alert a = alert("alert-" + std::to_string(i));
    ASSERT_TRUE(store_->put_alert(a, kSinks, 0));
  }
  const auto first_two = store_->pending("file", 2);
  ASSERT_TRUE(first_two);
  ASSERT_EQ(first_two->size(), 2u);
  EXPECT_EQ(first_two->at(0).alert.id(), "alert-0");
  EXPECT_EQ(first_two->at(1).alert.id(), "alert-1");

  ASSERT_TRUE(store_->mark_attempt("file", 1, std::string("refused \xff\n") + std::string(2000, 'x')));
  ASSERT_TRUE(store_->mark_delivered("file", 2));
  ASSERT_TRUE(store_->mark_delivered("file", 2));
  open();
  const auto left = store_->pending("file", 10);
  ASSERT_EQ(left->size(), 2u);
  EXPECT_EQ(left->at(0).delivery.attempts(), 1u);
  EXPECT_EQ(left->at(0).delivery.last_error().substr(0, 16), "refused \\xff\\x0a");
  EXPECT_LE(left->at(0).delivery.last_error().size(), 600u);
  EXPECT_EQ(left->at(1).alert.id(), "alert-2");
  EXPECT_EQ(store_->pending("syslog", 10)->size(), 3u);  // One sink's progress is not another's.
  EXPECT_EQ(store_->stats()->deliveries_pending, 5u);
  const auto done = store_->deliveries(2);
  EXPECT_EQ(done->at(0).delivered_ms(), kNoon);
  EXPECT_EQ(done->at(0).attempts(), 1u);
}

TEST_F(Alerts, UnknownDeliveriesAreNotFound) {
  pb::Alert a = alert("alert-1");
  ASSERT_TRUE(store_->put_alert(a, kSinks, 0));
  EXPECT_EQ(store_->mark_delivered("file", 9).error().code(), Errc::NotFound);
  EXPECT_EQ(store_->mark_delivered("nobody", 1).error().code(), Errc::NotFound);
  EXPECT_EQ(store_->mark_attempt("", 1, "x").error().code(), Errc::NotFound);
  EXPECT_EQ(store_->pending("fil", 9)->size(), 0u);  // Not a prefix match.
  EXPECT_EQ(store_->pending("", 9)->size(), 0u);
}

TEST_F(Alerts, WhatIsNotAnAlertIsRefusedAndTakesNoSequence) {
  pb::Alert bad = alert("");
  EXPECT_EQ(store_->put_alert(bad, {}, 0).error().code(), Errc::Invalid);
  bad = alert("alert-1");
  bad.set_title("\xff");
  EXPECT_EQ(store_->put_alert(bad, {}, 0).error().code(), Errc::Invalid);
  bad.set_title(std::string(2 << 20, 'x'));
  EXPECT_EQ(store_->put_alert(bad, {}, 0).error().code(), Errc::TooLarge);
  bad = alert("alert-1");
  const std::vector<std::string> no_name = {""}, nul = {std::string("a\0b", 3)};
  EXPECT_EQ(store_->put_alert(bad, no_name, 0).error().code(), Errc::Invalid);
  EXPECT_EQ(store_->put_alert(bad, nul, 0).error().code(), Errc::Invalid);
  pb::Alert good = alert("alert-1");
  const std::vector<std::string> twice = {"file", "file"};
  ASSERT_TRUE(store_->put_alert(good, twice, 0));
  EXPECT_EQ(good.sequence(), 1u);
  EXPECT_EQ(store_->stats()->deliveries_pending, 1u);
  pb::Alert same_id = alert("alert-1");
  EXPECT_EQ(store_->put_alert(same_id, {}, 0).error().code(), Errc::Conflict);
}

class FewAlerts : public StoreTest {
 protected:
  void SetUp() override {
    StoreOptions few = options();
    few.max_alerts = 4;
    auto opened = Store::open(few, clock_);
    ASSERT_TRUE(opened);
    store_ = std::move(*opened);
  }
};

TEST_F(FewAlerts, TheOldestDeliveredMakesRoom) {
  for (int i = 0; i < 4; ++i) {
    pb::Alert a = alert("alert-" + std::to_string(i), "key-" + std::to_string(i));
    ASSERT_TRUE(store_->put_alert(a, kSinks, kWindow));
  }
  ASSERT_TRUE(store_->mark_delivered("file", 1));  // Half delivered is not delivered.
  for (const std::string& sink : kSinks) ASSERT_TRUE(store_->mark_delivered(sink, 2));
  pb::Alert next = alert("alert-4");
  ASSERT_TRUE(store_->put_alert(next, kSinks, kWindow));
  EXPECT_EQ(store_->find_alert("alert-1").error().code(), Errc::NotFound);
  EXPECT_TRUE(store_->find_alert("alert-0"));
  EXPECT_EQ(store_->deliveries(2)->size(), 0u);
  EXPECT_EQ(store_->stats()->alerts_removed, 1u);
  EXPECT_EQ(store_->stats()->alerts_open, 4u);
  pb::Alert again = alert("alert-5", "key-1");  // Its window went with it.
  EXPECT_EQ(*store_->put_alert(again, {}, kWindow), AlertOutcome::Stored);
}

TEST_F(FewAlerts, NothingUndeliveredIsDroppedAndTheLimitIsHard) {
  for (int i = 0; i < 8; ++i) {
    pb::Alert a = alert("alert-" + std::to_string(i));
    ASSERT_TRUE(store_->put_alert(a, kSinks, 0)) << i;
  }
  pb::Alert more = alert("alert-9");
  EXPECT_EQ(store_->put_alert(more, kSinks, 0).error().code(), Errc::Exhausted);
  EXPECT_EQ(store_->pending("file", 100)->size(), 8u);
  for (const std::string& sink : kSinks) ASSERT_TRUE(store_->mark_delivered(sink, 1));
  EXPECT_TRUE(store_->put_alert(more, kSinks, 0));
}

}  // namespace
}  // namespace de::store
