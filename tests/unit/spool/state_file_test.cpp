#include "spool/state_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "spool/disk.h"

namespace de::spool {
namespace {

SpoolState sample() {
  SpoolState state;
  state.spool_id = "00112233445566ff";
  state.acked = 10;
  state.last_sequence = 100;
  state.reserved = 4'000;
  state.boot_id = "11111111-2222-4333-8444-555555555555";
  state.lost.add({20, 29, 5, 6, LossReason::SizeCap});
  state.lost.add({40, 40, 7, 7, LossReason::TooLarge});
  return state;
}

TEST(StateBytes, RoundTripAndEveryDamage) {
  const std::string slot = encode_state(sample(), 77);
  std::uint64_t generation = 0;
  const auto state = decode_state(slot, generation);
  ASSERT_TRUE(state);
  EXPECT_EQ(generation, 77u);
  EXPECT_EQ(state->spool_id, sample().spool_id);
  EXPECT_EQ(state->acked, 10u);
  EXPECT_EQ(state->last_sequence, 100u);
  EXPECT_EQ(state->reserved, 4'000u);
  EXPECT_EQ(state->boot_id, sample().boot_id);
  EXPECT_EQ(state->lost.ranges(), sample().lost.ranges());
  for (std::size_t i = 0; i < slot.size(); ++i) {
    std::string changed = slot;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    EXPECT_FALSE(decode_state(changed, generation)) << i;
    EXPECT_FALSE(decode_state(std::string_view(slot).substr(0, i), generation)) << i;
  }
  EXPECT_FALSE(decode_state(std::string(32 * 1024, '\0'), generation));
}

TEST(StateBytes, ContradictionsAreRefused) {
  std::uint64_t generation = 0;
  SpoolState state = sample();
  state.acked = 101;
  EXPECT_FALSE(decode_state(encode_state(state, 1), generation));
  state = sample();
  state.reserved = 99;
  EXPECT_FALSE(decode_state(encode_state(state, 1), generation));
  state = sample();
  state.lost.add({90, 101, 0, 0, LossReason::Damaged});
  EXPECT_FALSE(decode_state(encode_state(state, 1), generation));
  state = sample();
  state.spool_id = "ABCDEFABCDEFABCD";
  EXPECT_FALSE(decode_state(encode_state(state, 1), generation));
}

TEST(LossList, JoinsTrimsAndFinds) {
  LossList list;
  list.add({10, 19, 1, 2, LossReason::SizeCap});
  list.add({20, 24, 3, 4, LossReason::SizeCap});
  EXPECT_EQ(list.ranges(), (std::vector<LostRange>{{10, 24, 1, 4, LossReason::SizeCap}}));
  list.add({25, 30, 5, 6, LossReason::DiskFull});
  EXPECT_EQ(list.ranges().size(), 2u);
  list.add({15, 27, 7, 8, LossReason::Damaged});  // Cuts into both.
  ASSERT_EQ(list.ranges().size(), 3u);
  EXPECT_EQ(list.find(14)->last, 14u);
  EXPECT_EQ(list.find(15)->reason, LossReason::Damaged);
  EXPECT_EQ(list.find(28)->first, 28u);
  EXPECT_EQ(list.find(9), nullptr);
  EXPECT_EQ(list.find(31), nullptr);
  EXPECT_EQ(list.next_above(9), 10u);
  EXPECT_EQ(list.next_above(27), 28u);
  EXPECT_EQ(list.next_above(28), 0u);
  list.forget_up_to(20);
  EXPECT_EQ(list.ranges().front().first, 21u);
  list.forget_up_to(30);
  EXPECT_TRUE(list.ranges().empty());
  list.add({5, 4, 0, 0, LossReason::Damaged});
  EXPECT_TRUE(list.ranges().empty());
}

TEST(LossList, IsBounded) {
  LossList list;
  for (std::uint64_t n = 1; n <= 1000; ++n) list.add({n * 2, n * 2, 0, 0, LossReason::TooLarge});
  EXPECT_EQ(list.ranges().size(), LossList::kMaxRanges);
  EXPECT_EQ(list.ranges().back().last, 2000u);
  SpoolState state = sample();
  state.last_sequence = 2000;
  state.lost = list;
  std::uint64_t generation = 0;
  EXPECT_TRUE(decode_state(encode_state(state, 1), generation));
}

class StateFileTest : public ::testing::Test {
 protected:
  StateFileTest() {
    char name[] = "/tmp/de_state_XXXXXX";
    dir_ = ::mkdtemp(name);
    dir_fd_.reset(::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~StateFileTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
  UniqueFd dir_fd_;
};

TEST_F(StateFileTest, NewestCopyIsLoaded) {
  {
    auto file = StateFile::open(dir_fd_.get());
    ASSERT_TRUE(file);
    EXPECT_FALSE(file->loaded());
    SpoolState state = sample();
    for (std::uint64_t n = 11; n <= 31; ++n) {
      state.acked = n;
      ASSERT_TRUE(file->write(state, n % 3 == 0));
    }
  }
  const auto file = StateFile::open(dir_fd_.get());
  ASSERT_TRUE(file && file->loaded());
  EXPECT_EQ(file->loaded()->acked, 31u);
}

TEST_F(StateFileTest, ADamagedSlotFallsBackToTheDurableOne) {
  SpoolState state = sample();
  {
    auto file = StateFile::open(dir_fd_.get());
    ASSERT_TRUE(file->write(state, true));
    state.acked = 50;
    ASSERT_TRUE(file->write(state, false));  // Never goes over the durable copy.
    state.acked = 51;
    ASSERT_TRUE(file->write(state, false));
  }
  std::size_t seen_old = 0;
  for (const std::uint64_t slot_at : {0u, 32u * 1024}) {
    const UniqueFd fd(::openat(dir_fd_.get(), "spool.state", O_RDWR | O_CLOEXEC));
    const std::string before = *read_range(fd.get(), slot_at, 64);
    ASSERT_TRUE(write_all(fd.get(), slot_at + 20, "damage"));
    const auto file = StateFile::open(dir_fd_.get());
    ASSERT_TRUE(file && file->loaded());
    seen_old += file->loaded()->acked == 10;
    ASSERT_TRUE(write_all(fd.get(), slot_at, before));
  }
  EXPECT_EQ(seen_old, 1u);
}

TEST_F(StateFileTest, SecondOwnerIsRefused) {
  const auto first = StateFile::open(dir_fd_.get());
  ASSERT_TRUE(first);
  EXPECT_EQ(StateFile::open(dir_fd_.get()).error().code(), Errc::Conflict);
}

}  // namespace
}  // namespace de::spool
