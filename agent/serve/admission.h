// How much of the control socket one user may take: connections, requests a second, requests that are worked on,
// answers that he has not read. What one takes is not there for the others, so it is counted for each user by
// himself, root included.
//
// Thread: io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "daemoneye/base/allowance.h"
#include "daemoneye/base/result.h"

namespace de::serve {

struct AdmissionLimits {
  std::uint32_t requests_per_s = 200;  // And as many at once after a pause.
  std::uint32_t connections = 16;
  std::uint64_t held_bytes = 4ULL << 20;  // Of all answers but the largest.
  std::uint32_t at_work = 2;              // Of a user who is alone.
};

class Admission {
 public:
  static constexpr std::size_t kMaxUsers = 256;
  static constexpr double kToldPerSecond = 20;

  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  // Errors: Exhausted, with what to do. What is admitted leaves.
  Result<> enter(uid_t uid, std::int64_t now_ns);
  void leave(uid_t uid);
  // Whether enter() would succeed, at less cost. `open` is what all users have open together, of at most `places`: who
  // is not alone gets at most half of what is left, so that there is always something left for the next one.
  bool has_room(uid_t uid, std::int64_t now_ns, std::size_t open, std::size_t places);

  // A request is worked on when `begin` is called, at once or when another one of the same user is done(). Who shares
  // the agent with somebody who asked within the last second has one at a time: two that compute without end would take
  // both processors of a small host.
  void wait_for_turn(uid_t uid, std::int64_t now_ns, std::function<void()> begin);
  void done(uid_t uid, std::int64_t now_ns);
  // Whether somebody who was refused is told so; a flood of them is not answered.
  bool may_tell(std::int64_t now_ns);

  // An answer waits to be read, and takes so much until then, most of it in a file (reply_rows.h). One of any size
  // always may. Errors: Exhausted.
  Result<> hold(uid_t uid, std::uint64_t bytes);
  void release(uid_t uid, std::uint64_t bytes);

 private:
  struct User {
    explicit User(double requests_per_s) : requests(requests_per_s, requests_per_s) {}
    Allowance requests;
    std::uint32_t open = 0;
    std::uint32_t at_work = 0;
    std::deque<std::function<void()>> waiting;  // At most one for each connection.
    std::uint64_t held = 0;
    std::uint64_t largest = 0;  // Of what is held.
  };
  struct Asked {
    uid_t uid = 0;
    std::int64_t at_ns = 0;  // 0: never.
  };
  User& user_of(uid_t uid) { return users_.try_emplace(uid, limits_.requests_per_s).first->second; }
  void forget_idle(std::int64_t now_ns);
  std::uint32_t turns_of(uid_t uid, std::int64_t now_ns) const;

  const AdmissionLimits limits_;
  std::map<uid_t, User> users_;
  std::size_t users_with_open_ = 0;
  Asked last_, last_other_;  // The latest of all, and the latest of anybody else than that user.
  Allowance refusals_{kToldPerSecond, kToldPerSecond};
};

}  // namespace de::serve
