// The tables about the host itself: accounts, system, clock, and files that are asked for by name. Their names, columns
// and the order of these are osquery's for Linux, so that what is written for it finds them.
//
// Thread: any (immutable).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "daemoneye/schema/table.h"

namespace de::schema {

enum class HostTable : std::uint8_t { Users, Groups, UserGroups, SystemInfo, OsVersion, Uptime, Time, File, Magic };
constexpr std::size_t kHostTables = 9;
constexpr std::array<std::string_view, kHostTables> kHostTableNames = {
    "users", "groups", "user_groups", "system_info", "os_version", "uptime", "time", "file", "magic"};

constexpr std::string_view name_of(HostTable table) { return kHostTableNames[static_cast<std::size_t>(table)]; }
// It has rows for the paths a statement names, and no others. `path` is its first column.
constexpr bool is_by_path(HostTable table) { return table == HostTable::File || table == HostTable::Magic; }
TableInfo host_table_info(HostTable table);

}  // namespace de::schema
