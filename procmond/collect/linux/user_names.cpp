#include "collect/linux/user_names.h"

#include <pwd.h>

#include <cerrno>

#include <cstddef>

#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

constexpr std::size_t kMaxNames = 4096;                      // Far more users than own processes at one time.
constexpr std::int64_t kKeepNs = 15LL * 60 * 1'000'000'000;  // A renamed account shows within a quarter hour.
constexpr std::size_t kMaxEntryBytes = 256UL * 1024;         // A longer passwd entry is not a user's.

std::string look_up(std::uint32_t uid) {
  std::string buffer(1024, '\0');
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    if (error == EINTR) continue;
    if (error == ERANGE && buffer.size() < kMaxEntryBytes) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    // The wire wants UTF-8; a name that is not becomes readable escapes.
    return error == 0 && found != nullptr ? escape_controls(entry.pw_name) : std::string();
  }
}

}  // namespace

const std::string& UserNames::find(std::uint32_t uid) {
  const std::int64_t now_ns = clock_.steady_ns();
  if (now_ns >= forget_at_ns_ || names_.size() >= kMaxNames) {
    names_.clear();
    forget_at_ns_ = now_ns + kKeepNs;
  }
  const auto known = names_.find(uid);
  if (known != names_.end()) return known->second;
  return names_.emplace(uid, look_up(uid)).first->second;
}

}  // namespace de::collect
