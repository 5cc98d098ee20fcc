#include "daemoneye/crypto/uuid.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "daemoneye/crypto/digest.h"

namespace de::crypto {
namespace {

constexpr std::size_t kSha1Bytes = 20;
constexpr char kHex[] = "0123456789abcdef";

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Fetched once: a fetch walks the provider tables, and process identities are computed by the thousand.
const EVP_MD* sha1_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return algorithm;
}

// Thread-local: allocating a context costs more than hashing a short name with it.
EVP_MD_CTX* sha1_context() {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  return context.get();
}

void mark(Uuid& uuid, unsigned version) {
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | (version << 4));
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);
}

}  // namespace

Uuid uuid_v5(const Uuid& ns, std::string_view name) {
  EVP_MD_CTX* const context = sha1_context();
  unsigned char full[kSha1Bytes];
  if (sha1_algorithm() == nullptr || context == nullptr ||
      EVP_DigestInit_ex2(context, sha1_algorithm(), nullptr) != 1 ||
      EVP_DigestUpdate(context, ns.data(), ns.size()) != 1 ||
      EVP_DigestUpdate(context, name.data(), name.size()) != 1 || EVP_DigestFinal_ex(context, full, nullptr) != 1)
    std::abort();
  Uuid uuid;
  std::copy_n(full, uuid.size(), uuid.begin());
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
