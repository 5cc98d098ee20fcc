// The stored forms on their own: what fits comes back, what does not is refused.
#include <gtest/gtest.h>

#include "store/record_codec.h"
#include "store/scan_codec.h"
#include "store/value.h"
#include "store_fixture.h"

namespace de::store {
namespace {

Metrics metrics(std::uint64_t memory) {
  Metrics m;
  m.present = 1U << static_cast<unsigned>(Metric::MemoryUsage);
  m.value[static_cast<std::size_t>(Metric::MemoryUsage)] = memory;
  return m;
}

ReadTable table_of(std::size_t size) {
  ReadTable table(size);
  for (ReadSlot& slot : table) slot.live = true;
  return table;
}

TEST(ScanCodec, ChangesApply) {
  ReadTable table = table_of(4);
  ChangeSet set;
  set.gone = {1};
  set.lives = {{2, false, 50}, {4, true, 49}};
  set.metrics = {{0, {}, metrics(4096)}, {4, {}, metrics(UINT64_MAX)}};
  set.offsets_ms = {5, 5, 6, -7};
  ASSERT_TRUE(apply_changes(encode_changes(set), 1000, table));
  ASSERT_EQ(table.size(), 5u);
  EXPECT_TRUE(table[0].live);
  EXPECT_FALSE(table[1].live);
  EXPECT_EQ(table[0].state.metrics, metrics(4096));
  EXPECT_EQ(table[4].state.metrics, metrics(UINT64_MAX));
  EXPECT_EQ(table[2].state.life, (TimeKey{1000, 50}));
  EXPECT_EQ(table[4].state.life, (TimeKey{1000, 49}));
  EXPECT_EQ(table[3].state.offset_ms, 6);
  EXPECT_EQ(table[4].state.offset_ms, -7);
}

TEST(ScanCodec, ChangesThatDoNotFitAreRefused) {
  const struct {
    const char* why;
    ChangeSet set;
  } cases[] = {
      {"gone was never there", {.gone = {3}, .lives = {}, .metrics = {}, .offsets_ms = {}}},
      {"new in a taken slot", {.gone = {}, .lives = {{1, true, 1}}, .metrics = {}, .offsets_ms = {}}},
      {"modified an empty slot", {.gone = {1}, .lives = {{1, false, 1}}, .metrics = {}, .offsets_ms = {}}},
      {"metrics of nobody", {.gone = {}, .lives = {}, .metrics = {{9, {}, metrics(1)}}, .offsets_ms = {}}},
      {"more offsets than processes", {.gone = {}, .lives = {}, .metrics = {}, .offsets_ms = {1, 2, 3, 4}}},
  };
  for (const auto& bad : cases) {
    ReadTable table = table_of(3);
    const auto applied = apply_changes(encode_changes(bad.set), 1000, table);
    ASSERT_FALSE(applied) << bad.why;
    EXPECT_EQ(applied.error().code(), Errc::Corrupt) << bad.why;
  }
  ReadTable table = table_of(3);
  std::string huge;
  put_varint(huge, 1);
  put_varint(huge, 1ULL << 40);  // A slot that would need a terabyte.
  EXPECT_EQ(apply_changes(huge, 1000, table).error().code(), Errc::Corrupt);
}

TEST(ScanCodec, BlocksApplyAndOverlapIsRefused) {
  const std::vector<std::uint32_t> slots = {0, 7, 8};
  const std::vector<SlotState> states = {{{900, 3}, metrics(1), 0}, {{1000, 2}, {}, 0}, {{1, 400}, metrics(7), 0}};
  const std::string block = encode_block(1000, slots, states);
  ReadTable table;
  ASSERT_TRUE(apply_block(block, 1000, table));
  ASSERT_EQ(table.size(), 9u);
  EXPECT_FALSE(table[3].live);
  EXPECT_EQ(table[8].state.life, (TimeKey{1, 400}));
  EXPECT_EQ(table[8].state.metrics, metrics(7));
  EXPECT_EQ(apply_block(block, 1000, table).error().code(), Errc::Corrupt);
  for (std::size_t cut = 0; cut < block.size(); ++cut) {
    ReadTable empty;
    EXPECT_FALSE(apply_block(std::string_view(block).substr(0, cut), 1000, empty)) << cut;
  }
}

TEST(ScanCodec, HeaderComesBackAndCutsAreRefused) {
  for (const bool keyframe : {false, true}) {
    ScanHeader header{meta_of(9, kNoon), 12, keyframe, {}, 5, 0, 0};
    if (keyframe) header.block_count = 3;
    if (!keyframe) header.previous = {8, 9};
    const std::string bytes = encode_header(header);
    const auto back = decode_header(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(encode_header(*back), bytes);
    EXPECT_EQ(back->previous, header.previous);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      EXPECT_FALSE(decode_header(std::string_view(bytes).substr(0, cut))) << cut;
  }
}

class RecordCodec : public testing::Test {
 protected:
  Result<std::string> resolve(std::uint64_t id) {
    for (const auto& [known, bytes] : dictionary_.staged())
      if (known == id) return bytes;
    return fail(Errc::Corrupt, "dictionary: no entry");
  }
  ResolveFn resolver() {
    return [this](std::uint64_t id) { return resolve(id); };
  }
  Dictionary dictionary_{1};
  RecordEncoder encoder_;
  RecordDecoder decoder_;
};

TEST_F(RecordCodec, ARepeatedProcessIsSmall) {
  RecordParts parts;
  std::string last;
  for (std::uint32_t n = 0; n < 200; n += 40) {  // The same program, other instances.
    ASSERT_TRUE(split_record(process(n, kNoon).SerializeAsString(), parts));
    const auto value = encoder_.life(LifeKind::Start, parts, dictionary_);
    ASSERT_TRUE(value);
    last = *value;
    const auto life = decoder_.life(last, resolver());
    ASSERT_TRUE(life) << life.error().message();
    pb::ProcessRecord back;
    ASSERT_TRUE(back.ParseFromString(life->statics));
    apply_metrics(metrics_of(process(n, kNoon)), back);
    back.set_collection_time_ms(kNoon);
    EXPECT_EQ(back.SerializeAsString(), process(n, kNoon).SerializeAsString());
  }
  EXPECT_LE(last.size(), 160u);
  EXPECT_GE(dictionary_.staged().size(), 1u);
}

TEST_F(RecordCodec, CutValuesAndUnknownIdsAreRefused) {
  RecordParts parts;
  ASSERT_TRUE(split_record(process(3, kNoon).SerializeAsString(), parts));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(encoder_.life(LifeKind::Start, parts, dictionary_));
  const auto value = encoder_.life(LifeKind::Start, parts, dictionary_);
  ASSERT_TRUE(value);
  const auto payload = unseal(*value, "life");
  ASSERT_TRUE(payload);
  for (std::size_t cut = 0; cut < payload->size(); ++cut)
    EXPECT_EQ(decoder_.life_payload(payload->substr(0, cut), resolver()).error().code(), Errc::Corrupt) << cut;
  const ResolveFn knows_nothing = [](std::uint64_t) -> Result<std::string> { return fail(Errc::Corrupt, "no"); };
  EXPECT_EQ(decoder_.life(*value, knows_nothing).error().code(), Errc::Corrupt);
  EXPECT_EQ(decoder_
                .life_payload("\x09"
                              "abc",
                              resolver())
                .error()
                .code(),
            Errc::Corrupt);
}

TEST_F(RecordCodec, WhatIsNotWireFormatIsRefused) {
  RecordParts parts;
  EXPECT_EQ(split_record("\xff\xff", parts).error().code(), Errc::Corrupt);
  EXPECT_EQ(split_record("\x0b\x0c", parts).error().code(), Errc::Corrupt);  // A group.
}

}  // namespace
}  // namespace de::store
