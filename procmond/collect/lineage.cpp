#include "collect/lineage.h"

#include <cstddef>
#include <vector>

#include "daemoneye/process.pb.h"

namespace de::collect {
namespace {

// The nearest `count` of a chain, as a chain of their own.
Lineage nearest(const Lineage& chain, std::uint32_t count) {
  std::vector<const Ancestor*> kept;
  for (const Ancestor* one = chain.get(); one != nullptr && kept.size() < count; one = one->parent.get())
    kept.push_back(one);
  Lineage copy;
  for (auto one = kept.rbegin(); one != kept.rend(); ++one) {
    Ancestor again = **one;
    again.cut = again.cut || (copy == nullptr && (*one)->parent != nullptr);
    again.depth = copy != nullptr ? copy->depth + 1 : 1;
    again.parent = std::move(copy);
    copy = std::make_shared<const Ancestor>(std::move(again));
  }
  return copy;
}

}  // namespace

Lineage extend(Ancestor newest, const Lineage& above) {
  newest.parent = above != nullptr && above->depth >= kMaxAncestors ? nearest(above, kMaxAncestors / 2) : above;
  newest.depth = newest.parent != nullptr ? newest.parent->depth + 1 : 1;
  return std::make_shared<const Ancestor>(std::move(newest));
}

std::string serialise(const Lineage& lineage) {
  pb::Ancestry ancestry;
  for (const Ancestor* one = lineage.get(); one != nullptr; one = one->parent.get()) {
    pb::Ancestor& ancestor = *ancestry.add_ancestors();
    ancestor.set_pid(one->pid);
    ancestor.set_name(std::string(one->name.get()));
    ancestor.set_executable_path(std::string(one->executable_path.get()));
    ancestor.set_process_uid(one->uid.data(), one->uid.size());
    ancestor.set_cut(one->cut);
  }
  return ancestry.SerializeAsString();
}

const std::shared_ptr<const std::string>& LineageTexts::of(const Lineage& lineage) {
  const auto address = reinterpret_cast<std::uintptr_t>(lineage.get());
  Entry& entry = entries_[(address / alignof(std::max_align_t)) * 0x9e3779b97f4a7c15U >> 58];
  static_assert(kKept == 64);
  if (entry.text && entry.lineage == lineage) return entry.text;
  pb::ProcessEvent event;
  event.set_ancestry(serialise(lineage));
  event.set_parent_name(std::string(lineage->name.get()));
  if (!lineage->executable_path.get().empty())
    event.set_parent_executable_path(std::string(lineage->executable_path.get()));
  if (!lineage->command_line.get().empty()) event.set_parent_command_line(std::string(lineage->command_line.get()));
  entry = {lineage, std::make_shared<const std::string>(event.SerializeAsString())};
  return entry.text;
}

}  // namespace de::collect
