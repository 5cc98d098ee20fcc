// A file that is replaced as a whole: whoever reads it sees the old text or the new one, also after a power cut.
//
// Thread: any.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::console {

// Mode and owner stay as they are; a new file gets `new_mode`. `expected` is what the file held when the text was made
// (nothing for a file that was not there): Errc::Conflict when that is no longer so. Else NotFound, Denied, Io.
Result<> replace_file(const std::string& path, std::string_view text, std::string_view expected, mode_t new_mode);

}  // namespace de::console
