// Fixed-width integers in wire (little-endian) and key (big-endian) order.
// Callers check lengths first: these read and write exactly sizeof(Int) bytes.
//
// Thread: any.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>

namespace de {

// The compiler turns this and a copy into one instruction; shifting bytes together in a loop it does not.
template <std::unsigned_integral Int>
Int swap_bytes(Int value) {
  if constexpr (sizeof(Int) == 8) return __builtin_bswap64(value);
  if constexpr (sizeof(Int) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(Int) == 2) return __builtin_bswap16(value);
  static_assert(sizeof(Int) <= 8);
  return value;
}

template <std::unsigned_integral Int>
Int in_order(std::endian order, Int value) {
  return order == std::endian::native ? value : swap_bytes(value);
}

template <std::unsigned_integral Int>
Int load_le(const void* from) {
  Int value = 0;
  std::memcpy(&value, from, sizeof value);
  return in_order(std::endian::little, value);
}

template <std::unsigned_integral Int>
Int load_be(const void* from) {
  Int value = 0;
  std::memcpy(&value, from, sizeof value);
  return in_order(std::endian::big, value);
}

template <std::unsigned_integral Int>
void store_le(void* to, Int value) {
  value = in_order(std::endian::little, value);
  std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral Int>
void store_be(void* to, Int value) {
  value = in_order(std::endian::big, value);
  std::memcpy(to, &value, sizeof value);
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
