// /etc/passwd, /etc/group and os-release as their lines say: whoever may write them is root, but a line too many or too
// long must not cost more than it is worth.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace de::host {

constexpr std::size_t kMaxAccountFileBytes = 4UL << 20;
constexpr std::size_t kMaxAccounts = 20'000;  // Of each file; the first ones.

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string name, description, directory, shell;
};

struct Group {
  std::uint32_t gid = 0;
  std::string name;
  std::vector<std::string> members;
};

// A line that is no account is passed over, as the C library does.
std::vector<User> parse_passwd(std::string_view text);
std::vector<Group> parse_group(std::string_view text);

// NAME="Debian GNU/Linux" becomes {"NAME", "Debian GNU/Linux"}.
std::map<std::string, std::string> parse_os_release(std::string_view text);

}  // namespace de::host
