#include "daemoneye/crypto/digest.h"

#include <blake3.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <cstdlib>

namespace de::crypto {
namespace {

// Fetched once: a fetch walks the provider tables, and there is one hash per executable.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

void start_sha256(EVP_MD_CTX* context) {
  if (context == nullptr || sha256_algorithm() == nullptr ||
      EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) != 1)
    std::abort();
}

}  // namespace

void Sha256::FreeContext::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { start_sha256(context_.get()); }

void Sha256::update(std::string_view bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) std::abort();
}

Digest Sha256::finish() {
  Digest digest;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) std::abort();
  start_sha256(context_.get());
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
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
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
