// What a file is by its first bytes, as libmagic says it: it matches them with a database of patterns, /etc/magic left
// aside. The bytes are whoever's who could write the file, so libmagic is given a buffer and no descriptor, and what of
// it opens, decompresses, follows offsets through the file or starts programs is switched off or has nothing to go by.
//
// The database stays open and is mapped for one file at a time; what libmagic keeps besides (patterns that it compiled,
// 3 to 5 MB of memory of its own) is freed after each file, too. That adds 2 ms to the 2 to 8 that a text takes, and
// next to nothing to the 0.3 of a program. Nothing of one file stays for the next, and an agent that nobody asks has
// 80 KB for it.
//
// Thread: any.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::host {

// Of a file nothing further is read. Nearly every pattern looks at the first KiB.
constexpr std::size_t kMagicBytes = 64UL << 10;

struct ContentType {
  std::string data, mime_type, mime_encoding;
};

class MagicDatabase {
 public:
  // Takes the first of `paths` that this libmagic can use. That there is none is told by who classifies.
  explicit MagicDatabase(std::span<const std::string> paths);

  const std::string& path() const { return path_; }
  // `start` is the first kMagicBytes of a file, or all of it; `may_run`: somebody may execute it. Errors: Unsupported
  // (there is no database), Corrupt (libmagic gives up on these bytes), Io.
  Result<ContentType> classify(std::string_view start, bool may_run) const;

 private:
  Result<> take(const std::string& path);

  UniqueFd fd_;
  std::size_t size_ = 0;
  std::string path_;
  std::string why_not_;
};

// Where one may be: ours first, which is there when libmagic is linked in and the host's may be of another version.
std::span<const std::string> magic_paths();

}  // namespace de::host
