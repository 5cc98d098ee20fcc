// Any text as a statement with AUTO JOIN: it is rewritten or refused with a reason; SQLite has the last word on both
// statements that come out, and reads none of our tables without the gate.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "mirror/auto_join.h"
#include "mirror/batch_session.h"
#include "mirror/session.h"

namespace {

template <class Made>
auto made_once(Made made) {
  if (!made) std::abort();
  return std::move(*made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const auto kWhole = made_once(de::mirror::Session::create(de::mirror::Origin::Rule, de::system_clock()));
  static const auto kBatch = made_once(de::mirror::BatchSession::create(de::system_clock(), {}));
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto joined = de::mirror::rewrite_auto_joins(text);
  if (!joined) {
    if (joined.error().what().empty()) __builtin_trap();
    return 0;
  }
  if (joined->tables.empty() && joined->sql != text) __builtin_trap();
  const auto statement = kWhole->validate(joined->sql);
  if (!statement && statement.error().code() == de::Errc::Io) __builtin_trap();
  (void)kWhole->needs(joined->sql, true);
  if (!joined->trigger.empty()) (void)kBatch->shape(joined->trigger);  // Refused, as a rule.
  return 0;
}
