#include "daemoneye/crypto/uuid.h"

#define OPENSSL_API_COMPAT 10100  // As in digest.cpp.

#include <openssl/sha.h>

#include <algorithm>

#include "daemoneye/crypto/digest.h"

namespace de::crypto {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void mark(Uuid& uuid, unsigned version) {
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | (version << 4));
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);
}

}  // namespace

Uuid uuid_v5(const Uuid& ns, std::string_view name) {
  SHA_CTX context;
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> full;
  SHA1_Init(&context);
  SHA1_Update(&context, ns.data(), ns.size());
  SHA1_Update(&context, name.data(), name.size());
  SHA1_Final(full.data(), &context);
  Uuid uuid;
  std::copy_n(full.begin(), uuid.size(), uuid.begin());
  mark(uuid, 5);
  return uuid;
}

std::string uuid_v4() {
  Uuid uuid;
  random_bytes(uuid);
  mark(uuid, 4);
  return to_text(uuid);
}

std::string to_text(const Uuid& uuid) {
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[uuid[i] >> 4];
    text += kHex[uuid[i] & 15];
  }
  return text;
}

}  // namespace de::crypto
