// What goes between the agent and a courier, and what either makes of bytes that are none of it.
#include "parcel/parcel.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "daemoneye/base/side_process.h"

namespace de::parcel {
namespace {

using namespace std::chrono_literals;

TimePoint in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

struct ParcelTest : testing::Test {
  Channel channel = make_channel().value();
  int agent = channel.ours.get();
  int courier = channel.theirs.get();

  std::string raw(std::initializer_list<std::uint32_t> head, const std::string& rest) {
    std::string out(head.size() * 4, '\0');
    std::memcpy(out.data(), head.begin(), out.size());
    return out + rest;
  }
};

TEST_F(ParcelTest, ArriveAsTheyWereSent) {
  for (const std::size_t size : {0UL, 1UL, 32UL << 10, (32UL << 10) + 1, 300'000UL, kMaxBodyBytes}) {
    Parcel sent{7, "key", std::string(size, 'x')};
    if (size > 0) sent.body.back() = '\0';
    std::thread sender([&] { EXPECT_TRUE(send_parcel(agent, sent, in(10s))); });
    const auto got = receive_parcel(courier);
    sender.join();
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(got->number, 7u);
    EXPECT_EQ(got->key, "key");
    EXPECT_TRUE(got->body == sent.body) << size;
  }
}

TEST_F(ParcelTest, LargerThanTheyMayBeAreNotSent) {
  EXPECT_EQ(send_parcel(agent, {1, "", std::string(kMaxBodyBytes + 1, 'x')}, in(1s)).error().code(), Errc::TooLarge);
  EXPECT_EQ(send_parcel(agent, {1, std::string(kMaxKeyBytes + 1, 'k'), ""}, in(1s)).error().code(), Errc::TooLarge);
}

TEST_F(ParcelTest, ACourierThatDoesNotReadCostsTheTimeThatWasGiven) {
  EXPECT_EQ(send_parcel(agent, {1, "", std::string(kMaxBodyBytes, 'x')}, in(50ms)).error().code(), Errc::Timeout);
}

TEST_F(ParcelTest, WhatHasNoMeaningIsCorrupt) {
  const std::string piece(100, 'p');
  for (const std::vector<std::string>& packets : std::vector<std::vector<std::string>>{
           {"short"},
           {raw({1, 0, 100, 5}, piece)},                                        // Begins in the middle.
           {raw({1, 300, 100, 0}, piece)},                                      // A key longer than a key can be,
           {raw({1, 101, 100, 0}, piece)},                                      // or than the packet.
           {raw({1, 0, 0xffffffff, 0}, piece)},                                 // Larger than anything.
           {raw({1, 0, 99, 0}, piece)},                                         // More than it said.
           {raw({1, 0, 200, 0}, piece), raw({2, 0, 200, 100}, piece)},          // Continued as another,
           {raw({1, 0, 200, 0}, piece), raw({1, 0, 200, 90}, piece)},           // at another place,
           {raw({1, 0, 200, 0}, piece), raw({1, 0, 300, 100}, piece)},          // with another length,
           {raw({1, 0, 200, 0}, piece), raw({1, 0, 200, 100}, piece + piece)},  // with more than there was,
           {raw({1, 0, 200, 0}, piece), raw({1, 0, 200, 100}, "")}}) {          // with nothing.
    for (const std::string& packet : packets) ASSERT_TRUE(send_packet(agent, packet));
    const auto got = receive_parcel(courier);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), Errc::Corrupt) << got.error().message();
  }
}

TEST_F(ParcelTest, ReceiptsSayWhatBecameOfIt) {
  ASSERT_TRUE(send_receipt(courier, {3, {}}));
  ASSERT_TRUE(send_receipt(courier, {4, fail(Errc::Denied, "line\nwith \x1b[31m and " + std::string(5'000, 'x'))}));
  const auto good = receive_receipt(agent, in(1s));
  ASSERT_TRUE(good) << good.error().message();
  EXPECT_EQ(good->number, 3u);
  EXPECT_TRUE(good->outcome);
  const auto bad = receive_receipt(agent, in(1s));
  ASSERT_TRUE(bad) << bad.error().message();
  EXPECT_EQ(bad->number, 4u);
  ASSERT_FALSE(bad->outcome);
  EXPECT_EQ(bad->outcome.error().code(), Errc::Denied);
  EXPECT_TRUE(bad->outcome.error().message().starts_with("line\\x0awith \\x1b[31m and xxx"))
      << bad->outcome.error().message().substr(0, 60);
  EXPECT_LT(bad->outcome.error().message().size(), 2 * kMaxReceiptText);
}

TEST_F(ParcelTest, WhatACourierMakesUpIsNoReceipt) {
  EXPECT_EQ(receive_receipt(agent, in(20ms)).error().code(), Errc::Timeout) << "nothing";
  for (const std::string& packet : {std::string("1234567"), raw({1, 12}, "a code that nobody has")}) {
    ASSERT_TRUE(send_packet(courier, packet));
    EXPECT_EQ(receive_receipt(agent, in(1s)).error().code(), Errc::Corrupt);
  }
  ASSERT_TRUE(send_packet(courier, std::string(10'000, '\0')));
  EXPECT_EQ(receive_receipt(agent, in(1s)).error().code(), Errc::TooLarge);
  channel.theirs.reset();
  EXPECT_EQ(receive_receipt(agent, in(1s)).error().code(), Errc::Closed);
}

}  // namespace
}  // namespace de::parcel
