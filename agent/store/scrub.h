// Looks through an environment before anybody relies on it. LMDB has no page checksums and trusts page numbers it
// finds: a damaged page ends the process. So a child process looks, and what ends it is damage.
//
// Thread: main, at start.
#pragma once

#include <string>

#include "daemoneye/base/result.h"

namespace de::store {

// Reads every page and checks every sealed value of the environment in `dir`. Errors: Corrupt; Io (no child process).
// What takes longer than three seconds counts as good: a slow disk is no damage, and the start must not wait for it.
Result<> scrub(const std::string& dir);

}  // namespace de::store
