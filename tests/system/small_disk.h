// A file system of a few megabytes, below a directory of the test, that can be filled. Needs root. It is mounted in a
// mount namespace of this test alone: it is gone when the test is, however it ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace de::system_test {

class SmallDisk {
 public:
  // Makes `path` and mounts there; ready() says whether it worked.
  SmallDisk(std::string path, uid_t owner, std::uint32_t megabytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool ready() const { return mounted_; }
  // Somebody else's file takes all that is left but `spare_bytes`.
  void fill(std::uint64_t spare_bytes = 0);
  void make_room();
  std::uint64_t free_bytes() const;

 private:
  std::string filler() const { return path_ + "/somebody-elses.file"; }

  std::string path_;
  bool mounted_ = false;
};

}  // namespace de::system_test
