// Who is on the other end of a local socket, as the kernel recorded it when the connection was made.
//
// Thread: any (values).
#pragma once

#include <sys/types.h>

#include <vector>

namespace de::link {

struct Peer {
  // A peer nobody looked up has the uid and gid that mean "none" and no pid, so it is never taken for root.
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  std::vector<gid_t> groups;  // Supplementary groups; the primary one is `gid`.

  // By primary or supplementary group.
  bool belongs_to(gid_t group) const;
};

}  // namespace de::link
