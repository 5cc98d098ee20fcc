#include "daemoneye/base/allowance.h"

#include <gtest/gtest.h>

namespace de {
namespace {

constexpr std::int64_t kBegin = 5'000'000'000;
constexpr std::int64_t kTenthNs = 100'000'000;

int taken(Allowance& allowance, std::int64_t now_ns) {
  int out = 0;
  while (out < 1'000 && allowance.take(now_ns)) ++out;
  return out;
}

TEST(Allowance, SoManyAtOnceAndThenSoManyASecond) {
  Allowance allowance(10, 30);
  EXPECT_EQ(taken(allowance, kBegin), 30);
  EXPECT_FALSE(allowance.take(kBegin + kTenthNs * 9 / 10));
  EXPECT_TRUE(allowance.take(kBegin + kTenthNs * 101 / 100)) << "who asks in vain loses nothing";
  EXPECT_FALSE(allowance.take(kBegin + kTenthNs * 101 / 100));
  EXPECT_EQ(taken(allowance, kBegin + 11 * kTenthNs), 10);
}

TEST(Allowance, APauseSavesUpNoMoreThanThat) {
  Allowance allowance(10, 30);
  EXPECT_EQ(taken(allowance, kBegin), 30);
  EXPECT_EQ(taken(allowance, kBegin + 36'000 * kTenthNs), 30);
}

TEST(Allowance, ToAskTakesNothing) {
  Allowance allowance(1, 1);
  EXPECT_EQ(allowance.asked_ns(), 0) << "never";
  EXPECT_TRUE(allowance.has(kBegin));
  EXPECT_TRUE(allowance.has(kBegin));
  EXPECT_EQ(allowance.asked_ns(), kBegin);
  EXPECT_TRUE(allowance.take(kBegin));
  EXPECT_FALSE(allowance.has(kBegin + kTenthNs));
  EXPECT_EQ(allowance.asked_ns(), kBegin + kTenthNs);
}

}  // namespace
}  // namespace de
