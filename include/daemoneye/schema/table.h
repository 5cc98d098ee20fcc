// One column table per queryable thing: DDL, inserts, `schema` output and documentation all come from it.
//
// Thread: any (immutable).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace de::schema {

enum class SqlType : std::uint8_t { Integer, Real, Text };
enum class Unit : std::uint8_t { None, Bytes, UnixMs, Ms, Percent };

// What changes how often: Static columns belong to the identity of a process, Metric columns move with every scan.
enum class Change : std::uint8_t { Static, Metric };
enum class Index : bool { No, Yes };
// Dear to read: in a snapshot only while somebody asks for it.
enum class OnDemand : bool { No, Yes };

// One value. A string_view borrows from the record; a string is owned.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string_view, std::string>;

template <class Record>
struct Column {
  std::string_view name;
  SqlType type;
  Unit unit;
  Change change;
  Index index;
  std::string_view help;
  Cell (*read)(const Record&);
  OnDemand on_demand = OnDemand::No;
};

// The same without the getter: what a person or the SQL gate needs to know.
struct ColumnInfo {
  std::string_view name;
  SqlType type;
  Unit unit;
  bool indexed;
  std::string_view help;
  bool on_demand = false;
};

struct TableInfo {
  std::string_view name;  // As written in SQL: "processes".
  std::string_view help;
  std::string_view time_column;  // What bounds a look at what is stored; empty: there is nothing but now.
  std::span<const ColumnInfo> columns;
};

std::string_view to_text(SqlType type);
std::string_view to_text(Unit unit);

// Every table a SELECT may name.
std::span<const TableInfo> tables();
// Null when there is none; `processes.snapshots` finds `processes`, `events` finds `processes.events`, and so on.
const TableInfo* find_table(std::string_view name);

}  // namespace de::schema
