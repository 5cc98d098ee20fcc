#include "mirror/foreign.h"

#include <algorithm>

namespace de::mirror {

std::string key_text(const schema::Cell& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return "i" + std::to_string(*integer);
  if (const auto* view = std::get_if<std::string_view>(&value)) return "t" + std::string(*view);
  if (const auto* text = std::get_if<std::string>(&value)) return "t" + *text;
  return {};
}

void ForeignRows::index(std::size_t key) {
  by_key.clear();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (std::string text = key_text(rows[i][key]); !text.empty()) by_key.emplace(std::move(text), i);
}

const ForeignTable* ForeignTables::find(std::string_view name) const {
  const auto found = std::ranges::find_if(tables, [&](const ForeignTable& table) { return table.info->name == name; });
  return found == tables.end() ? nullptr : &*found;
}

const GoneTable* ForeignTables::find_gone(std::string_view name) const {
  const auto found = std::ranges::find(gone, name, &GoneTable::name);
  return found == gone.end() ? nullptr : &*found;
}

bool ForeignTables::is_untold(std::string_view column) const {
  return std::ranges::find(untold, column) != untold.end();
}

}  // namespace de::mirror
