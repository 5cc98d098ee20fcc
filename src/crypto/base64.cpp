#include "daemoneye/crypto/base64.h"

#include <sodium.h>

namespace de::crypto {

std::string to_base64(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  ::sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      kVariant);
  out.pop_back();  // Its end mark.
  return out;
}

}  // namespace de::crypto
