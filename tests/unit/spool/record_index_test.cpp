#include "spool/record_index.h"

#include <gtest/gtest.h>

#include <vector>

namespace de::spool {
namespace {

// `count` records of 100 bytes behind each other.
void add(RecordIndex& index, std::uint64_t first, std::uint32_t offset, std::uint32_t count, std::uint64_t apart = 0) {
  for (std::uint32_t i = 0; i < count; ++i) index.add({first + i, offset + i * 100, 100}, apart);
}

TEST(RecordIndex, ManyRecordsAreFewRuns) {
  RecordIndex index;
  add(index, 1, 44, 100'000);
  EXPECT_EQ(index.runs(), (100'000 + kMaxBatchEvents - 1) / kMaxBatchEvents);
  EXPECT_EQ(index.first_sequence(), 1U);
  EXPECT_EQ(index.last_sequence(), 100'000U);
  for (const std::uint64_t sequence : {1U, 256U, 257U, 99'999U, 100'000U}) {
    const auto* run = index.find(sequence);
    ASSERT_NE(run, nullptr);
    EXPECT_EQ(run, index.find_back(sequence));
    EXPECT_LE(run->first, sequence);
    EXPECT_GE(run->last(), sequence);
    EXPECT_EQ(run->offset, 44 + (run->first - 1) * 100);
    EXPECT_EQ(index.count_from(sequence), 100'000 - sequence + 1);
  }
  EXPECT_EQ(index.find(100'001), nullptr);
  EXPECT_EQ(index.find_back(0), nullptr);
}

TEST(RecordIndex, AHoleInNumbersOrBytesEndsARun) {
  RecordIndex index;
  add(index, 1, 44, 3);
  add(index, 10, 344, 3);  // Numbers 4 to 9 are missing.
  add(index, 13, 700, 3);  // Something else lies before it.
  EXPECT_EQ(index.runs(), 3U);
  EXPECT_EQ(index.find(4)->first, 10U);
  EXPECT_EQ(index.find_back(9)->last(), 3U);
  EXPECT_EQ(index.count_from(4), 6U);
  EXPECT_EQ(index.count_from(12), 4U);
}

TEST(RecordIndex, LargeRecordsMakeRunsThatFitAFrame) {
  RecordIndex index;
  for (std::uint32_t i = 0; i < 5; ++i) index.add({1 + i, 44 + i * 1'500'000, 1'500'000});
  EXPECT_EQ(index.runs(), 3U);
  for (std::uint64_t i = 1; i <= 5; ++i) EXPECT_LE(index.find(i)->bytes, kMaxBatchBytes);
}

TEST(RecordIndex, WhatIsCutLiesBehindWhatWasKeptApart) {
  RecordIndex index;
  add(index, 1, 44, 5);
  add(index, 9, 544, 300, 544);  // Numbers 6 to 8 are missing: they are not among what is cut.
  EXPECT_EQ(index.runs(), 3U);
  EXPECT_EQ(index.cut(544), 9U);
  EXPECT_EQ(index.last_sequence(), 5U);
  EXPECT_EQ(index.cut(544), 0U);
  EXPECT_EQ(index.cut(44), 1U);
  EXPECT_TRUE(index.empty());
}

}  // namespace
}  // namespace de::spool
