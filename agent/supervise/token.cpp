#include "supervise/token.h"

#include <sys/random.h>

#include <array>

#include "daemoneye/base/text.h"
#include "daemoneye/base/unique_fd.h"

namespace de::supervise {

Result<std::string> make_token() {
  std::array<char, kTokenBytes> raw{};
  ssize_t got = 0;
  do {
    got = ::getrandom(raw.data(), raw.size(), 0);
  } while (got < 0 && errno == EINTR);
  // Up to 256 bytes come whole or not at all.
  if (got != static_cast<ssize_t>(raw.size())) return fail(Errc::Io, "make spawn token", last_os_error());
  return to_hex({raw.data(), raw.size()});
}

bool equal_constant_time(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  volatile unsigned char difference = 0;  // volatile: the compiler must not stop at the first difference.
  for (std::size_t i = 0; i < left.size(); ++i)
    difference = static_cast<unsigned char>(difference | (left[i] ^ right[i]));
  return difference == 0;
}

void TokenBook::drop_expired() {
  const std::int64_t now = clock_.steady_ns();
  std::erase_if(tokens_, [now](const auto& entry) { return entry.second.expires_ns <= now; });
}

Result<std::string> TokenBook::issue(const std::string& collector_id) {
  drop_expired();
  if (tokens_.size() >= kMaxTokens && !tokens_.contains(collector_id))
    return fail(Errc::Exhausted, "make spawn token: " + std::to_string(kMaxTokens) + " collectors are still expected");
  DE_TRY(text, make_token());
  const std::int64_t expires = clock_.steady_ns() + std::chrono::nanoseconds(lifetime_).count();
  tokens_.insert_or_assign(collector_id, Token{text, expires});
  return std::move(text);
}

bool TokenBook::redeem(const std::string& collector_id, std::string_view token) {
  drop_expired();
  const auto found = tokens_.find(collector_id);
  if (found == tokens_.end() || !equal_constant_time(found->second.text, token)) return false;
  tokens_.erase(found);
  return true;
}

bool TokenBook::is_expected(const std::string& collector_id) {
  drop_expired();
  return tokens_.contains(collector_id);
}

}  // namespace de::supervise
