#include "supervise/token.h"

#include <gtest/gtest.h>

#include <set>

#include "fake_clock.h"

namespace de::supervise {
namespace {

using namespace std::chrono_literals;

class TokenBookTest : public testing::Test {
 protected:
  std::string issue(const std::string& id) {
    auto token = book.issue(id);
    EXPECT_TRUE(token) << token.error().message();
    return token ? *token : std::string();
  }
  FakeClock clock;
  TokenBook book{clock, 60s};
};

TEST(MakeToken, Is32BytesOfHexAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto token = make_token();
    ASSERT_TRUE(token);
    EXPECT_EQ(token->size(), 2 * kTokenBytes);
    EXPECT_EQ(token->find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(*token).second);
  }
}

TEST(EqualConstantTime, ComparesLikeAnyOther) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("xbc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_constant_time("", "a"));
  EXPECT_FALSE(equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST_F(TokenBookTest, WorksOnce) {
  const std::string token = issue("procmond");
  EXPECT_TRUE(book.is_expected("procmond"));
  EXPECT_TRUE(book.redeem("procmond", token));
  EXPECT_FALSE(book.redeem("procmond", token));
  EXPECT_FALSE(book.is_expected("procmond"));
}

TEST_F(TokenBookTest, BelongsToOneCollector) {
  const std::string token = issue("procmond");
  issue("netmond");
  EXPECT_FALSE(book.redeem("netmond", token));
  EXPECT_FALSE(book.redeem("unknown", token));
  EXPECT_TRUE(book.redeem("procmond", token));
}

TEST_F(TokenBookTest, WrongAttemptsDoNotUseItUp) {
  const std::string token = issue("procmond");
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(book.redeem("procmond", ""));
  EXPECT_FALSE(book.redeem("procmond", token.substr(1)));
  EXPECT_FALSE(book.redeem("procmond", token + "0"));
  EXPECT_TRUE(book.redeem("procmond", token));
}

TEST_F(TokenBookTest, Expires) {
  const std::string token = issue("procmond");
  clock.now_ns += 60'000'000'000 - 1;
  EXPECT_TRUE(book.is_expected("procmond"));
  clock.now_ns += 1;
  EXPECT_FALSE(book.is_expected("procmond"));
  EXPECT_FALSE(book.redeem("procmond", token));
}

TEST_F(TokenBookTest, ANewOneReplacesTheOld) {
  const std::string old = issue("procmond");
  const std::string fresh = issue("procmond");
  EXPECT_FALSE(book.redeem("procmond", old));
  EXPECT_TRUE(book.redeem("procmond", fresh));
}

TEST_F(TokenBookTest, Revokes) {
  const std::string token = issue("procmond");
  book.revoke("procmond");
  book.revoke("never issued");
  EXPECT_FALSE(book.redeem("procmond", token));
}

TEST_F(TokenBookTest, IsBoundedUntilTokensExpire) {
  for (std::size_t i = 0; i < kMaxTokens; ++i) issue("collector-" + std::to_string(i));
  const auto refused = book.issue("one more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Exhausted);
  EXPECT_TRUE(book.issue("collector-0")) << "replacing needs no room";
  clock.now_ns += 60'000'000'000;
  EXPECT_TRUE(book.issue("one more"));
}

}  // namespace
}  // namespace de::supervise
