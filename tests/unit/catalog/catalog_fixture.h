// Descriptions of tables, and rows of them.
#pragma once

#include <string>

#include "daemoneye/catalog.pb.h"
#include "daemoneye/schema/table.h"

namespace de::catalog {

inline pb::ColumnType wire_type(schema::SqlType type) {
  return type == schema::SqlType::Integer ? pb::COLUMN_TYPE_INTEGER
         : type == schema::SqlType::Real  ? pb::COLUMN_TYPE_REAL
                                          : pb::COLUMN_TYPE_TEXT;
}

inline void add_column(pb::TableDescriptor& table, const std::string& name, pb::ColumnType type) {
  pb::ColumnDescriptor& column = *table.add_columns();
  column.set_name(name);
  column.set_column_type(type);
}

// pid INTEGER (the key), address TEXT, share REAL.
inline pb::SchemaDescriptor one_table(const std::string& name) {
  pb::SchemaDescriptor out;
  out.set_descriptor_version(1);
  pb::TableDescriptor& table = *out.add_tables();
  table.set_name(name);
  add_column(table, "pid", pb::COLUMN_TYPE_INTEGER);
  add_column(table, "address", pb::COLUMN_TYPE_TEXT);
  add_column(table, "share", pb::COLUMN_TYPE_REAL);
  table.add_key("pid");
  return out;
}

inline void add_row(pb::TableRows& rows, std::int64_t pid, const std::string& address, double share) {
  pb::TableRow& row = *rows.add_rows();
  row.add_cells()->set_int_value(pid);
  row.add_cells()->set_string_value(address);
  row.add_cells()->set_float_value(share);
}

// The only part of a telling.
inline pb::TableRows telling(const std::string& table, std::uint64_t scan_id = 1) {
  pb::TableRows out;
  out.set_table(table);
  out.set_scan_id(scan_id);
  out.set_last(true);
  out.set_time_ms(1'000);
  return out;
}

}  // namespace de::catalog
