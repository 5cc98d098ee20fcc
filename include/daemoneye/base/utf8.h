// What is valid UTF-8 (RFC 3629), and text made so.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace de {

// Length of the valid sequence at the start of `text`, which is not empty; 0 when its first byte starts none.
std::size_t utf8_length(std::string_view text);

// Bytes that are not valid UTF-8 become U+FFFD, one each.
std::string to_valid_utf8(std::string_view text);

}  // namespace de
