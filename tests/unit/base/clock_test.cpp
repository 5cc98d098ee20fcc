#include "daemoneye/base/clock.h"

#include <gtest/gtest.h>

#include "daemoneye/base/byte_order.h"

namespace de {
namespace {

TEST(Iso8601, PrintsUtcWithMilliseconds) {
  EXPECT_STREQ(to_iso8601(0).text, "1970-01-01T00:00:00.000Z");
  EXPECT_STREQ(to_iso8601(1'767'323'045'678).text, "2026-01-02T03:04:05.678Z");
}

TEST(Iso8601, PrintsTimesOutsideItsYearsAsNumbers) {
  EXPECT_STREQ(to_iso8601(-1).text, "-1");
  EXPECT_STREQ(to_iso8601(9'000'000'000'000'000'000).text, "9000000000000000000");
}

TEST(SystemClock, SteadyTimeNeverGoesBack) {
  std::int64_t last = system_clock().steady_ns();
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t now = system_clock().steady_ns();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(system_clock().unix_ms(), 1'700'000'000'000);
}

TEST(ByteOrder, KeysSortAsTheirNumbers) {
  std::string small;
  std::string large;
  append_be<std::uint64_t>(small, 255);
  append_be<std::uint64_t>(large, 256);
  EXPECT_LT(small, large);
  EXPECT_EQ(load_be<std::uint64_t>(large.data()), 256U);
}

TEST(ByteOrder, WireOrderIsLittleEndian) {
  std::string bytes;
  append_le<std::uint32_t>(bytes, 0x01020304U);
  EXPECT_EQ(bytes, std::string("\x04\x03\x02\x01", 4));
  EXPECT_EQ(load_le<std::uint32_t>(bytes.data()), 0x01020304U);
}

}  // namespace
}  // namespace de
