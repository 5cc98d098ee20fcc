#include "daemoneye/schema/describe.h"

#include <algorithm>
#include <array>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

constexpr std::array kTextOps{pb::PREDICATE_OP_EQ, pb::PREDICATE_OP_NE,   pb::PREDICATE_OP_LT,
                              pb::PREDICATE_OP_LE, pb::PREDICATE_OP_GT,   pb::PREDICATE_OP_GE,
                              pb::PREDICATE_OP_IN, pb::PREDICATE_OP_LIKE, pb::PREDICATE_OP_GLOB};
constexpr std::size_t kNumberOps = 7;  // Of these the first.

constexpr std::array<std::string_view, 3> kOfEnvironment{"environment", "environment_length", "environment_cut"};
constexpr std::array<std::string_view, 2> kOfHashes{"executable_hash", "hash_algorithm"};
// Known only when everything else was read, or only sometimes.
constexpr std::array<std::string_view, 3> kKnownLate{"command_line_now", "platform_data", "shed"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_left_out(std::string_view column, const ProcessTables& told) {
  return (!told.environment && is_one_of(column, kOfEnvironment)) || (!told.hashes && is_one_of(column, kOfHashes));
}

template <class Record>
pb::ColumnDescriptor& add_column(const Column<Record>& column, pb::TableDescriptor& table) {
  pb::ColumnDescriptor& out = *table.add_columns();
  out.set_name(std::string(column.name));
  out.set_column_type(to_wire(column.type));
  return out;
}

}  // namespace

std::span<const pb::PredicateOp> ops_in_plans(const Column<pb::ProcessRecord>& column) {
  const bool is_known = column.change == Change::Static && column.on_demand == OnDemand::No &&
                        !is_one_of(column.name, kOfEnvironment) && !is_one_of(column.name, kOfHashes) &&
                        !is_one_of(column.name, kKnownLate);
  if (!is_known) return {};
  const std::span<const pb::PredicateOp> all = kTextOps;
  return column.type == SqlType::Text ? all : all.first(kNumberOps);
}

void describe_processes(const ProcessTables& told, pb::SchemaDescriptor& out) {
  out.set_descriptor_version(kDescriptorVersion);
  pb::TableDescriptor& processes = *out.add_tables();
  processes.set_name("processes");
  for (const Column<pb::ProcessRecord>& column : process_columns()) {
    if (is_left_out(column.name, told)) continue;
    pb::ColumnDescriptor& described = add_column(column, processes);
    if (!told.takes_plans) continue;
    described.set_on_demand(column.on_demand == OnDemand::Yes);
    for (const pb::PredicateOp op : ops_in_plans(column)) described.add_supported_ops(op);
  }
  pb::TableDescriptor& events = *out.add_tables();
  events.set_name("processes.events");
  for (const Column<pb::ProcessEvent>& column : event_columns())
    if (!is_left_out(column.name, told)) add_column(column, events);
}

pb::ColumnType to_wire(SqlType type) {
  switch (type) {
    case SqlType::Integer:
      return pb::COLUMN_TYPE_INTEGER;
    case SqlType::Real:
      return pb::COLUMN_TYPE_REAL;
    case SqlType::Text:
      return pb::COLUMN_TYPE_TEXT;
  }
  return pb::COLUMN_TYPE_UNSPECIFIED;
}

std::optional<SqlType> type_on_wire(pb::ColumnType type) {
  switch (type) {
    case pb::COLUMN_TYPE_INTEGER:
      return SqlType::Integer;
    case pb::COLUMN_TYPE_REAL:
      return SqlType::Real;
    case pb::COLUMN_TYPE_TEXT:
      return SqlType::Text;
    default:  // Protobuf keeps numbers it does not know.
      return std::nullopt;
  }
}

}  // namespace de::schema
