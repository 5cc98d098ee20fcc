#include "daemoneye/schema/live_columns.h"

#include <algorithm>

namespace de::schema {
namespace {

using enum SqlType;

// clang-format off
constexpr ColumnInfo kOpenFiles[] = {
    {"pid", Integer, Unit::None, true, "Process id"},
    {"process_uid", Text, Unit::None, false, "Whose it is; compare it, pids are reused"},
    {"fd", Integer, Unit::None, false, "Number of the descriptor"},
    {"path", Text, Unit::None, false, "What it leads to: a path, or the kernel's name such as socket:[1234]; NULL when it may not be told"},
};
constexpr ColumnInfo kEnvironments[] = {
    {"pid", Integer, Unit::None, true, "Process id"},
    {"process_uid", Text, Unit::None, false, "Whose it is; compare it, pids are reused"},
    {"key", Text, Unit::None, false, "Name of the variable"},
    {"value", Text, Unit::None, false, "What it is set to; secrets are masked; NULL where there is no '='"},
};
constexpr ColumnInfo kCommandLines[] = {
    {"pid", Integer, Unit::None, true, "Process id"},
    {"process_uid", Text, Unit::None, false, "Whose it is; compare it, pids are reused"},
    {"command_line", Text, Unit::None, false, "Arguments joined by one space, secrets masked; whole, where `processes` cuts it or a collector under pressure left its end out"},
};
constexpr TableInfo kTables[] = {
    {"processes.open_files", "What a process has open now; read when it is asked for by pid", "", kOpenFiles},
    {"processes.environments", "The environment a process has now; read when it is asked for by pid", "", kEnvironments},
    {"processes.command_lines", "The arguments a process shows now; read when it is asked for by pid", "", kCommandLines},
};
// clang-format on

}  // namespace

std::span<const TableInfo> live_tables() { return kTables; }

const TableInfo* find_live_table(std::string_view name) {
  const auto found = std::ranges::find_if(kTables, [name](const TableInfo& table) {
    return table.name == name || table.name.substr(table.name.find('.') + 1) == name;
  });
  return found == std::end(kTables) ? nullptr : &*found;
}

}  // namespace de::schema
