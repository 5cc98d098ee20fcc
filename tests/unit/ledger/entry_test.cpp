#include "daemoneye/ledger/entry.h"

#include <gtest/gtest.h>

#include "daemoneye/base/text.h"

namespace de::ledger {
namespace {

Entry sample() {
  Entry entry;
  entry.sequence = 7;
  entry.time_ms = -5;
  entry.actor = "uid:1000";
  entry.action = "rule.changed";
  entry.payload = R"({"rule":"x"})";
  entry.previous_hash.fill(0xAB);
  return entry;
}

TEST(Entry, RoundTrip) {
  Entry entry = sample();
  const auto bytes = encode(entry);
  ASSERT_TRUE(bytes);
  const auto back = decode(*bytes);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, entry);
  EXPECT_EQ(*stated_bytes(*bytes), bytes->size());
}

TEST(Entry, BytesAreFixed) {
  // As docs/storage.md writes them down: a change here needs a new version number.
  Entry entry = sample();
  const auto bytes = encode(entry);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(to_hex(std::string_view(*bytes).substr(0, 19)),
            "01"
            "0700000000000000"
            "fbffffffffffffff"
            "0800");
  EXPECT_EQ(bytes->size(), kMinEntryBytes - 2 + 8 + 12 + 12);
  crypto::Blake3 hash("DaemonEye ledger entry v1");
  hash.update(std::string_view(*bytes).substr(0, bytes->size() - 32));
  EXPECT_EQ(hash.finish(), entry.entry_hash);
}

TEST(Entry, LimitsAreExact) {
  struct Case {
    const char* name;
    std::size_t actor, action, payload;
    bool ok;
    Errc code;
  };
  const Case cases[] = {
      {"all at their limit", kMaxActorBytes, kMaxActionBytes, kMaxPayloadBytes, true, Errc::Io},
      {"empty payload", 1, 1, 0, true, Errc::Io},
      {"actor too long", kMaxActorBytes + 1, 1, 0, false, Errc::TooLarge},
      {"action too long", 1, kMaxActionBytes + 1, 0, false, Errc::TooLarge},
      {"payload too long", 1, 1, kMaxPayloadBytes + 1, false, Errc::TooLarge},
      {"no actor", 0, 1, 0, false, Errc::Invalid},
      {"no action", 1, 0, 0, false, Errc::Invalid},
  };
  for (const Case& c : cases) {
    Entry entry;
    entry.actor.assign(c.actor, 'a');
    entry.action.assign(c.action, 'b');
    entry.payload.assign(c.payload, 'c');
    const auto bytes = encode(entry);
    ASSERT_EQ(bytes.has_value(), c.ok) << c.name;
    if (!c.ok) {
      EXPECT_EQ(bytes.error().code(), c.code) << c.name;
      continue;
    }
    EXPECT_LE(bytes->size(), kMaxEntryBytes) << c.name;
    EXPECT_GE(bytes->size(), kMinEntryBytes) << c.name;
    EXPECT_TRUE(decode(*bytes)) << c.name;
  }
}

TEST(Entry, EveryChangedBitIsNoticed) {
  Entry entry = sample();
  const auto bytes = encode(entry);
  ASSERT_TRUE(bytes);
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = *bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(decode(changed)) << "byte " << i << " bit " << bit;
    }
  }
}

TEST(Entry, EveryShorterPieceIsRefused) {
  Entry entry = sample();
  const auto bytes = encode(entry);
  ASSERT_TRUE(bytes);
  for (std::size_t n = 0; n < bytes->size(); ++n) {
    const auto decoded = decode(std::string_view(*bytes).substr(0, n));
    ASSERT_FALSE(decoded) << n;
    EXPECT_EQ(decoded.error().code(), Errc::Corrupt) << n;
  }
  EXPECT_EQ(decode(*bytes + "x").error().code(), Errc::Corrupt);
}

TEST(Entry, RefusalsSayWhy) {
  Entry entry = sample();
  std::string bytes = *encode(entry);
  bytes[0] = 9;
  EXPECT_EQ(decode(bytes).error().code(), Errc::Unsupported);
  EXPECT_NE(decode(bytes).error().message().find("version 9"), std::string::npos);
  bytes[0] = 1;
  bytes[18] = char(0x7F);  // High byte of the actor's length.
  EXPECT_EQ(decode(bytes).error().code(), Errc::TooLarge);
  EXPECT_EQ(decode(std::string(kMaxEntryBytes + 1, 'x')).error().code(), Errc::TooLarge);
}

TEST(Entry, PayloadCannotPassForAnEntry) {
  // The same bytes as payload and as entry hash differently.
  crypto::Blake3 as_payload(kPayloadContext);
  crypto::Blake3 as_entry(kEntryContext);
  as_payload.update("same");
  as_entry.update("same");
  EXPECT_NE(as_payload.finish(), as_entry.finish());
}

TEST(StatedBytes, GrowsWithWhatIsThere) {
  Entry entry = sample();
  const std::string bytes = *encode(entry);
  const std::size_t known_at = 1 + 8 + 8 + 2 + 8 + 2 + 12 + 4;
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    const auto stated = stated_bytes(std::string_view(bytes).substr(0, n));
    ASSERT_TRUE(stated) << n;
    EXPECT_EQ(*stated, n < known_at ? 0 : bytes.size()) << n;
  }
}

}  // namespace
}  // namespace de::ledger
