#include "alert/dedupe_key.h"

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"

namespace de::alert {
namespace {

void append_part(std::string& out, std::string_view part) {
  if (part.empty()) out += '%';
  for (const char c : part) {
    if (c > ' ' && c < 0x7F && c != '%' && c != '|') {
      out += c;
    } else {
      out += '%';
      out += to_hex({&c, 1});
    }
  }
}

}  // namespace

std::string dedupe_key(std::span<const std::optional<std::string_view>> parts) {
  std::string key;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) key += '|';
    if (parts[i]) append_part(key, *parts[i]);
  }
  if (key.size() <= kMaxKeyBytes) return key;
  // '#' after a cut cannot be confused with a short key: those are shorter than this one always is.
  const std::string tail = "#" + to_hex(crypto::as_bytes(crypto::sha256(key)));
  key.resize(kMaxKeyBytes + 1 - tail.size());
  return key + tail;
}

}  // namespace de::alert
