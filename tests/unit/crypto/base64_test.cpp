#include "daemoneye/crypto/base64.h"

#include <gtest/gtest.h>

namespace de::crypto {
namespace {

// RFC 4648, section 10, and the two digits that other alphabets have others for.
TEST(Base64, IsThatOfTheStandard) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("\xfb\xff\xfe"), "+//+");
}

}  // namespace
}  // namespace de::crypto
