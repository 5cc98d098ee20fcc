// Looks through an environment before anybody relies on it. LMDB has no page checksums and trusts page numbers it
// finds: a damaged page ends the process. So a child process looks, and what ends it is damage.
//
// Thread: main, at start.
#pragma once

#include <string>

#include "daemoneye/base/result.h"

namespace de::store {

// The agent is to be in service soon: what has not been looked through by then counts as good. A slow disk is no
// damage, and every value is checked again when it is read.
constexpr unsigned kScrubSeconds = 3;

// Reads every page and checks every sealed value of the environment in `dir`, for at most `limit_s` (not 0).
// Errors: Corrupt; Io (no child process).
Result<> scrub(const std::string& dir, unsigned limit_s);

}  // namespace de::store
