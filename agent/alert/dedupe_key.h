// The text by which equal alerts are recognised.
//
// Parts come from hostile processes, so the encoding is injective: no choice of names makes two different lists of
// parts one key, or lets a process fold its alert into another's.
//
// Thread: any (pure functions).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace de::alert {

constexpr std::size_t kMaxKeyBytes = 256;  // Longer keys end in the SHA-256 of the whole.

// Joins the parts with '|'. Printable ASCII but '%' and '|' stands for itself, everything else is %XX; a missing part
// is empty and an empty text is a lone "%".
std::string dedupe_key(std::span<const std::optional<std::string_view>> parts);

}  // namespace de::alert
