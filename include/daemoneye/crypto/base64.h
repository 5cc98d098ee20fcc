// Base64 with `+`, `/` and `=` (RFC 4648, section 4).
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

namespace de::crypto {

std::string to_base64(std::string_view bytes);

}  // namespace de::crypto
