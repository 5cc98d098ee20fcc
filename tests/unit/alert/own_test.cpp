#include "alert/own.h"

#include <gtest/gtest.h>

namespace de::alert {
namespace {

pb::Reason make_reason(const char* reason, const char* collector, const char* detail) {
  pb::Reason out;
  out.set_reason(reason);
  out.set_collector(collector);
  out.set_detail(detail);
  return out;
}

pb::Completeness make_completeness(std::initializer_list<pb::Reason> reasons) {
  pb::Completeness out;
  for (const pb::Reason& reason : reasons) *out.add_reasons() = reason;
  return out;
}

TEST(OwnAlert, SaysWhatWhereAndWhatToDo) {
  const pb::Alert alert =
      make_own(make_reason("CollectorUnavailable", "procmond", "gone since noon"), "host-7", system_clock());
  EXPECT_EQ(alert.rule_id(), "daemoneye.collector-unavailable");
  EXPECT_EQ(alert.severity(), pb::SEVERITY_HIGH);
  EXPECT_EQ(alert.host(), "host-7");
  EXPECT_EQ(alert.count(), 1U);
  EXPECT_FALSE(alert.id().empty());
  EXPECT_NE(alert.description().find("gone since noon"), std::string::npos);
  EXPECT_NE(alert.description().find("log"), std::string::npos);
  EXPECT_FALSE(alert.completeness().complete());
}

TEST(OwnAlert, RoomOfTheStoreAndBudgetOfARuleAreTwoThings) {
  const pb::Alert store = make_own(make_reason("ResourceLimit", "procmond", "disk full"), "h", system_clock());
  const pb::Alert rule = make_own(make_reason("ResourceLimit", "", "rule x: over 1000 ms"), "h", system_clock());
  EXPECT_NE(store.title(), rule.title());
  EXPECT_NE(store.dedupe_key(), rule.dedupe_key());
}

TEST(OwnAlert, TheSameTroubleOfTheSameCollectorFolds) {
  const pb::Alert first = make_own(make_reason("EventsShed", "a", "1 event"), "h", system_clock());
  const pb::Alert again = make_own(make_reason("EventsShed", "a", "9 events"), "h", system_clock());
  const pb::Alert other = make_own(make_reason("EventsShed", "b", "1 event"), "h", system_clock());
  EXPECT_EQ(first.dedupe_key(), again.dedupe_key());
  EXPECT_NE(first.dedupe_key(), other.dedupe_key());
  EXPECT_NE(first.id(), again.id());
}

TEST(OwnAlert, AReasonNobodyKnowsIsStillAnAlert) {
  const pb::Alert alert = make_own(make_reason("SchemaUnavailable", "", "no table"), "h", system_clock());
  EXPECT_EQ(alert.rule_id(), "daemoneye.schema-unavailable");
  EXPECT_FALSE(alert.title().empty());
}

TEST(OwnAlert, EachBookIsOneOfItsOwn) {
  pb::Reason model = make_reason("BooksUnbalanced", "procmond", "books.model does not balance: delivered 9 = events 8");
  model.set_subject("books.model");
  pb::Reason kernel = model;
  kernel.set_subject("books.kernel");
  const pb::Alert alert = make_own(model, "h", system_clock());
  EXPECT_EQ(alert.rule_id(), "daemoneye.books-unbalanced");
  EXPECT_EQ(alert.severity(), pb::SEVERITY_HIGH);
  EXPECT_EQ(alert.dedupe_key(), make_own(model, "h", system_clock()).dedupe_key());
  EXPECT_NE(alert.dedupe_key(), make_own(kernel, "h", system_clock()).dedupe_key());
  EXPECT_NE(alert.description().find("delivered 9 = events 8"), std::string::npos) << alert.description();
  OwnTroubles troubles;
  EXPECT_EQ(troubles.find_new(make_completeness({model})).size(), 1U);
  EXPECT_EQ(troubles.find_new(make_completeness({model, kernel})).size(), 1U);
  EXPECT_TRUE(troubles.find_new(make_completeness({model, kernel})).empty());
}

TEST(OwnTroubles, TellsEachOnceUntilItHasGone) {
  OwnTroubles troubles;
  const auto gone = make_reason("CollectorUnavailable", "procmond", "gone since 1");
  const auto gone_longer = make_reason("CollectorUnavailable", "procmond", "gone since 1, still");
  const auto shed = make_reason("EventsShed", "procmond", "1 event");
  EXPECT_TRUE(troubles.find_new(make_completeness({})).empty());
  EXPECT_EQ(troubles.find_new(make_completeness({gone, gone})).size(), 1U);
  EXPECT_TRUE(troubles.find_new(make_completeness({gone_longer})).empty());
  EXPECT_EQ(troubles.find_new(make_completeness({gone, shed})).size(), 1U);
  EXPECT_TRUE(troubles.find_new(make_completeness({})).empty());
  EXPECT_EQ(troubles.find_new(make_completeness({gone})).size(), 1U);
  EXPECT_TRUE(troubles.find_new(make_completeness({gone})).empty());
  troubles.forget();
  EXPECT_EQ(troubles.find_new(make_completeness({gone})).size(), 1U);
}

}  // namespace
}  // namespace de::alert
