#include "daemoneye/crypto/digest.h"

// The algorithms themselves, not EVP: its providers and tables cost 2.3 MB and most of the time of a short hash.
#define OPENSSL_API_COMPAT 10100

#include <blake3.h>
#include <openssl/sha.h>
#include <sodium.h>

#include <cstdlib>

namespace de::crypto {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }

Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) { SHA256_Update(&state_->context, bytes.data(), bytes.size()); }

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &state_->context);
  SHA256_Init(&state_->context);
  return digest;
}

struct Blake3::State {
  blake3_hasher hasher;
};

Blake3::Blake3() : state_(std::make_unique<State>()) { blake3_hasher_init(&state_->hasher); }

Blake3::Blake3(std::string_view context) : state_(std::make_unique<State>()) {
  blake3_hasher_init_derive_key_raw(&state_->hasher, context.data(), context.size());
}

Blake3::Blake3(Blake3&&) noexcept = default;
Blake3& Blake3::operator=(Blake3&&) noexcept = default;
Blake3::~Blake3() = default;

void Blake3::update(std::string_view bytes) {
  // An empty view may carry a null pointer, which memcpy must not see.
  if (!bytes.empty()) blake3_hasher_update(&state_->hasher, bytes.data(), bytes.size());
}

Digest Blake3::finish() {
  Digest digest;
  blake3_hasher_finalize(&state_->hasher, digest.data(), digest.size());
  blake3_hasher_reset(&state_->hasher);
  return digest;
}

Digest sha256(std::string_view bytes) {
  SHA256_CTX context;
  Digest digest;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

Digest blake3(std::string_view bytes) {
  Blake3 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string_view as_bytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void random_bytes(std::span<std::uint8_t> out) {
  static const bool ready = sodium_init() >= 0;  // 1 means somebody was first, which is fine.
  if (!ready) std::abort();
  if (!out.empty()) randombytes_buf(out.data(), out.size());
}

}  // namespace de::crypto
