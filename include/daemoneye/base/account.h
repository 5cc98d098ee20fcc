// Accounts of the operating system, and directories that belong to one of them.
//
// Thread: main, at start.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include "daemoneye/base/result.h"

namespace de {

// Stand for the two accounts where a private state directory is used and the accounts do not exist.
constexpr uid_t kPrivateProcmondUid = 64123;
constexpr uid_t kPrivateAgentUid = 64124;

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// `user` is a name or a number; a number without an account is its own group, too.
// Errors: NotFound, with what to do.
Result<Account> find_account(const std::string& user);
// The same; `fixed` when there is no such account and the state directory is private.
Result<Account> find_account_or(const std::string& user, bool is_private, uid_t fixed);
std::optional<gid_t> find_group(const std::string& group);

// Creates `dir`, or leaves what is there. Errors: NotFound (its parent is missing), Io.
Result<> make_directory(const std::string& dir, mode_t mode);

// Whether nobody but `owners` (at least one) can change what is in `dir`. Errors: Denied with what to do, Io.
Result<> check_directory(const std::string& dir, std::span<const uid_t> owners);

// Creates `dir` for `account` (its parent must exist), or accepts one that is there, is the account's or root's, and
// cannot be written by others. Root hands it over; anybody else must own it already.
// Errors: Denied (whose it is and what to do), Io.
Result<> own_directory(const std::string& dir, const Account& account, mode_t mode);

}  // namespace de
