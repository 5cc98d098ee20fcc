#include "daemoneye/frame/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace de::frame {
namespace {

struct Known {
  const char* name;
  std::string bytes;
  std::uint32_t crc;
};

std::string counting(int from, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes += static_cast<char>(from + i * step);
  return bytes;
}

class Crc32cKnown : public testing::TestWithParam<Known> {};

TEST_P(Crc32cKnown, BothWaysAgreeWithThePublishedValue) {
  EXPECT_EQ(crc32c(GetParam().bytes), GetParam().crc);
  EXPECT_EQ(crc32c_portable(GetParam().bytes), GetParam().crc);
}

// The last four are from RFC 3720, appendix B.4.
INSTANTIATE_TEST_SUITE_P(Values, Crc32cKnown,
                         testing::Values(Known{"Empty", "", 0}, Known{"Check", "123456789", 0xe3069283},
                                         Known{"Letter", "a", 0xc1d04330},
                                         Known{"Zeros", std::string(32, '\0'), 0x8a9136aa},
                                         Known{"Ones", std::string(32, '\xff'), 0x62a8ab43},
                                         Known{"Rising", counting(0, 1), 0x46dd794e},
                                         Known{"Falling", counting(31, -1), 0x113fdb5c}),
                         [](const auto& row) { return row.param.name; });

TEST(Crc32c, BothWaysAgreeOnEveryLengthAndAlignment) {
  std::minstd_rand random(1);
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random());
  const std::string_view view = bytes;
  for (std::size_t start = 0; start < 9; ++start)
    for (std::size_t length = 0; start + length <= view.size(); ++length) {
      const std::string_view part = view.substr(start, length);
      ASSERT_EQ(crc32c(part, 7), crc32c_portable(part, 7)) << start << "+" << length;
    }
}

TEST(Crc32c, ContinuesFromWhatCameBefore) {
  const std::string_view text = "the quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << cut;
    EXPECT_EQ(crc32c_portable(text.substr(cut), crc32c_portable(text.substr(0, cut))), crc32c(text)) << cut;
  }
}

TEST(Crc32c, EveryFlippedBitChangesIt) {
  const std::string text = "sixteen bytes!!!";
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(crc32c(changed), crc32c(text)) << bit;
  }
}

}  // namespace
}  // namespace de::frame
