// Names of users, remembered for a while: the lookup may read files or ask a directory service.
//
// Thread: collector.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "daemoneye/base/clock.h"

namespace de::collect {

class UserNames {
 public:
  explicit UserNames(const Clock& clock) : clock_(clock) {}

  // Empty when the user has no name. Borrowed until the next call.
  const std::string& find(std::uint32_t uid);

 private:
  const Clock& clock_;
  std::unordered_map<std::uint32_t, std::string> names_;
  std::int64_t forget_at_ns_ = 0;
};

}  // namespace de::collect
