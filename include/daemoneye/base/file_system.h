// Which kind of file system a file lies on. Implemented per OS.
//
// Thread: any; may itself wait for the file system, so not where nobody may wait.
#pragma once

namespace de {

// Files of network and user-space file systems: reading them may wait for somebody else, for ever.
bool is_remote(int fd);

}  // namespace de
