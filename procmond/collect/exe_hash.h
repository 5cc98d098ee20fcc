// SHA-256 of running executables, computed on a worker thread and remembered.
//
// A hash is only remembered for a file that cannot have changed unnoticed. The key is (dev, inode, size, mtime,
// ctime, btime): inode numbers are reused at once by some file systems, mtime can be set back, ctime cannot. A file
// whose ctime is younger than two seconds is not hashed yet: it could change again within the same tick of the
// kernel's clock. After reading, the file is looked at again, and the hash is dropped when anything moved.
// What is hashed is a descriptor, never a path.
//
// Thread: any; the class locks itself. It owns one worker thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "collect/file_key.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/crypto/digest.h"

namespace de::collect {

using Digest = crypto::Digest;  // SHA-256.

struct HashOptions {
  bool enabled = true;
  std::string state_dir;                                // Holds the file `hashes`. Empty: nothing is kept.
  std::uint64_t bytes_per_second = 64UL * 1024 * 1024;  // At most this much reading, averaged.
  std::uint64_t max_file_bytes = 512UL * 1024 * 1024;   // Larger files are never hashed.
  std::size_t max_entries = 10'000;                     // Remembered hashes; the least used go first.
  std::size_t max_queue = 256;                          // Each waiting file holds a descriptor.
};

struct HashCounts {
  std::uint64_t hashed = 0;       // Files read to the end.
  std::uint64_t bytes = 0;        // Bytes read.
  std::uint64_t too_large = 0;    // Refused by size.
  std::uint64_t unsettled = 0;    // Put off: changed less than two seconds ago.
  std::uint64_t changed = 0;      // Dropped: changed while it was read.
  std::uint64_t unhashable = 0;   // Read error, or a network file system.
  std::uint64_t queue_full = 0;   // Put off: too many waiting.
  std::uint64_t damaged = 0;      // The file of earlier hashes was damaged and not used.
  std::uint64_t save_failed = 0;  // The file of hashes could not be written.
  std::uint64_t entries = 0;      // Remembered now.
  std::uint64_t queued = 0;       // Waiting now.
};

class ExeHasher {
 public:
  enum class Known : std::uint8_t { No, Yes, Never };  // Never: too large or unreadable, do not ask again.
  enum class Queued : std::uint8_t { Yes, Already, Later };

  // A damaged file of hashes is counted and ignored. `clock` outlives the hasher.
  static std::unique_ptr<ExeHasher> start(HashOptions options, const Clock& clock);
  ~ExeHasher();

  Known find(const FileKey& key, Digest& digest);
  // True when submit(key) would take it now: settled, not waiting, room. Ask before opening a file.
  bool wants(const FileKey& key);
  Queued submit(UniqueFd fd, const FileKey& key);

  // Reads the file on the calling thread, within max_file_bytes but without the byte budget, and remembers the hash
  // when the rules above allow it. Errors: TooLarge, Unsupported (network file system), Conflict (it changed), Io.
  Result<Digest> hash_now(int fd, const FileKey& key);

  // While it pauses, files that were submitted wait, also the one that is being read.
  void pause(bool on);

  // Writes the file of hashes now; the worker does it too, once a minute and at the end. Errors: Denied, Io.
  Result<> save();
  HashCounts counts() const;

 private:
  class Worker;
  explicit ExeHasher(std::unique_ptr<Worker> worker);
  const std::unique_ptr<Worker> worker_;
};

}  // namespace de::collect
