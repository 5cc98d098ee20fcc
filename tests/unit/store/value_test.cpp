// Values, keys and the limits of their readers.
#include "store/value.h"

#include <gtest/gtest.h>

#include "store/compress.h"
#include "store/dictionary.h"
#include "store/keys.h"

namespace de::store {
namespace {

TEST(Value, SealsAndUnseals) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(5000, '\xff')}) {
    const std::string sealed = seal(payload);
    const auto back = unseal(sealed, "test");
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, payload);
  }
}

TEST(Value, EveryFlippedBitIsNoticed) {
  const std::string good = seal("payload of a value");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto back = unseal(bad, "test");
    ASSERT_FALSE(back) << bit;
    EXPECT_EQ(back.error().code(), Errc::Corrupt);
  }
}

TEST(Value, AnotherVersionIsNamedAndNotSkipped) {
  std::string value = seal("x");
  value[0] = 2;
  const auto back = unseal(value, "event");
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().what(), "event: value has version 2, this agent knows 1");
  EXPECT_EQ(unseal("\x01\x02", "event").error().code(), Errc::Corrupt);
}

TEST(Value, NumbersComeBack) {
  std::string bytes;
  const std::uint64_t numbers[] = {0, 1, 127, 128, 1ULL << 32, UINT64_MAX};
  for (const std::uint64_t n : numbers) put_varint(bytes, n);
  const std::int64_t signs[] = {0, -1, 1, INT64_MIN, INT64_MAX};
  for (const std::int64_t n : signs) put_varint(bytes, zigzag(n));
  Reader reader(bytes);
  for (const std::uint64_t n : numbers) EXPECT_EQ(reader.varint(), n);
  for (const std::int64_t n : signs) EXPECT_EQ(reader.signed_varint(), n);
  EXPECT_TRUE(reader.finished());
  const auto number = decode_number(encode_number(77), "n");
  ASSERT_TRUE(number);
  EXPECT_EQ(*number, 77u);
}

struct BadBytes {
  const char* why;
  std::string bytes;
};

TEST(Value, ReaderRefuses) {
  const BadBytes varints[] = {{"empty", ""},
                              {"cut", "\x80"},
                              {"eleven bytes", std::string(10, '\x80') + "\x01"},
                              {"65 bits", std::string(9, '\xff') + "\x02"}};
  for (const BadBytes& bad : varints) {
    Reader reader(bad.bytes);
    EXPECT_EQ(reader.varint(), 0u) << bad.why;
    EXPECT_FALSE(reader.ok()) << bad.why;
  }
  Reader longer(
      std::string_view("\x05"
                       "abc",
                       4));
  EXPECT_EQ(longer.bytes(), "");
  EXPECT_FALSE(longer.ok());
  Reader many(
      std::string_view("\x7f"
                       "abc",
                       4));
  EXPECT_EQ(many.count(1), 0u);  // 127 things do not fit into three bytes.
  EXPECT_FALSE(many.ok());
}

TEST(Keys, SortLikeTime) {
  const TimeKey keys[] = {{0, 0}, {0, 1}, {1, 0}, {255, 9}, {256, 0}, {1ULL << 40, 3}};
  for (std::size_t i = 1; i < std::size(keys); ++i) EXPECT_LT(view(to_bytes(keys[i - 1])), view(to_bytes(keys[i])));
  EXPECT_EQ(parse_time_key(view(to_bytes(keys[5]))), keys[5]);
  EXPECT_FALSE(parse_time_key("short"));
}

TEST(Keys, DaysHaveNames) {
  EXPECT_EQ(day_name(0), "1970-01-01");
  EXPECT_EQ(day_name(kDayMs - 1), "1970-01-01");
  EXPECT_EQ(day_name(1'767'355'200'000), "2026-01-02");
  EXPECT_EQ(parse_day_name("2026-01-02"), 1'767'312'000'000);
  for (const char* bad :
       {"", "2026-1-2", "2026-02-30", "1969-12-31", "2026-01-02x", "state", "2026/01/02", "20a6-01-02"})
    EXPECT_FALSE(parse_day_name(bad)) << bad;
}

TEST(Compress, RefusesWhatIsTooLargeOrBroken) {
  Packer packer;
  Unpacker unpacker;
  std::string packed;
  ASSERT_TRUE(packer.pack(packed, std::string(100'000, 'z')));
  EXPECT_LT(packed.size(), 200u);
  EXPECT_EQ(unpacker.unpack(packed, 99'999).error().code(), Errc::TooLarge);
  const auto whole = unpacker.unpack(packed, 100'000);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->size(), 100'000u);
  EXPECT_EQ(unpacker.unpack("not zstd", 100).error().code(), Errc::Corrupt);
  EXPECT_EQ(unpacker.unpack(std::string_view(packed).substr(0, packed.size() - 3), 1 << 20).error().code(),
            Errc::Corrupt);
}

TEST(Dictionary, GivesAnIdAtSecondSight) {
  Dictionary dictionary(10);
  EXPECT_FALSE(dictionary.id_of("a string"));
  EXPECT_FALSE(dictionary.id_of("another"));
  EXPECT_EQ(dictionary.id_of("a string"), 10u);
  EXPECT_EQ(dictionary.id_of("a string"), 10u);
  ASSERT_EQ(dictionary.staged().size(), 1u);
  EXPECT_EQ(dictionary.staged()[0].second, "a string");
  dictionary.committed();
  EXPECT_EQ(dictionary.id_of("a string"), 10u);
  EXPECT_TRUE(dictionary.staged().empty());
  EXPECT_EQ(dictionary.next_id(), 11u);
  EXPECT_FALSE(dictionary.id_of("tiny"));
  EXPECT_FALSE(dictionary.id_of("tiny"));
}

}  // namespace
}  // namespace de::store
