// Hashes of what was just executed. The kernel tells which file it was, but not all that the hash is remembered by (the
// birth time); and opening a file can wait for somebody else's file system. So a thread of its own finds the file, and
// an exec gets the hash that is known at that moment: the first exec of a file has none, later ones do.
//
// Thread: add() and learn() any; the class locks itself.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "collect/exe_hash.h"
#include "collect/file_key.h"
#include "collect/process_source.h"

namespace de::collect {

// "sha256" and the hash in hexadecimal.
void set_hash(pb::ProcessRecord& record, const Digest& digest);

class ImageHashes {
 public:
  static constexpr std::size_t kMaxFiles = 8'192;   // Beyond it all are forgotten and found again.
  static constexpr std::size_t kMaxWanted = 256;    // Files to be found; more are asked for with their next exec.
  static constexpr std::uint32_t kMaxFailures = 3;  // Then it is left to scans.

  // Both outlive this.
  ImageHashes(ExeHasher& hasher, ProcessSource& source);
  ~ImageHashes();
  ImageHashes(const ImageHashes&) = delete;
  ImageHashes& operator=(const ImageHashes&) = delete;

  // `seen`: what the kernel said about the file, without birth time. False: the hash is not known, and not asked for
  // because it `may_ask` not.
  bool add(pb::ProcessRecord& record, const FileKey& seen, bool may_ask);

 private:
  struct File {
    FileKey key;  // The whole one.
    bool is_found = false;
    bool is_wanted = false;
    std::uint32_t failures = 0;
  };
  struct Wanted {
    FileKey seen;
    std::uint32_t pid = 0;
    std::string process_uid;
    std::string path;
  };
  void run();
  bool find(const Wanted& wanted, Executable& executable) const;

  ExeHasher& hasher_;
  ProcessSource& source_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<FileKey, File, FileKeyHash> files_;  // By what the kernel said.
  std::deque<Wanted> wanted_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace de::collect
