// Streaming hashes: SHA-256 for executables (what threat lists are keyed by), BLAKE3 for the ledger.
// Also the one source of random bytes.
//
// Thread: any; one hash object belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace de::crypto {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(std::string_view bytes);
  // The hash of everything since construction or the last finish(); the object starts over.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Blake3 {
 public:
  Blake3();
  // A hash that is different for every purpose even over equal bytes. `context` is a constant of the program.
  explicit Blake3(std::string_view context);
  Blake3(Blake3&&) noexcept;
  Blake3& operator=(Blake3&&) noexcept;
  ~Blake3();

  void update(std::string_view bytes);
  // As Sha256::finish(). A derived hash starts over with its context.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::string_view bytes);
Digest blake3(std::string_view bytes);

// The bytes of a digest, borrowed from it, to compare, append or print with to_hex().
std::string_view as_bytes(const Digest& digest);

// Fills `out` from the operating system's generator. Aborts if there is none.
void random_bytes(std::span<std::uint8_t> out);

}  // namespace de::crypto
