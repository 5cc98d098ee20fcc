// Which account the agent runs as, and becoming it for good.
//
// Thread: main, before any other thread exists.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "daemoneye/base/result.h"

namespace de::daemon {

// Stand for the two accounts where a private state directory is used and the accounts do not exist.
constexpr uid_t kPrivateProcmondUid = 64123;
constexpr uid_t kPrivateAgentUid = 64124;

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// `user` is a name or a number. Errors: NotFound, with what to do.
Result<Account> find_account(const std::string& user);
// The account, or the fixed one when it does not exist and `is_private`.
Result<Account> find_account_or(const std::string& user, bool is_private, uid_t fixed_uid, gid_t fixed_gid);
std::optional<gid_t> find_group(const std::string& group);

// Creates `dir` for `account` (its parent must exist) or accepts it when it is there and nobody else's.
Result<> own_directory(const std::string& dir, const Account& account, mode_t mode);

// Drops to `account` with no supplementary groups and no way back; when not root only no_new_privs is set.
Result<> become(const Account& account);

}  // namespace de::daemon
