#include "serve/admission.h"

#include <algorithm>

namespace de::serve {
namespace {

constexpr std::int64_t kIdleNs = 1'000'000'000;  // Then its bucket is full again.
constexpr std::int64_t kSharingNs = 1'000'000'000;

}  // namespace

void Admission::forget_idle(std::int64_t now_ns) {
  std::erase_if(users_, [now_ns](const auto& entry) {
    const User& user = entry.second;
    return user.open == 0 && user.held == 0 && user.at_work == 0 && now_ns - user.requests.asked_ns() > kIdleNs;
  });
}

Result<> Admission::enter(uid_t uid, std::int64_t now_ns) {
  if (!users_.contains(uid) && users_.size() >= kMaxUsers) forget_idle(now_ns);
  if (!users_.contains(uid) && users_.size() >= kMaxUsers)
    return fail(Errc::Exhausted, std::to_string(kMaxUsers) + " users ask at the same time; try again later");
  User& user = user_of(uid);
  if (user.open >= limits_.connections)
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " has " + std::to_string(user.open) +
                                     " connections open; end one, or raise control.max_connections");
  if (!user.requests.take(now_ns))
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " asks more than " +
                                     std::to_string(limits_.requests_per_s) +
                                     " times a second; wait, or raise control.max_requests_per_s");
  if (user.open++ == 0) ++users_with_open_;
  return {};
}

bool Admission::has_room(uid_t uid, std::int64_t now_ns, std::size_t open, std::size_t places) {
  if (open >= places) return false;
  const auto found = users_.find(uid);
  if (found == users_.end()) return true;  // Whether one more user is too many, enter() says.
  User& user = found->second;
  const bool is_alone = users_with_open_ == 0 || (users_with_open_ == 1 && user.open > 0);
  if (user.open >= limits_.connections || (!is_alone && user.open >= places - open)) return false;
  return user.requests.has(now_ns);
}

std::uint32_t Admission::turns_of(uid_t uid, std::int64_t now_ns) const {
  const Asked& other = last_.uid == uid ? last_other_ : last_;
  const bool shares = other.at_ns != 0 && now_ns - other.at_ns < kSharingNs;
  return shares ? std::min(1U, limits_.at_work) : limits_.at_work;
}

void Admission::wait_for_turn(uid_t uid, std::int64_t now_ns, std::function<void()> begin) {
  User& user = user_of(uid);
  if (last_.uid != uid) last_other_ = last_;
  last_ = {uid, now_ns};
  if (user.at_work >= turns_of(uid, now_ns)) {
    user.waiting.push_back(std::move(begin));
    return;
  }
  ++user.at_work;
  begin();
}

void Admission::done(uid_t uid, std::int64_t now_ns) {
  const auto found = users_.find(uid);
  if (found == users_.end()) return;
  User& user = found->second;
  if (user.at_work > 0) --user.at_work;
  while (!user.waiting.empty() && user.at_work < turns_of(uid, now_ns)) {
    const std::function<void()> next = std::move(user.waiting.front());
    user.waiting.pop_front();
    ++user.at_work;
    next();
  }
}

void Admission::leave(uid_t uid) {
  const auto found = users_.find(uid);
  if (found == users_.end() || found->second.open == 0) return;
  if (--found->second.open == 0) --users_with_open_;
}

bool Admission::may_tell(std::int64_t now_ns) { return refusals_.take(now_ns); }

// The largest is not counted: who reads one answer slowly may still ask for others.
Result<> Admission::hold(uid_t uid, std::uint64_t bytes) {
  User& user = user_of(uid);
  if (user.held > 0 && user.held + bytes - std::max(user.largest, bytes) > limits_.held_bytes)
    return fail(Errc::Exhausted, "uid " + std::to_string(uid) + " has answers of " + std::to_string(user.held >> 20) +
                                     " MB that are not read yet; read them first");
  user.held += bytes;
  user.largest = std::max(user.largest, bytes);
  return {};
}

void Admission::release(uid_t uid, std::uint64_t bytes) {
  const auto found = users_.find(uid);
  if (found == users_.end()) return;
  User& user = found->second;
  user.held -= std::min(user.held, bytes);
  if (bytes == user.largest) user.largest = 0;  // Which is the next largest does not matter: none is too large.
  user.largest = std::min(user.largest, user.held);
}

}  // namespace de::serve
