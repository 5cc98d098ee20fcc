#include "collect/lineage.h"

#include <cstddef>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/process_columns.h"

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

std::string to_json(const Lineage& lineage) {
  std::string json = "[";
  for (const Ancestor* one = lineage.get(); one != nullptr; one = one->parent.get()) {
    if (json.size() > 1) json += ',';
    json += "{\"pid\":" + std::to_string(one->pid) + ",\"process_uid\":\"" +
            schema::uid_text({one->uid.data(), one->uid.size()}) + "\",\"name\":";
    append_json_string(json, one->name.get());
    if (!one->executable_path.get().empty()) {
      json += ",\"executable_path\":";
      append_json_string(json, one->executable_path.get());
    }
    json += '}';
    if (one->cut) json += ",{\"cut\":true}";
  }
  return json + "]";
}

const std::string& LineageTexts::of(const Lineage& lineage) {
  const auto address = reinterpret_cast<std::uintptr_t>(lineage.get());
  Entry& entry = entries_[(address / alignof(std::max_align_t)) * 0x9e3779b97f4a7c15U >> 58];
  static_assert(kKept == 64);
  if (entry.json.empty() || entry.lineage != lineage) entry = {lineage, to_json(lineage)};
  return entry.json;
}

}  // namespace de::collect
