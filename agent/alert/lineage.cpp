#include "alert/lineage.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string_view>
#include <variant>

namespace de::alert {
namespace {

constexpr std::string_view kLookup =
    "SELECT pid, ppid, name, executable_path, user_id, process_uid, parent_uid, start_time_ms FROM processes "
    "WHERE pid = ?";
constexpr std::size_t kLookupColumns = 8;
constexpr mirror::Budget kLookupBudget{1'000, 4UL << 20, 1, 1UL << 20};

std::optional<std::int64_t> integer(const mirror::Value& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

std::optional<std::uint32_t> process_id(const mirror::Value& value) {
  const auto number = integer(value);
  if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::string text(const mirror::Value& value) {
  const auto* view = std::get_if<std::string_view>(&value);
  return view != nullptr ? std::string(*view) : std::string();
}

Facts to_facts(std::uint32_t pid, std::span<const mirror::Value> row) {
  return {.pid = pid,
          .ppid = process_id(row[1]),
          .name = text(row[2]),
          .executable_path = text(row[3]),
          .user_id = text(row[4]),
          .process_uid = text(row[5]),
          .parent_uid = text(row[6]),
          .start_time_ms = integer(row[7])};
}

bool can_be_parent(const Facts& parent, const Facts& child) {
  if (!child.parent_uid.empty() && !parent.process_uid.empty()) return child.parent_uid == parent.process_uid;
  // Equal is possible: the kernel's clock for start times has steps of 10 ms.
  return !parent.start_time_ms || !child.start_time_ms || *parent.start_time_ms <= *child.start_time_ms;
}

}  // namespace

Result<std::optional<Facts>> Lineage::find(std::uint32_t pid) {
  const auto& image = session_.image();
  const std::uint64_t generation = image ? image->generation : 0;
  if (generation != known_generation_ || known_.size() >= kMaxCached) known_.clear();
  known_generation_ = generation;
  if (const auto known = known_.find(pid); known != known_.end()) return known->second;

  std::optional<Facts> found;
  const mirror::Value wanted = static_cast<std::int64_t>(pid);
  const auto keep = [&](std::span<const mirror::Value> row) {
    if (row.size() == kLookupColumns) found = to_facts(pid, row);
    return false;
  };
  auto outcome = session_.run(
      kLookup, std::span(&wanted, 1), kLookupBudget, [](std::span<const std::string>) {}, keep);
  if (!outcome) return fail(std::move(outcome).error().during("look up process"));
  known_.emplace(pid, found);
  return found;
}

Result<std::vector<pb::Ancestor>> Lineage::ancestors(const Facts& process) {
  std::vector<pb::Ancestor> chain;
  std::vector<std::uint32_t> seen{process.pid};
  Facts child = process;
  while (chain.size() < kMaxDepth && child.ppid.value_or(0) != 0) {
    const std::uint32_t pid = *child.ppid;
    if (std::ranges::find(seen, pid) != seen.end()) break;  // Reused ids can form a ring.
    DE_TRY(parent, find(pid));
    if (!parent || !can_be_parent(*parent, child)) break;
    pb::Ancestor& ancestor = chain.emplace_back();
    ancestor.set_pid(pid);
    ancestor.set_name(parent->name);
    ancestor.set_executable_path(parent->executable_path);
    seen.push_back(pid);
    child = std::move(*parent);
  }
  return chain;
}

Result<std::vector<pb::Ancestor>> read_ancestry(const std::string& bytes) {
  pb::Ancestry ancestry;
  if (!ancestry.ParseFromString(bytes)) return fail(Errc::Invalid, "read ancestry: does not parse");
  std::vector<pb::Ancestor> chain;
  for (pb::Ancestor& one : *ancestry.mutable_ancestors()) {
    if (one.pid() == 0) return fail(Errc::Invalid, "read ancestry: an ancestor without pid");
    if (chain.size() == Lineage::kMaxDepth) break;
    chain.push_back(std::move(one));
  }
  return chain;
}

}  // namespace de::alert
