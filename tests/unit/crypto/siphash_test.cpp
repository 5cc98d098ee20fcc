#include "daemoneye/crypto/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace de::crypto {
namespace {

TEST(SipHash, AgreesWithThePublishedVectors) {
  // Key 00..0f, input 00 01 02 ..
  const SipHash hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
  std::string input;
  EXPECT_EQ(hash(input), 0x726fdb47dd0e0e31);
  for (char c = 0; c < 15; ++c) input.push_back(c);
  EXPECT_EQ(hash(input), 0xa129ca6149be45e5);
}

TEST(SipHash, HasAKeyOfItsOwn) { EXPECT_NE(SipHash()("x"), SipHash()("x")); }

}  // namespace
}  // namespace de::crypto
