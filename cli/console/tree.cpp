#include "console/tree.h"

#include <map>

#include "render/cell.h"

namespace de::console {
namespace {

enum { kPid, kPpid, kName, kUser, kUid, kParentUid, kColumns };

// A pid is used again: what has another identity than the child remembers is not the parent.
bool can_be_parent(const pb::Row& parent, const pb::Row& child) {
  const pb::Value& wanted = child.values(kParentUid);
  const pb::Value& found = parent.values(kUid);
  if (wanted.text().empty() || found.text().empty()) return true;
  return wanted.text() == found.text();
}

}  // namespace

Result<> Tree::add(const pb::Row& row) {
  if (row.values_size() != kColumns || !row.values(kPid).has_integer())
    return fail(Errc::Corrupt, "a row that is no process");
  nodes_.push_back({row, row.values(kPid).integer(), {}});
  return {};
}

Result<std::vector<Tree::Visit>> Tree::walk(std::optional<std::uint32_t> root) const {
  std::vector<Node> nodes = nodes_;
  std::map<std::int64_t, std::size_t> by_pid;
  for (std::size_t i = 0; i < nodes.size(); ++i) by_pid[nodes[i].pid] = i;
  std::vector<std::size_t> tops;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto parent = by_pid.find(nodes[i].row.values(kPpid).integer());
    const bool known = nodes[i].row.values(kPpid).has_integer() && parent != by_pid.end() && parent->second != i &&
                       can_be_parent(nodes[parent->second].row, nodes[i].row);
    if (known)
      nodes[parent->second].children.push_back(i);
    else
      tops.push_back(i);
  }
  if (root) {
    const auto found = by_pid.find(*root);
    if (found == by_pid.end()) return fail(Errc::NotFound, "no process " + std::to_string(*root) + " in the snapshot");
    tops.assign(1, found->second);
  }
  std::vector<Visit> out;
  std::vector<bool> seen(nodes.size());
  std::vector<Visit> stack;
  const auto start = [&](std::size_t top) { stack.push_back({top, 0, "", ""}); };
  for (auto top = tops.rbegin(); top != tops.rend(); ++top) start(*top);
  for (std::size_t next = 0;;) {
    // Two that name each other as parent hang below nothing; they are shown, too.
    while (stack.empty() && !root && next < nodes.size() && seen[next]) ++next;
    if (stack.empty() && !root && next < nodes.size()) start(next);
    if (stack.empty()) break;
    Visit visit = std::move(stack.back());
    stack.pop_back();
    if (seen[visit.node]) continue;
    seen[visit.node] = true;
    const std::vector<std::size_t>& children = nodes[visit.node].children;
    for (std::size_t i = children.size(); i-- > 0;) {
      const bool last = i + 1 == children.size();
      stack.push_back(
          {children[i], visit.depth + 1, visit.below + (last ? "`- " : "|- "), visit.below + (last ? "   " : "|  ")});
    }
    out.push_back(std::move(visit));
  }
  return out;
}

Result<std::string> Tree::draw(std::optional<std::uint32_t> root) const {
  DE_TRY(visits, walk(root));
  std::string out;
  for (const Visit& visit : visits) {
    const pb::Row& row = nodes_[visit.node].row;
    out += visit.branch + std::to_string(nodes_[visit.node].pid) + ' ' + render::plain(row.values(kName));
    if (row.values(kUser).has_text()) out += " (" + render::plain(row.values(kUser)) + ")";
    out += '\n';
  }
  return out;
}

Result<std::vector<pb::Row>> Tree::rows(std::optional<std::uint32_t> root) const {
  DE_TRY(visits, walk(root));
  std::vector<pb::Row> out;
  for (const Visit& visit : visits) {
    pb::Row& row = out.emplace_back();
    row.add_values()->set_integer(static_cast<std::int64_t>(visit.depth));
    for (const int column : {kPid, kPpid, kName, kUser}) *row.add_values() = nodes_[visit.node].row.values(column);
  }
  return out;
}

}  // namespace de::console
