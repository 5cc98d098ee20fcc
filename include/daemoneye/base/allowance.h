// So many a second, and a number of them at once after a pause.
//
// Thread: one.
#pragma once

#include <algorithm>
#include <cstdint>

namespace de {

class Allowance {
 public:
  Allowance(double per_second, double at_once) : per_second_(per_second), at_once_(at_once), left_(at_once) {}

  // Whether there is one left at `now_ns`, of a clock that does not go backwards.
  bool has(std::int64_t now_ns) {
    if (at_ns_ != 0) left_ = std::min(at_once_, left_ + static_cast<double>(now_ns - at_ns_) * per_second_ / 1e9);
    at_ns_ = now_ns;
    return left_ >= 1;
  }
  bool take(std::int64_t now_ns) {
    if (!has(now_ns)) return false;
    left_ -= 1;
    return true;
  }
  // For what turns out to have cost more than one; of a debt, `at_once` at most is remembered.
  void spend(double cost) { left_ = std::max(left_ - cost, -at_once_); }
  std::int64_t asked_ns() const { return at_ns_; }  // Latest; 0 when never.

 private:
  double per_second_;
  double at_once_;
  double left_;
  std::int64_t at_ns_ = 0;
};

}  // namespace de
