// Spawn tokens: how a collector proves that it is the process the agent has just started.
//
// A token is 32 random bytes in hexadecimal, handed to the child in its environment, valid once and for a limited
// time. One token per collector id: a new one replaces the old.
//
// Thread: io.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"

namespace de::supervise {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kMaxTokens = 64;  // Collectors waiting to connect at the same time.

// Errors: Io when the kernel gives no randomness.
Result<std::string> make_token();

// Takes the same time wherever the texts differ; only their length may be guessed from outside.
bool equal_constant_time(std::string_view left, std::string_view right);

class TokenBook {
 public:
  TokenBook(const Clock& clock, std::chrono::milliseconds lifetime) : clock_(clock), lifetime_(lifetime) {}

  // Errors: Exhausted (kMaxTokens collectors are still expected), Io.
  Result<std::string> issue(const std::string& collector_id);

  // True exactly once per token, in time, for its own collector. A wrong attempt does not use the token up: otherwise
  // any peer could keep a collector out.
  bool redeem(const std::string& collector_id, std::string_view token);

  // True while a token for this collector is waiting: whoever comes under that id without one is refused.
  bool is_expected(const std::string& collector_id);

  void revoke(const std::string& collector_id) { tokens_.erase(collector_id); }

 private:
  struct Token {
    std::string text;
    std::int64_t expires_ns = 0;
  };
  void drop_expired();

  const Clock& clock_;
  const std::chrono::milliseconds lifetime_;
  std::map<std::string, Token> tokens_;
};

}  // namespace de::supervise
