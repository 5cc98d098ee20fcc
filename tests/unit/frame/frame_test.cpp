#include "daemoneye/frame/frame.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace de::frame {
namespace {

using Raw = std::array<std::byte, kHeaderBytes>;

Raw header_of(std::string_view payload) {
  Raw raw{};
  write_header(raw, payload);
  return raw;
}

TEST(Frame, HeaderIsLengthThenChecksumLittleEndian) {
  const Raw expected = {std::byte{9},    std::byte{0},    std::byte{0},    std::byte{0},
                        std::byte{0x83}, std::byte{0x92}, std::byte{0x06}, std::byte{0xe3}};
  EXPECT_EQ(header_of("123456789"), expected);
}

TEST(Frame, ReadsBackWhatWasWritten) {
  const std::string payload(300'000, 'x');
  const Result<Header> header = read_header(header_of(payload), payload.size());
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header->payload_bytes, payload.size());
  EXPECT_EQ(header->crc, crc32c(payload));
  EXPECT_TRUE(check_payload(*header, payload));
}

struct LimitCase {
  const char* name;
  std::size_t limit;
  bool accepted;
};

class FrameLimit : public testing::TestWithParam<LimitCase> {};

TEST_P(FrameLimit, IsInclusive) {
  const Result<Header> header = read_header(header_of("12345"), GetParam().limit);
  ASSERT_EQ(header.has_value(), GetParam().accepted);
  if (!header) {
    EXPECT_EQ(header.error().code(), Errc::TooLarge);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, FrameLimit,
                         testing::Values(LimitCase{"Nothing", 0, false}, LimitCase{"OneShort", 4, false},
                                         LimitCase{"Exact", 5, true}, LimitCase{"Roomy", 6, true}),
                         [](const auto& row) { return row.param.name; });

TEST(Frame, LargestLengthIsRefusedWithBothNumbers) {
  Raw raw;
  raw.fill(std::byte{0xff});
  const Result<Header> header = read_header(raw, 4 << 20);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code(), Errc::TooLarge);
  EXPECT_NE(header.error().message().find("4294967295"), std::string::npos);
  EXPECT_NE(header.error().message().find("4194304"), std::string::npos);
}

TEST(Frame, EmptyPayloadIsCorruptWhateverTheLimit) {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1024}}) {
    const Result<Header> header = read_header(Raw{}, limit);
    ASSERT_FALSE(header);
    EXPECT_EQ(header.error().code(), Errc::Corrupt);
  }
}

TEST(Frame, PayloadMustHaveTheLengthAndChecksumOfTheHeader) {
  const Result<Header> header = read_header(header_of("payload"), 100);
  ASSERT_TRUE(header);
  for (const char* other : {"", "payloa", "payload!", "Payload", "daolyap"}) {
    const Result<> checked = check_payload(*header, other);
    ASSERT_FALSE(checked) << other;
    EXPECT_EQ(checked.error().code(), Errc::Corrupt);
  }
}

}  // namespace
}  // namespace de::frame
