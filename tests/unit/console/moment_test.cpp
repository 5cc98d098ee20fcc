#include "console/moment.h"

#include <gmock/gmock.h>

namespace de::console {
namespace {

constexpr std::int64_t kNow = 1'767'355'200'000;  // 2026-01-02T12:00:00Z

std::int64_t ms(std::string_view text) {
  const auto moment = parse_moment(text, kNow);
  return moment ? *moment : -1;
}

TEST(Moment, IsADateWithOrWithoutATime) {
  EXPECT_EQ(ms("2026-01-02T12:00:00Z"), kNow);
  EXPECT_EQ(ms("2026-01-02T12:00:00"), kNow);
  EXPECT_EQ(ms("2026-01-02 12:00"), kNow);
  EXPECT_EQ(ms("2026-01-02"), kNow - 12 * 3'600'000);
  EXPECT_EQ(ms("2026-01-02T11:59:58.75Z"), kNow - 1'250);
  EXPECT_EQ(ms("2026-01-02T11:59:59.123456Z"), kNow - 877);
  EXPECT_EQ(ms("1970-01-01"), 0);
  EXPECT_EQ(ms("2024-02-29"), 1'709'164'800'000);
}

TEST(Moment, IsSoLongAgo) {
  EXPECT_EQ(ms("90s"), kNow - 90'000);
  EXPECT_EQ(ms("10m"), kNow - 600'000);
  EXPECT_EQ(ms("2h"), kNow - 7'200'000);
  EXPECT_EQ(ms("3d"), kNow - 3 * 86'400'000LL);
  EXPECT_EQ(ms("0s"), kNow);
}

TEST(Moment, IsMilliseconds) {
  EXPECT_EQ(ms("1767355200000"), kNow);
  EXPECT_EQ(ms("1767355200"), -1) << "seconds would be a day in January 1970";
}

TEST(Moment, AnythingElseIsRefusedWithTheForms) {
  for (const std::string_view text : {"",
                                      "yesterday",
                                      "10",
                                      "10x",
                                      "10m ",
                                      "-10m",
                                      "+1h",
                                      "m",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2025-02-29",
                                      "2026-1-2",
                                      "2026-01-02T24:00",
                                      "2026-01-02T12:60",
                                      "2026-01-02T12:00:00+01:00",
                                      "2026-01-02T12:00:00.Z",
                                      "2026-01-02T",
                                      "2026-01-02T12",
                                      "99999999999999999999",
                                      "99999999999999d",
                                      "60000d"})
    EXPECT_EQ(ms(text), -1) << text;
  const auto refused = parse_moment(
      "yester\x1b"
      "day",
      kNow);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("2026-11-23T05:00:00Z"));
  EXPECT_THAT(refused.error().message(), testing::Not(testing::HasSubstr("\x1b")));
}

}  // namespace
}  // namespace de::console
