// A file `format` in a directory of ours says by which number the layout of what lies beside it goes, so that a program
// that is older than its data refuses it instead of taking it for damaged.
//
// Thread: main, at start.
#pragma once

#include <cstdint>
#include <string>

#include "daemoneye/base/result.h"

namespace de {

// Before anything else in `dir` (which exists) is read. A directory without the file gets one.
// Errors: Unsupported (another number, with what to do), Corrupt (no number), Io.
Result<> check_format(const std::string& dir, std::uint32_t known);

}  // namespace de
