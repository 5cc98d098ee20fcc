#include "catalog/contract.h"

#include <algorithm>
#include <optional>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "daemoneye/schema/table.h"

namespace de::catalog {
namespace {

constexpr std::string_view kReservedSpace = "processes";
constexpr std::string_view kSqliteSpaces[] = {"main", "temp"};
constexpr std::string_view kRowNames[] = {"rowid", "oid", "_rowid_"};

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && text.size() <= kMaxNameBytes && is_letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string shown(std::string_view name) { return escape_controls(std::string(name.substr(0, kMaxNameBytes))); }

std::optional<schema::SqlType> type_of(pb::ColumnType type) {
  switch (type) {
    case pb::COLUMN_TYPE_TEXT:
      return schema::SqlType::Text;
    case pb::COLUMN_TYPE_INTEGER:
      return schema::SqlType::Integer;
    case pb::COLUMN_TYPE_REAL:
      return schema::SqlType::Real;
    default:  // Protobuf keeps numbers it does not know.
      return std::nullopt;
  }
}

Error wrong(const pb::TableDescriptor& table, const std::string& what) {
  return {Errc::Invalid, "schema: table " + shown(table.name()) + ": " + what};
}

Result<> check_columns(const pb::TableDescriptor& table) {
  if (table.columns_size() == 0 || table.columns_size() > kMaxColumns)
    return fail(wrong(table, "has " + std::to_string(table.columns_size()) + " columns; 1 to " +
                                 std::to_string(kMaxColumns) + " are possible"));
  std::set<std::string_view> names;
  for (const pb::ColumnDescriptor& column : table.columns()) {
    if (!is_name(column.name()) || column.name().starts_with("de_") ||
        std::ranges::find(kRowNames, column.name()) != std::end(kRowNames))
      return fail(wrong(table, "column " + shown(column.name()) + ": not a name of at most 64 of a-z, 0-9 and _"));
    if (!names.insert(column.name()).second) return fail(wrong(table, "column " + column.name() + " is there twice"));
    if (!type_of(column.column_type())) return fail(wrong(table, "column " + column.name() + " has no known type"));
    if (column.supported_ops_size() > kMaxOperations || column.help().size() > kMaxHelpBytes ||
        column.unit().size() > kMaxNameBytes)
      return fail(wrong(table, "column " + column.name() + ": more operations, unit or help than there is room for"));
  }
  const auto has = [&](const std::string& name) { return names.contains(name); };
  if (table.key_size() > kMaxOperations || !std::ranges::all_of(table.key(), has))
    return fail(wrong(table, "its key is of columns that it does not have"));
  if (table.joins_size() > kMaxOperations || table.help().size() > kMaxHelpBytes ||
      !std::ranges::all_of(table.joins(), [&](const pb::JoinHint& hint) {
        return has(hint.column()) && hint.table().size() <= 2 * kMaxNameBytes &&
               hint.other_column().size() <= kMaxNameBytes;
      }))
    return fail(wrong(table, "its hints for joins are of columns that it does not have"));
  return {};
}

// The agent has columns of its own in these tables.
bool is_collected(const schema::TableInfo& table, std::string_view column) {
  const auto has = [column](const auto& columns) {
    return std::ranges::any_of(columns, [column](const auto& one) { return one.name == column; });
  };
  if (table.name == kReservedSpace) return has(schema::process_columns());
  return table.name != "processes.events" || has(schema::event_columns());
}

// A table that this version knows: what both have must be the same, what only one has is left out.
Result<> read_own(const schema::TableInfo& known, const pb::TableDescriptor& table, Description& out) {
  std::set<std::string_view> told;
  for (const pb::ColumnDescriptor& column : table.columns()) {
    const auto found = std::ranges::find(known.columns, column.name(), &schema::ColumnInfo::name);
    if (found == known.columns.end()) continue;
    if (type_of(column.column_type()) != found->type)
      return fail(wrong(table, "column " + column.name() + " is " + std::string(schema::to_text(found->type)) +
                                   " in this version; install the same version of collector and agent"));
    told.insert(found->name);
    if (known.name != kReservedSpace) continue;
    if (column.on_demand()) out.on_demand.insert(column.name());
    for (const int op : column.supported_ops())
      if (pb::PredicateOp_IsValid(op) && op != pb::PREDICATE_OP_UNSPECIFIED)
        out.operations[column.name()].insert(static_cast<pb::PredicateOp>(op));
  }
  out.tells_processes = out.tells_processes || known.name == kReservedSpace;
  for (const schema::ColumnInfo& column : known.columns)
    if (is_collected(known, column.name) && !told.contains(column.name))
      out.untold.push_back(std::string(known.name) + "." + std::string(column.name));
  return {};
}

Result<> read_reserved(const pb::TableDescriptor& table, bool owns_processes, Description& out) {
  if (!owns_processes)
    return fail(Errc::Denied, "schema: table " + shown(table.name()) + " is procmond's: nobody else may tell it");
  const schema::TableInfo* known = schema::find_live_table(table.name());
  if (known != nullptr) out.live.insert(table.name());
  if (known == nullptr) known = schema::find_table(table.name());
  if (known == nullptr || known->name != table.name()) return {};  // Of a newer version; nobody here asks for it.
  return read_own(*known, table, out);
}

Result<std::shared_ptr<const mirror::ForeignInfo>> read_foreign(const std::string& collector,
                                                                const pb::TableDescriptor& table) {
  auto info = std::make_shared<mirror::ForeignInfo>();
  info->name = table.name();
  const std::string_view space = info->space();
  if (!is_name(space) || !is_name(info->bare()) || info->name.find('.') == std::string::npos ||
      space.starts_with("sqlite") || space.starts_with("de_") || info->bare().starts_with("sqlite") ||
      std::ranges::find(kSqliteSpaces, space) != std::end(kSqliteSpaces))
    return fail(
        wrong(table, "its name must be two names of a-z, 0-9 and _ with a dot between, as network.connections"));
  if (table.live()) return fail(wrong(table, "only tables of procmond can be live"));
  info->collector = collector;
  info->help = escape_controls(table.help());
  for (const pb::ColumnDescriptor& column : table.columns())
    info->columns.push_back({column.name(), *type_of(column.column_type()), escape_controls(column.unit()),
                             escape_controls(column.help())});
  if (table.key_size() > 0)
    info->key = static_cast<std::size_t>(std::ranges::find(info->columns, table.key(0), &mirror::ForeignColumn::name) -
                                         info->columns.begin());
  if (info->key && info->columns[*info->key].type == schema::SqlType::Real) info->key.reset();
  for (const pb::JoinHint& hint : table.joins())
    info->joins.push_back(escape_controls(hint.column() + " = " + hint.table() + "." + hint.other_column()));
  return std::shared_ptr<const mirror::ForeignInfo>(std::move(info));
}

}  // namespace

Result<Description> read_description(const std::string& collector, bool owns_processes,
                                     const pb::SchemaDescriptor& schema) {
  if (schema.tables_size() > kMaxTables)
    return fail(Errc::TooLarge, "schema: more than " + std::to_string(kMaxTables) + " tables");
  Description out;
  std::set<std::string_view> names;
  for (const pb::TableDescriptor& table : schema.tables()) {
    DE_CHECK(check_columns(table));
    if (!names.insert(table.name()).second) return fail(wrong(table, "is there twice"));
    const schema::TableInfo* ours = schema::find_table(table.name());
    const bool is_reserved = table.name() == kReservedSpace || table.name().starts_with("processes.");
    if (is_reserved) {
      DE_CHECK(read_reserved(table, owns_processes, out));
    } else if (ours != nullptr) {
      return fail(Errc::Denied,
                  "schema: table " + shown(table.name()) + " is the agent's own: nobody else may tell it");
    } else {
      DE_TRY(info, read_foreign(collector, table));
      out.tables.push_back(std::move(info));
    }
  }
  return out;
}

}  // namespace de::catalog
