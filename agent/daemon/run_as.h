// Becoming the account the agent runs as, for good.
//
// Thread: main, before any other thread exists.
#pragma once

#include "daemoneye/base/account.h"
#include "daemoneye/base/result.h"

namespace de::daemon {

// Drops to `account` with no supplementary groups and no way back; when not root, only no_new_privs and non-dumpable
// are set. Errors: Invalid (the account is root), Denied.
Result<> become(const Account& account);

}  // namespace de::daemon
