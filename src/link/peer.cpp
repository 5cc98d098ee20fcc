#include "daemoneye/link/peer.h"

#include <algorithm>

namespace de::link {

bool Peer::belongs_to(gid_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace de::link
