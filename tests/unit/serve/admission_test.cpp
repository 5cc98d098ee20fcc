// What one user may take of the control socket, and that it is nobody else's concern.
#include "serve/admission.h"

#include <gtest/gtest.h>

#include <string>

namespace de::serve {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNow = 100 * kSecond;

TEST(Admission, RequestsOfOneUserAreCountedByHimself) {
  Admission admission({.requests_per_s = 5, .connections = 100, .held_bytes = 0});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(admission.enter(1000, kNow)) << i;
  const auto refused = admission.enter(1000, kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::Exhausted);
  EXPECT_NE(refused.error().message().find("control.max_requests_per_s"), std::string::npos);
  EXPECT_TRUE(admission.enter(1001, kNow)) << "somebody else";
  EXPECT_TRUE(admission.enter(0, kNow)) << "root has his own";
  EXPECT_FALSE(admission.enter(1000, kNow + kSecond / 10));
  EXPECT_TRUE(admission.enter(1000, kNow + kSecond * 4 / 10)) << "two tenths make one";
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(admission.enter(1000, kNow + 60 * kSecond)) << i;
  EXPECT_FALSE(admission.enter(1000, kNow + 60 * kSecond)) << "a pause saves up no more than a second";
}

TEST(Admission, ConnectionsOfOneUserAreCountedByHimself) {
  Admission admission({.requests_per_s = 1'000, .connections = 2, .held_bytes = 0});
  EXPECT_TRUE(admission.enter(1000, kNow));
  EXPECT_TRUE(admission.enter(1000, kNow));
  const auto refused = admission.enter(1000, kNow);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("control.max_connections"), std::string::npos);
  EXPECT_TRUE(admission.enter(1001, kNow));
  admission.leave(1000);
  EXPECT_TRUE(admission.enter(1000, kNow));
  admission.leave(4711);  // Whoever was never there changes nothing.
  EXPECT_FALSE(admission.enter(1000, kNow));
  for (int i = 0; i < 3; ++i) admission.leave(1001);
  EXPECT_TRUE(admission.enter(1001, kNow)) << "nor does who left already";
}

TEST(Admission, AnswersThatAreNotReadAreCountedToo) {
  Admission admission({.requests_per_s = 1'000, .connections = 10, .held_bytes = 100});
  EXPECT_TRUE(admission.hold(1000, 1'000)) << "one of any size";
  EXPECT_TRUE(admission.hold(1000, 60)) << "who reads one slowly may ask for others";
  EXPECT_EQ(admission.hold(1000, 41).error().code(), Errc::Exhausted);
  EXPECT_TRUE(admission.hold(1001, 60));
  EXPECT_TRUE(admission.hold(1001, 60));
  EXPECT_TRUE(admission.hold(1001, 40));
  EXPECT_FALSE(admission.hold(1001, 1)) << "the largest and a hundred";
  admission.release(1000, 1'000);
  admission.release(1000, 60);
  EXPECT_TRUE(admission.hold(1000, 1'000));
}

TEST(Admission, WhatWasTheLargestAnswerExcusesNobodyOnceItIsRead) {
  Admission admission({.requests_per_s = 1'000, .connections = 10, .held_bytes = 100});
  EXPECT_TRUE(admission.hold(1000, 1'000));
  EXPECT_TRUE(admission.hold(1000, 50));
  EXPECT_TRUE(admission.hold(1000, 50));
  admission.release(1000, 1'000);
  EXPECT_TRUE(admission.hold(1000, 50));
  EXPECT_FALSE(admission.hold(1000, 50)) << "one and a hundred";
}

TEST(Admission, WhoIsAloneMayTakeAllPlaces) {
  constexpr std::size_t kPlaces = 8;
  Admission admission({.requests_per_s = 1'000, .connections = kPlaces, .held_bytes = 0});
  ASSERT_TRUE(admission.enter(1001, kNow));
  ASSERT_TRUE(admission.enter(1001, kNow));
  admission.leave(1001);
  admission.leave(1001);  // Was here, which makes nobody less alone.
  for (std::size_t open = 0; open < kPlaces; ++open) {
    EXPECT_TRUE(admission.has_room(1000, kNow, open, kPlaces)) << open;
    ASSERT_TRUE(admission.enter(1000, kNow));
  }
}

TEST(Admission, WhoIsNotAloneLeavesPlacesForTheNext) {
  Admission admission({.requests_per_s = 1'000, .connections = 16, .held_bytes = 0});
  constexpr std::size_t kPlaces = 32;
  std::size_t open = 0;
  for (uid_t uid = 1000; uid < 1004; ++uid) {
    EXPECT_TRUE(admission.has_room(uid, kNow, open, kPlaces)) << uid;
    while (open < kPlaces && admission.has_room(uid, kNow, open, kPlaces) && admission.enter(uid, kNow)) ++open;
    EXPECT_LT(open, kPlaces) << uid;
  }
  EXPECT_EQ(open, 30U) << "16, half of the other 16, half of the other 8, half of the other 4";
  EXPECT_FALSE(admission.has_room(1000, kNow, open, kPlaces));
  EXPECT_FALSE(admission.has_room(1005, kNow, kPlaces, kPlaces)) << "none left";
}

TEST(Admission, NoRoomForWhoAsksMoreThanHeMay) {
  Admission admission({.requests_per_s = 2, .connections = 16, .held_bytes = 0});
  ASSERT_TRUE(admission.enter(1000, kNow));
  EXPECT_TRUE(admission.has_room(1000, kNow, 1, 32)) << "asking takes nothing";
  EXPECT_TRUE(admission.has_room(1000, kNow, 1, 32));
  ASSERT_TRUE(admission.enter(1000, kNow));
  EXPECT_FALSE(admission.has_room(1000, kNow, 2, 32));
  EXPECT_TRUE(admission.has_room(1000, kNow + kSecond, 2, 32));
}

TEST(Admission, RequestsOfOneUserWaitForEachOther) {
  Admission admission({.requests_per_s = 1'000, .connections = 16, .held_bytes = 0, .at_work = 2});
  std::string begun;
  for (const char name : {'a', 'b', 'c', 'd'}) admission.wait_for_turn(1000, kNow, [&begun, name] { begun += name; });
  EXPECT_EQ(begun, "ab");
  admission.done(1000, kNow);
  EXPECT_EQ(begun, "abc");
  for (int i = 0; i < 3; ++i) admission.done(1000, kNow);
  EXPECT_EQ(begun, "abcd");
  admission.wait_for_turn(1000, kNow, [&begun] { begun += 'e'; });
  EXPECT_EQ(begun, "abcde");
}

TEST(Admission, WhoIsNotAloneHasOneTurn) {
  Admission admission({.requests_per_s = 1'000, .connections = 16, .held_bytes = 0, .at_work = 2});
  std::string begun;
  const auto ask = [&](uid_t uid, std::int64_t now, char name) {
    admission.wait_for_turn(uid, now, [&begun, name] { begun += name; });
  };
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) ask(1000, kNow, name);
  ask(1001, kNow, 'X');
  EXPECT_EQ(begun, "abX") << "somebody else does not wait for them";
  ask(1001, kNow, 'Y');
  EXPECT_EQ(begun, "abX") << "and does not get both threads that are left either";
  admission.done(1000, kNow);
  EXPECT_EQ(begun, "abX") << "one of the two ends without a successor";
  admission.done(1000, kNow);
  EXPECT_EQ(begun, "abXc");
  admission.done(1001, kNow);
  EXPECT_EQ(begun, "abXcY");
  admission.done(1001, kNow);
  admission.done(1000, kNow + kSecond);
  EXPECT_EQ(begun, "abXcYde") << "nobody else asked for a second";
}

TEST(Admission, KnowsABoundedNumberOfUsersAndForgetsThoseWhoLeft) {
  Admission admission({.requests_per_s = 10, .connections = 10, .held_bytes = 0});
  for (uid_t uid = 0; uid < Admission::kMaxUsers; ++uid) ASSERT_TRUE(admission.enter(uid, kNow));
  EXPECT_EQ(admission.enter(70'000, kNow).error().code(), Errc::Exhausted);
  EXPECT_TRUE(admission.enter(3, kNow)) << "who is known is not concerned";
  for (uid_t uid = 0; uid < 10; ++uid) admission.leave(uid);
  EXPECT_FALSE(admission.enter(70'000, kNow)) << "not yet: it would let them begin anew";
  EXPECT_TRUE(admission.enter(70'000, kNow + 2 * kSecond));
}

TEST(Admission, WhoHasSomethingUnderWayIsNotForgotten) {
  Admission admission({.requests_per_s = 10, .connections = 1, .held_bytes = 0, .at_work = 1});
  for (uid_t uid = 0; uid < Admission::kMaxUsers; ++uid) ASSERT_TRUE(admission.enter(uid, kNow));
  for (uid_t uid = 1; uid < Admission::kMaxUsers; ++uid) admission.leave(uid);
  ASSERT_TRUE(admission.hold(1, 1'000));
  admission.wait_for_turn(2, kNow, [] {});
  ASSERT_TRUE(admission.enter(70'000, kNow + 2 * kSecond)) << "the others are";
  EXPECT_FALSE(admission.enter(0, kNow + 2 * kSecond)) << "a connection";
  ASSERT_TRUE(admission.enter(1, kNow + 2 * kSecond));
  ASSERT_TRUE(admission.enter(2, kNow + 2 * kSecond));
  EXPECT_FALSE(admission.hold(1, 1'000)) << "an answer that is not read";
  bool has_begun = false;
  admission.wait_for_turn(2, kNow + 2 * kSecond, [&has_begun] { has_begun = true; });
  EXPECT_FALSE(has_begun) << "a request that is worked on";
}

TEST(Admission, AFloodOfRefusalsIsNotAnswered) {
  Admission admission({});
  int told = 0;
  for (int i = 0; i < 1'000; ++i) told += admission.may_tell(kNow + i) ? 1 : 0;
  EXPECT_EQ(told, 20);
  EXPECT_TRUE(admission.may_tell(kNow + kSecond));
}

}  // namespace
}  // namespace de::serve
