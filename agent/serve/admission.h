// How much of the control socket one user may take: connections, requests a second, bytes of answers that he has not
// read. What one takes is not there for the others, so it is counted for each user by himself, root included.
//
// Thread: io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "daemoneye/base/result.h"

namespace de::serve {

struct AdmissionLimits {
  std::uint32_t requests_per_s = 200;  // And as many at once after a pause.
  std::uint32_t connections = 16;
  std::uint64_t held_bytes = 64ULL << 20;
};

class Admission {
 public:
  static constexpr std::size_t kMaxUsers = 256;

  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  // Errors: Exhausted, with what to do. What is admitted leaves.
  Result<> enter(uid_t uid, std::int64_t now_ns);
  void leave(uid_t uid);
  // Whether somebody who was refused is told so; a flood of them is not answered.
  bool may_tell(std::int64_t now_ns);

  // An answer waits to be read. One of any size always may. Errors: Exhausted.
  Result<> hold(uid_t uid, std::uint64_t bytes);
  void release(uid_t uid, std::uint64_t bytes);

 private:
  struct Bucket {
    double tokens = 0;
    std::int64_t at_ns = 0;
    bool take(double per_s, std::int64_t now_ns);
  };
  struct User {
    Bucket requests;
    std::uint32_t open = 0;
    std::uint64_t held = 0;
  };
  void forget_idle(std::int64_t now_ns);

  const AdmissionLimits limits_;
  std::map<uid_t, User> users_;
  Bucket refusals_;
};

}  // namespace de::serve
