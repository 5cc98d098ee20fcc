// Chains of ancestors, and the texts of those that were asked for last.
#include "collect/lineage.h"

#include <gtest/gtest.h>

#include "daemoneye/process.pb.h"

namespace de::collect {
namespace {

Lineage chain(TextPool& texts, std::uint32_t pid, const Lineage& above = nullptr) {
  Ancestor one;
  one.pid = pid;
  texts.set(one.name, "p" + std::to_string(pid));
  return extend(std::move(one), above);
}

std::string ancestry_of(const std::string& text) {
  pb::ProcessEvent event;
  EXPECT_TRUE(event.ParseFromString(text));
  EXPECT_EQ(event.parent_name().substr(0, 1), "p");
  return event.ancestry();
}

TEST(LineageTexts, AreThoseOfTheChainHoweverManyThereAre) {
  TextPool texts;
  LineageTexts kept;
  const Lineage init = chain(texts, 1);
  std::vector<Lineage> all;
  for (std::uint32_t pid = 2; pid < 2 + 4 * LineageTexts::kKept; ++pid) all.push_back(chain(texts, pid, init));
  for (int round = 0; round < 3; ++round)
    for (const Lineage& one : all) EXPECT_EQ(ancestry_of(*kept.of(one)), serialise(one));
  // Others in the same memory.
  all.clear();
  for (std::uint32_t pid = 1'000; pid < 1'000 + 4 * LineageTexts::kKept; ++pid) {
    const Lineage one = chain(texts, pid, init);
    EXPECT_EQ(ancestry_of(*kept.of(one)), serialise(one));
  }
}

}  // namespace
}  // namespace de::collect
