#include "daemon/ledger_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace de::daemon {
namespace {

class LedgerQueueTest : public testing::Test {
 protected:
  bool is_connected = true;
  std::vector<pb::LedgerAppend> sent;
  LedgerQueue queue{[this](const pb::Envelope& message) {
    if (is_connected) sent.push_back(message.ledger_append());
    return is_connected;
  }};
};

TEST_F(LedgerQueueTest, SendsAtOnceAndKeepsUntilConfirmed) {
  queue.append("a", "{}");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].action(), "a");
  EXPECT_EQ(queue.waiting(), 1U);
  queue.confirm(sent[0].request_id());
  EXPECT_EQ(queue.waiting(), 0U);
}

TEST_F(LedgerQueueTest, WhatNobodyTookIsSentAgainInOrder) {
  is_connected = false;
  queue.append("first", "{}");
  queue.append("second", "{}");
  EXPECT_TRUE(sent.empty());
  is_connected = true;
  queue.resend();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].action(), "first");
  EXPECT_LT(sent[0].request_id(), sent[1].request_id());
}

TEST_F(LedgerQueueTest, AConfirmationCoversWhatWasSentBefore) {
  for (int i = 0; i < 3; ++i) queue.append("x", "{}");
  queue.confirm(sent[1].request_id());
  EXPECT_EQ(queue.waiting(), 1U);
  queue.confirm(sent[0].request_id());  // Late, and again.
  EXPECT_EQ(queue.waiting(), 1U);
}

TEST_F(LedgerQueueTest, AtItsLimitEntriesAreLostCountedAndTheLossIsEntered) {
  is_connected = false;
  for (std::size_t i = 0; i < LedgerQueue::kMaxEntries + 7; ++i) queue.append("x", "{}");
  EXPECT_EQ(queue.waiting(), LedgerQueue::kMaxEntries);
  EXPECT_EQ(queue.lost(), 7U);
  is_connected = true;
  queue.resend();
  ASSERT_EQ(sent.size(), LedgerQueue::kMaxEntries);
  queue.confirm(sent.back().request_id());
  ASSERT_EQ(sent.back().action(), "ledger.entries_lost");
  EXPECT_EQ(sent.back().payload(), "{\"count\":7}");
  queue.append("after", "{}");
  EXPECT_EQ(sent.back().action(), "after");
  EXPECT_EQ(queue.lost(), 7U);
}

}  // namespace
}  // namespace de::daemon
