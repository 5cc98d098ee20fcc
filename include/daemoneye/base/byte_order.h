// Fixed-width integers in wire (little-endian) and key (big-endian) order.
// Callers check lengths first: these read and write exactly sizeof(Int) bytes.
//
// Thread: any.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

namespace de {

template <std::unsigned_integral Int>
Int load_le(const void* from) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  Int value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i) value |= static_cast<Int>(static_cast<Int>(bytes[i]) << (8 * i));
  return value;
}

template <std::unsigned_integral Int>
Int load_be(const void* from) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  Int value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    value |= static_cast<Int>(static_cast<Int>(bytes[i]) << (8 * (sizeof(Int) - 1 - i)));
  return value;
}

template <std::unsigned_integral Int>
void store_le(void* to, Int value) {
  auto* bytes = static_cast<unsigned char*>(to);
  for (std::size_t i = 0; i < sizeof(Int); ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
}

template <std::unsigned_integral Int>
void store_be(void* to, Int value) {
  auto* bytes = static_cast<unsigned char*>(to);
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    bytes[i] = static_cast<unsigned char>(value >> (8 * (sizeof(Int) - 1 - i)));
}

template <std::unsigned_integral Int>
void append_le(std::string& to, Int value) {
  char raw[sizeof(Int)];
  store_le(raw, value);
  to.append(raw, sizeof(Int));
}

template <std::unsigned_integral Int>
void append_be(std::string& to, Int value) {
  char raw[sizeof(Int)];
  store_be(raw, value);
  to.append(raw, sizeof(Int));
}

}  // namespace de
