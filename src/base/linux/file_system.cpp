#include "daemoneye/base/file_system.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace de {

bool is_remote(int fd) {
  // From linux/magic.h and the file systems' own sources: FUSE, NFS, SMB (three of them), 9P, Ceph, AFS, Coda, OCFS2,
  // GFS2, Lustre.
  static constexpr std::array<std::uint32_t, 12> kRemote = {0x65735546, 0x6969,     0x517b,     0xff534d42,
                                                            0xfe534d42, 0x01021997, 0x00c36400, 0x5346414f,
                                                            0x73757245, 0x7461636f, 0x01161970, 0x0bd00bd0};
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0) return false;
  return std::find(kRemote.begin(), kRemote.end(), static_cast<std::uint32_t>(system.f_type)) != kRemote.end();
}

}  // namespace de
