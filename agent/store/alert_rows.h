// Keys and values of the alert tables.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/keys.h"
#include "store/value.h"

namespace de::store {

inline std::string delivery_key(std::uint64_t sequence, std::string_view sink) {
  std::string key(view(be64(sequence)));
  return key.append(sink);
}

// A sink's name has no NUL, so one sink's keys are never mixed with another's.
inline std::string pending_prefix(std::string_view sink) { return std::string(sink) + '\0'; }
inline std::string pending_key(std::string_view sink, std::uint64_t sequence) {
  return pending_prefix(sink).append(view(be64(sequence)));
}

template <class Message>
Result<Message> parse_sealed(std::string_view value, std::string_view what) {
  DE_TRY(payload, unseal(value, what));
  Message message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return fail(Errc::Corrupt, std::string(what) + ": does not parse");
  return message;
}

}  // namespace de::store
