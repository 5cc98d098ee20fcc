#include "alert/dedupe_key.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace de::alert {
namespace {

using Parts = std::vector<std::optional<std::string_view>>;

TEST(DedupeKey, ReadsLikeItsParts) {
  EXPECT_EQ(dedupe_key(Parts{"web-shell", "sh", "/bin/sh", "33"}), "web-shell|sh|/bin/sh|33");
  EXPECT_EQ(dedupe_key(Parts{"r", std::nullopt, "", "a b"}), "r||%|a%20b");
  EXPECT_EQ(dedupe_key(Parts{"r", "\xff|%\n"}), "r|%ff%7c%25%0a");
  EXPECT_EQ(dedupe_key(Parts{}), "");
}

TEST(DedupeKey, NoTwoListsShareAKey) {
  const std::string long_a(1'000, 'a');
  const std::string long_b = std::string(999, 'a') + "b";
  const Parts lists[] = {
      {"r", "a", "b"},
      {"r", "a|b"},
      {"r", "a%7cb"},
      {"r|a", "b"},
      {"r", "ab"},
      {"r", "a", "b", ""},
      {"r", "a", "b", std::nullopt},
      {"r", "", std::nullopt},
      {"r", std::nullopt, ""},
      {"r", "%"},
      {"r", ""},
      {"r", "%25"},
      {"r", "A"},
      {"r", "a"},
      {"r", "\xc3\xa9"},
      {"r", "\xe9"},
      {"r", "\xff"},
      {"r", "\xfe"},
      {"r", long_a},
      {"r", long_b},
  };
  std::set<std::string> keys;
  for (const Parts& parts : lists) {
    const std::string key = dedupe_key(parts);
    EXPECT_TRUE(keys.insert(key).second) << key;
  }
}

TEST(DedupeKey, IsBoundedAndPrintable) {
  for (const std::size_t size : {100UL, 254UL, 255UL, 256UL, 10'000UL, 70'000UL}) {
    const std::string text(size, '\x01');
    const std::string key = dedupe_key(Parts{"r", text});
    EXPECT_LE(key.size(), kMaxKeyBytes + 1);
    for (const char c : key) EXPECT_TRUE(c > ' ' && c < 0x7F);
  }
  EXPECT_EQ(dedupe_key(Parts{"r", std::string(254, 'a')}).size(), kMaxKeyBytes);
}

TEST(DedupeKey, AShortKeyCannotPretendToBeACutOne) {
  const std::string cut = dedupe_key(Parts{"r", std::string(10'000, 'a')});
  // The forger knows the key and uses it as a name under the same rule.
  EXPECT_NE(dedupe_key(Parts{"r", cut.substr(2)}), cut);
}

}  // namespace
}  // namespace de::alert
