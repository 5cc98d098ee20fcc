// What the modifiers wide, utf16 and base64 make of a text.
//
// Thread: any (pure functions).
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace de::sigma {

enum class ByteOrder : bool { Little, Big };

// Bytes of UTF-16. What is no UTF-8 becomes U+FFFD.
std::string to_utf16(std::string_view text, ByteOrder order);
// What is found of `bytes` in the base64 of any text they are part of: one for each of the three ways they can lie.
std::array<std::string, 3> to_base64_offsets(std::string_view bytes);

}  // namespace de::sigma
