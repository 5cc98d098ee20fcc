#include "trace/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/schema/process_columns.h"

namespace de::trace {
namespace {

using testing::HasSubstr;

class CaptureTest : public testing::Test {
 protected:
  CaptureTest() {
    auto trace = std::make_shared<Trace>();
    trace->id = "t";
    trace->rule_id = "r";
    trace->order.command_line = trace->order.environment = trace->order.open_files = true;
    trace->order.depth = 2;
    reading_ = {trace, {7, uid_}, "exec", false};
  }
  void tell(const char* table, std::vector<schema::Cell> rest, const std::string& uid) {
    mirror::ForeignRow row = {std::int64_t{7}, schema::uid_text(uid)};
    for (schema::Cell& cell : rest) row.push_back(std::move(cell));
    rows_.rows[{table, 7}].push_back(std::move(row));
  }

  const std::string uid_ = std::string(16, 'u');
  Reading reading_;
  mirror::LiveRows rows_;
};

TEST_F(CaptureTest, EverythingThatWasReadIsInIt) {
  tell("processes.command_lines", {std::string("sh -c x")}, uid_);
  tell("processes.environments", {std::string("HOME"), std::string("/root")}, uid_);
  tell("processes.open_files", {std::int64_t{3}, std::string("/etc/shadow")}, uid_);
  tell("processes.open_files", {std::int64_t{4}, schema::Cell{}}, uid_);
  EXPECT_EQ(keys_of(reading_).size(), 3U);
  const pb::Capture capture = capture_of(reading_, rows_, 5);
  ASSERT_EQ(capture.items_size(), 4);
  EXPECT_EQ(capture.items(0).value(), "sh -c x");
  EXPECT_EQ(capture.items(1).key(), "HOME");
  EXPECT_EQ(capture.items(2).key(), "3");
  EXPECT_EQ(capture.items(2).value(), "/etc/shadow");
  EXPECT_FALSE(capture.items(3).has_value());
  EXPECT_EQ(capture.incomplete(), "");
  EXPECT_EQ(capture.depth(), 2U);
  EXPECT_EQ(capture.time_ms(), 5);
}

TEST_F(CaptureTest, WhoHasThePidNowIsNotTakenForIt) {
  tell("processes.command_lines", {std::string("innocent")}, std::string(16, 'o'));
  tell("processes.open_files", {std::int64_t{3}, std::string("/x")}, std::string(16, 'o'));
  const pb::Capture capture = capture_of(reading_, rows_, 5);
  EXPECT_EQ(capture.items_size(), 0);
  EXPECT_EQ(capture.incomplete(), "the process had ended");
}

TEST_F(CaptureTest, WhatCouldNotBeReadIsSaid) {
  tell("processes.command_lines", {std::string("sh")}, uid_);
  rows_.failed["processes.environments"] = "collect.environment is false";
  rows_.cut["processes.open_files"] = "pid 7 has more than is told";
  EXPECT_EQ(capture_of(reading_, rows_, 5).incomplete(), "collect.environment is false; pid 7 has more than is told");
  mirror::LiveRows nothing;
  nothing.failed["processes.command_lines"] = "no answer in time";
  EXPECT_EQ(capture_of(reading_, nothing, 5).incomplete(), "no answer in time");
}

TEST_F(CaptureTest, ACaptureHoldsSoMuch) {
  tell("processes.command_lines", {std::string("sh")}, uid_);
  for (int i = 0; i < 100; ++i) tell("processes.environments", {std::string("K"), std::string(20'000, 'v')}, uid_);
  const pb::Capture capture = capture_of(reading_, rows_, 5);
  EXPECT_LT(capture.ByteSizeLong(), 1UL << 20);
  EXPECT_GT(capture.ByteSizeLong(), 800'000U);
  EXPECT_THAT(capture.incomplete(), HasSubstr("more than one capture holds"));
}

}  // namespace
}  // namespace de::trace
