// Files of an operator that others must not read: tokens and keys.
//
// Thread: any.
#pragma once

#include <cstddef>
#include <string>

#include "daemoneye/base/result.h"

namespace de::courier {

constexpr std::size_t kMaxTokenBytes = 4'096;
constexpr std::size_t kMaxKeyBytes = 64UL << 10;

// All of a file that only its owner and group may read. `key` is the name of the setting, for errors. The caller wipes
// what it gets. Errors: NotFound, Denied (others may read it, or we may not), Invalid (no regular file), TooLarge, Io.
Result<std::string> read_secret(const std::string& key, const std::string& path, std::size_t max_bytes);

// The one line of such a file. Errors: those, and Invalid (not one line of printable characters).
Result<std::string> read_token(const std::string& key, const std::string& path);

void wipe(std::string& secret);

}  // namespace de::courier
