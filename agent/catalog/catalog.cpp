#include "catalog/catalog.h"

#include <algorithm>
#include <set>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/process_columns.h"

namespace de::catalog {
namespace {

constexpr std::size_t kMaxGone = 256;
constexpr std::size_t kCellBytes = 40;  // What a value takes beside its text.

// Errors: Invalid.
Result<schema::Cell> to_cell(const mirror::ForeignColumn& column, pb::Literal& from) {
  const auto fits = [&](schema::SqlType type) { return column.type == type; };
  switch (from.value_case()) {
    case pb::Literal::VALUE_NOT_SET:
      return schema::Cell();
    case pb::Literal::kIntValue:
      if (fits(schema::SqlType::Integer)) return schema::Cell(static_cast<std::int64_t>(from.int_value()));
      break;
    case pb::Literal::kFloatValue:
      if (fits(schema::SqlType::Real)) return schema::Cell(from.float_value());
      break;
    case pb::Literal::kStringValue:
      if (!fits(schema::SqlType::Text)) break;
      if (from.string_value().size() > schema::kSqlTextBytes)
        return fail(Errc::Invalid, "column " + column.name + ": a text of more than 64 KiB");
      return schema::Cell(std::move(*from.mutable_string_value()));
  }
  return fail(Errc::Invalid,
              "column " + column.name + ": a value that is not " + std::string(schema::to_text(column.type)));
}

std::size_t size_of(const schema::Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return kCellBytes + (text == nullptr ? 0 : text->size());
}

// Whatever reads them need not look again.
bool is_same_schema(const mirror::ForeignTables& left, const mirror::ForeignTables& right) {
  const auto same_table = [](const auto& one, const auto& other) { return *one.info == *other.info; };
  const auto same_name = [](const auto& one, const auto& other) { return one.name == other.name; };
  return std::ranges::equal(left.tables, right.tables, same_table) &&
         std::ranges::equal(left.gone, right.gone, same_name);
}

}  // namespace

Result<> Catalog::check(const std::string& collector, bool owns_processes, const pb::SchemaDescriptor& schema) const {
  DE_TRY(description, read_description(collector, owns_processes, schema));
  std::set<std::string_view> spaces;
  for (const auto& [id, member] : members_) {
    if (id == collector) continue;
    for (const auto& theirs : member.description.tables) {
      spaces.insert(theirs->space());
      for (const auto& info : description.tables)
        if (info->name == theirs->name)
          return fail(Errc::Conflict, "schema: table " + info->name + " is told by collector " + id + " already");
    }
  }
  for (const auto& info : description.tables) spaces.insert(info->space());
  if (spaces.size() > mirror::kMaxNamespaces)
    return fail(Errc::Exhausted,
                "schema: tables of more than " + std::to_string(mirror::kMaxNamespaces) + " names before the dot");
  return {};
}

void Catalog::join(const std::string& collector, bool owns_processes, const pb::SchemaDescriptor& schema) {
  auto description = read_description(collector, owns_processes, schema);
  if (!description) return;  // check() has refused it.
  Member& member = members_[collector];
  member = Member();
  member.described = schema.tables_size() > 0;
  member.description = std::move(*description);
  for (const auto& info : member.description.tables) gone_.erase(info->name);
  publish();
}

void Catalog::leave(const std::string& collector) {
  const auto found = members_.find(collector);
  if (found == members_.end()) return;
  for (const auto& info : found->second.description.tables)
    if (gone_.size() < kMaxGone || gone_.contains(info->name))
      gone_.insert_or_assign(info->name, mirror::GoneTable{info->name, collector, clock_.unix_ms()});
  members_.erase(found);
  publish();
}

Result<> Catalog::add_rows(const mirror::ForeignInfo& info, pb::TableRows& part, Telling& telling) {
  for (pb::TableRow& from : *part.mutable_rows()) {
    if (static_cast<std::size_t>(from.cells_size()) != info.columns.size())
      return fail(Errc::Invalid, "table " + info.name + ": a row of " + std::to_string(from.cells_size()) +
                                     " values, the table has " + std::to_string(info.columns.size()) + " columns");
    mirror::ForeignRow row;
    std::size_t bytes = sizeof(mirror::ForeignRow);
    for (std::size_t i = 0; i < info.columns.size(); ++i) {
      auto cell = to_cell(info.columns[i], *from.mutable_cells(static_cast<int>(i)));
      if (!cell) return fail(std::move(cell).error().during("table " + info.name));
      bytes += size_of(*cell);
      row.push_back(std::move(*cell));
    }
    if (telling.is_shed) continue;
    telling.rows->rows.push_back(std::move(row));
    telling.rows->bytes += bytes;
    counts_.bytes += bytes;
    if (telling.rows->rows.size() <= limits_.rows && counts_.bytes <= limits_.bytes) continue;
    telling.is_shed = true;
    counts_.bytes -= telling.rows->bytes;
    telling.rows = std::make_shared<mirror::ForeignRows>();
  }
  return {};
}

Result<bool> Catalog::take(const std::string& collector, pb::TableRows&& part) {
  const auto found = members_.find(collector);
  const auto* infos = found == members_.end() ? nullptr : &found->second.description.tables;
  const auto info = infos == nullptr
                        ? std::vector<std::shared_ptr<const mirror::ForeignInfo>>::const_iterator()
                        : std::ranges::find_if(*infos, [&](const auto& one) { return one->name == part.table(); });
  if (infos == nullptr || info == infos->end())
    return fail(Errc::Invalid, "rows of table " + escape_controls(part.table().substr(0, 2 * kMaxNameBytes)) +
                                   ", which the collector did not describe");
  Member& member = found->second;
  if (part.chunk() == 0) {
    Telling& fresh = member.open[part.table()];
    if (fresh.rows) counts_.bytes -= fresh.rows->bytes;
    fresh = Telling{part.scan_id(), 0, false, std::make_shared<mirror::ForeignRows>()};
    fresh.rows->time_ms = part.time_ms();
  }
  const auto open = member.open.find(part.table());
  if (open == member.open.end() || open->second.scan_id != part.scan_id() || open->second.next_chunk != part.chunk())
    return fail(Errc::Corrupt,
                "table " + (*info)->name + ": part " + std::to_string(part.chunk()) + " is out of order");
  Telling& telling = open->second;
  ++telling.next_chunk;
  DE_CHECK(add_rows(**info, part, telling));
  if (!part.last()) return false;
  Telling done = std::move(telling);
  member.open.erase(open);
  member.shed[part.table()] = done.is_shed;
  if (done.is_shed) {
    ++counts_.shed;
    return false;
  }
  if ((*info)->key) done.rows->index(*(*info)->key);
  ++counts_.tellings;
  counts_.rows += done.rows->rows.size();
  auto& told = member.told[part.table()];
  told = std::move(done.rows);
  publish();
  return true;
}

void Catalog::publish() {
  auto next = std::make_shared<mirror::ForeignTables>();
  std::uint64_t bytes = 0;
  for (const auto& [id, member] : members_) {
    for (const auto& info : member.description.tables) {
      const auto told = member.told.find(info->name);
      next->tables.push_back({info, told == member.told.end() ? nullptr : told->second});
    }
    for (const auto& [name, rows] : member.told) bytes += rows->bytes;
    for (const auto& [name, telling] : member.open) bytes += telling.rows->bytes;
  }
  counts_.bytes = bytes;
  std::ranges::sort(next->tables, {}, [](const mirror::ForeignTable& table) { return table.info->name; });
  for (const auto& [name, gone] : gone_) next->gone.push_back(gone);
  if (const Description* described = processes(); described != nullptr) {
    next->untold = described->untold;
    next->on_demand.assign(described->on_demand.begin(), described->on_demand.end());
  }
  next->generation = tables_->generation + (is_same_schema(*tables_, *next) ? 0 : 1);
  tables_ = std::move(next);
}

const Description* Catalog::processes() const {
  for (const auto& [id, member] : members_)
    if (member.described && member.description.tells_processes) return &member.description;
  return nullptr;
}

std::vector<pb::Reason> Catalog::reasons() const {
  std::vector<pb::Reason> out;
  for (const auto& [id, member] : members_)
    for (const auto& [name, is_shed] : member.shed) {
      if (!is_shed) continue;
      pb::Reason& reason = out.emplace_back();
      reason.set_reason("ResourceLimit");
      reason.set_collector(id);
      reason.set_subject(name);
      reason.set_detail("table " + name +
                        " is larger than tables.max_rows or tables.max_mb let it; it is as it was before");
    }
  return out;
}

}  // namespace de::catalog
