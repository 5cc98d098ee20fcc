// Where the rows of `users`, `uptime`, `file` and the other tables about the host come from.
//
// Thread: any; sessions of several threads ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/schema/host_columns.h"
#include "daemoneye/schema/table.h"

namespace de::mirror {

// One value for each column of the table, owned.
using HostRow = std::vector<schema::Cell>;

class HostSource {
 public:
  virtual ~HostSource() = default;
  // Of every table but those by path. Errors: those of the source, which fail the statement.
  virtual Result<std::vector<HostRow>> rows(schema::HostTable table) const = 0;
  // Why the rows of that table are older than what they are about; empty when they are not.
  virtual std::string why_stale(schema::HostTable) const { return {}; }
  // The file of that name in a table by path; none when there is none. Errors: Denied (the agent may not tell), Io,
  // Corrupt (it makes no sense to who looks into it), Unsupported (no file can be told about; the text says why).
  virtual Result<std::optional<HostRow>> named(schema::HostTable table, std::string_view path) const = 0;
  // How many different files one statement may name in each of these.
  virtual std::size_t max_files() const = 0;
};

}  // namespace de::mirror
