// Identifiers: UUIDv5 for things that must get the same id every time, UUIDv4 for things that must not collide.
//
// Thread: any (pure functions over a thread-safe random source).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace de::crypto {

using Uuid = std::array<std::uint8_t, 16>;

// RFC 9562 version 5: SHA-1 of namespace and name. Aborts if the crypto library has no SHA-1 left, because an
// identity that silently changed would be worse than no process.
Uuid uuid_v5(const Uuid& ns, std::string_view name);

// A random UUID as text: "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx", lower case.
std::string uuid_v4();

// The text form of any UUID.
std::string to_text(const Uuid& uuid);

}  // namespace de::crypto
