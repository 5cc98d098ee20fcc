#include "daemoneye/crypto/uuid.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace de::crypto {
namespace {

constexpr Uuid kDnsNamespace = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
                                0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};

TEST(UuidV5, MatchesPublishedVectors) {
  struct Case {
    const char* name;
    const char* text;
  };
  const Case cases[] = {
      {"www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"},  // RFC 9562, appendix A.4.
      {"python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"},       // Python's uuid module.
  };
  for (const Case& c : cases) EXPECT_EQ(to_text(uuid_v5(kDnsNamespace, c.name)), c.text) << c.name;
}

TEST(UuidV5, EmptyNameAndBinaryNameAreNames) {
  const Uuid empty = uuid_v5(kDnsNamespace, "");
  EXPECT_EQ(empty[6] >> 4, 5);
  EXPECT_EQ(empty[8] >> 6, 2);
  EXPECT_NE(uuid_v5(kDnsNamespace, std::string_view("a\0b", 3)), uuid_v5(kDnsNamespace, "a"));
}

TEST(UuidV5, NamespaceMatters) { EXPECT_NE(uuid_v5(kDnsNamespace, "x"), uuid_v5(Uuid{}, "x")); }

TEST(UuidV5, SameFromEveryThread) {
  const Uuid here = uuid_v5(kDnsNamespace, "thread");
  Uuid there{};
  std::thread([&] { there = uuid_v5(kDnsNamespace, "thread"); }).join();
  EXPECT_EQ(here, there);
}

TEST(UuidV4, HasTheShapeAndDoesNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = uuid_v4();
    ASSERT_EQ(text.size(), 36u);
    for (const std::size_t at : {8u, 13u, 18u, 23u}) EXPECT_EQ(text[at], '-');
    EXPECT_EQ(text[14], '4');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
    EXPECT_TRUE(seen.insert(text).second);
  }
}

}  // namespace
}  // namespace de::crypto
