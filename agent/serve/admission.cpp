#include "serve/admission.h"

#include <algorithm>

namespace de::serve {
namespace {

constexpr double kToldPerSecond = 20;
constexpr std::int64_t kIdleNs = 1'000'000'000;  // Then its bucket is full again.

}  // namespace

bool Admission::Bucket::take(double per_s, std::int64_t now_ns) {
  const double passed_s = at_ns == 0 ? 1 : static_cast<double>(now_ns - at_ns) / 1e9;
  at_ns = now_ns;
  tokens = std::min(per_s, tokens + passed_s * per_s);
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

void Admission::forget_idle(std::int64_t now_ns) {
  std::erase_if(users_, [now_ns](const auto& entry) {
    const User& user = entry.second;
    return user.open == 0 && user.held == 0 && now_ns - user.requests.at_ns > kIdleNs;
  });
}

Result<> Admission::enter(uid_t uid, std::int64_t now_ns) {
  if (!users_.contains(uid) && users_.size() >= kMaxUsers) forget_idle(now_ns);
  if (!users_.contains(uid) && users_.size() >= kMaxUsers)
    return fail(Errc::Exhausted, std::to_string(kMaxUsers) + " users ask at the same time; try again later");
  User& user = users_[uid];
  if (user.open >= limits_.connections)
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " has " + std::to_string(user.open) +
                                     " connections open; end one, or raise control.max_connections");
  if (!user.requests.take(limits_.requests_per_s, now_ns))
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " asks more than " +
                                     std::to_string(limits_.requests_per_s) +
                                     " times a second; wait, or raise control.max_requests_per_s");
  ++user.open;
  return {};
}

void Admission::leave(uid_t uid) {
  const auto found = users_.find(uid);
  if (found != users_.end() && found->second.open > 0) --found->second.open;
}

bool Admission::may_tell(std::int64_t now_ns) { return refusals_.take(kToldPerSecond, now_ns); }

Result<> Admission::hold(uid_t uid, std::uint64_t bytes) {
  User& user = users_[uid];
  if (user.held > 0 && user.held + bytes > limits_.held_bytes)
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " has answers of " + std::to_string(user.held >> 20) +
                                     " MB that are not read yet; read them first");
  user.held += bytes;
  return {};
}

void Admission::release(uid_t uid, std::uint64_t bytes) {
  const auto found = users_.find(uid);
  if (found != users_.end()) found->second.held -= std::min(found->second.held, bytes);
}

}  // namespace de::serve
