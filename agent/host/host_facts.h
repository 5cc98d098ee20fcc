// What the agent can tell about the host: its accounts, its name, its clock, and files that somebody asks for by name.
// What does not change while the host runs is read at the start. Accounts are read again when their files changed; but
// a confined agent may read the files that were there when it started, and a file that was put in their place is
// another one: then the accounts are those of before, and every answer says so.
//
// Files of `file` are never opened: the kernel is asked for their facts, without waking automounts, and only in the
// directories that the configuration lists. For `magic` the first bytes of regular files are read, in directories that
// it lists for that. What the agent's account may not look at it cannot tell.
//
// Thread: any; a mutex guards the accounts that were read last.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "host/account_files.h"
#include "host/magic.h"
#include "mirror/host_source.h"

namespace de::host {

struct HostOptions {
  std::vector<std::string> file_dirs;     // Below these a file may be asked for.
  std::vector<std::string> content_dirs;  // Below these one may be read.
  std::size_t max_files = 0;              // In one statement.
  std::string etc_dir = "/etc";           // Of passwd and group.
};

// What does not change while the host runs. Read at the start, while all of it can be read.
struct SystemFacts {
  mirror::HostRow system;
  mirror::HostRow os;
  std::shared_ptr<const MagicDatabase> magic;  // Never null.
};
SystemFacts read_system(const std::string& etc_dir, std::span<const std::string> magic = magic_paths());

class HostFacts final : public mirror::HostSource {
 public:
  // `clock` outlives it.
  HostFacts(HostOptions options, SystemFacts system, const Clock& clock)
      : options_(std::move(options)), system_(std::move(system)), clock_(clock) {}

  // Errors: Io (a file of accounts cannot be read, or is larger than 4 MiB).
  Result<std::vector<mirror::HostRow>> rows(schema::HostTable table) const override;
  std::string why_stale(schema::HostTable table) const override;
  Result<std::optional<mirror::HostRow>> named(schema::HostTable table, std::string_view path) const override;
  std::size_t max_files() const override { return options_.max_files; }

 private:
  struct Accounts {
    std::vector<User> users;
    std::vector<Group> groups;
  };
  Result<std::shared_ptr<const Accounts>> accounts() const;
  Result<std::optional<mirror::HostRow>> magic(const std::string& path) const;

  const HostOptions options_;
  const SystemFacts system_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Accounts> accounts_;  // Shared with statements that still read them.
  mutable std::string stamp_;                         // Of the files they are from.
  mutable bool is_stale_ = false;                     // They have changed, and cannot be read any more.
};

// Whether `path` is absolute, without "..", and below one of `dirs`.
bool is_below(std::string_view path, const std::vector<std::string>& dirs);

mirror::HostRow uptime_row(std::int64_t seconds);
mirror::HostRow time_row(std::int64_t unix_seconds);
mirror::HostRow os_row(const std::map<std::string, std::string>& release, std::string_view arch);

}  // namespace de::host
