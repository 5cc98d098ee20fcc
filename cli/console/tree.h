// `tree`: the processes of a snapshot below their parents.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"

namespace de::console {

// Its columns are those that Tree::add() expects, in their order.
constexpr const char* kTreeSql =
    "SELECT pid, ppid, name, coalesce(user_name, user_id) AS user, process_uid, parent_uid FROM processes ORDER BY pid";

class Tree {
 public:
  // Errors: Corrupt (not a row of kTreeSql).
  Result<> add(const pb::Row& row);

  // Depth first, "pid name (user)", branches in front. Only `root` and what is below it, when it is given.
  // Errors: NotFound.
  Result<std::string> draw(std::optional<std::uint32_t> root) const;
  // The same as rows: depth, pid, ppid, name, user.
  Result<std::vector<pb::Row>> rows(std::optional<std::uint32_t> root) const;
  static std::vector<std::string> columns() { return {"depth", "pid", "ppid", "name", "user"}; }

 private:
  struct Node {
    pb::Row row;
    std::int64_t pid = 0;
    std::vector<std::size_t> children;
  };
  struct Visit {
    std::size_t node = 0;
    std::size_t depth = 0;
    std::string branch;  // What stands in front of it, and of what is below it.
    std::string below;
  };

  Result<std::vector<Visit>> walk(std::optional<std::uint32_t> root) const;

  std::vector<Node> nodes_;
};

}  // namespace de::console
