#include "daemoneye/schema/host_columns.h"

namespace de::schema {
namespace {

using enum SqlType;

// clang-format off
constexpr ColumnInfo kUsers[] = {
    {"uid", Integer, Unit::None, false, "User id"},
    {"gid", Integer, Unit::None, false, "Primary group"},
    {"uid_signed", Integer, Unit::None, false, "uid as a signed number of 32 bits"},
    {"gid_signed", Integer, Unit::None, false, "gid as a signed number of 32 bits"},
    {"username", Text, Unit::None, false, "Name"},
    {"description", Text, Unit::None, false, "Who it is, as the account file says"},
    {"directory", Text, Unit::None, false, "Home directory"},
    {"shell", Text, Unit::None, false, "Login shell"},
    {"uuid", Text, Unit::None, false, "Empty on Linux"},
    {"pid_with_namespace", Integer, Unit::None, false, "NULL: only the host's own accounts are read"},
    {"include_remote", Integer, Unit::None, false, "NULL: only accounts of /etc/passwd are read"},
};
constexpr ColumnInfo kGroups[] = {
    {"gid", Integer, Unit::None, false, "Group id"},
    {"gid_signed", Integer, Unit::None, false, "gid as a signed number of 32 bits"},
    {"groupname", Text, Unit::None, false, "Name"},
    {"pid_with_namespace", Integer, Unit::None, false, "NULL: only the host's own groups are read"},
};
constexpr ColumnInfo kUserGroups[] = {
    {"uid", Integer, Unit::None, false, "User id"},
    {"gid", Integer, Unit::None, false, "A group of that user, the primary one too"},
};
constexpr ColumnInfo kSystemInfo[] = {
    {"hostname", Text, Unit::None, false, "Name of the host"},
    {"uuid", Text, Unit::None, false, "The machine id"},
    {"cpu_type", Text, Unit::None, false, "Architecture"},
    {"cpu_subtype", Text, Unit::None, false, "Model number of the processor"},
    {"cpu_brand", Text, Unit::None, false, "Name of the processor"},
    {"cpu_physical_cores", Integer, Unit::None, false, "Cores"},
    {"cpu_logical_cores", Integer, Unit::None, false, "Threads that run at once"},
    {"cpu_sockets", Integer, Unit::None, false, "Processors"},
    {"cpu_microcode", Text, Unit::None, false, "Version of the microcode"},
    {"physical_memory", Integer, Unit::Bytes, false, "Memory"},
    {"hardware_vendor", Text, Unit::None, false, "Who made it"},
    {"hardware_model", Text, Unit::None, false, "Which product it is"},
    {"hardware_version", Text, Unit::None, false, "Version of the product"},
    {"hardware_serial", Text, Unit::None, false, "NULL: only root may read it"},
    {"board_vendor", Text, Unit::None, false, "Who made the board"},
    {"board_model", Text, Unit::None, false, "Which board it is"},
    {"board_version", Text, Unit::None, false, "Version of the board"},
    {"board_serial", Text, Unit::None, false, "NULL: only root may read it"},
    {"computer_name", Text, Unit::None, false, "The same as hostname"},
    {"local_hostname", Text, Unit::None, false, "The same as hostname"},
};
constexpr ColumnInfo kOsVersion[] = {
    {"name", Text, Unit::None, false, "Name of the distribution"},
    {"version", Text, Unit::None, false, "Version as it is written"},
    {"major", Integer, Unit::None, false, "First number of the version"},
    {"minor", Integer, Unit::None, false, "Second number of the version"},
    {"patch", Integer, Unit::None, false, "Third number of the version"},
    {"build", Text, Unit::None, false, "Build, where the distribution has one"},
    {"platform", Text, Unit::None, false, "Id of the distribution: debian, rhel, arch"},
    {"platform_like", Text, Unit::None, false, "Ids of those it is like"},
    {"codename", Text, Unit::None, false, "Code name of the version"},
    {"arch", Text, Unit::None, false, "Architecture"},
    {"pid_with_namespace", Integer, Unit::None, false, "NULL: only the host itself is looked at"},
    {"mount_namespace_id", Text, Unit::None, false, "NULL: only the host itself is looked at"},
};
constexpr ColumnInfo kUptime[] = {
    {"days", Integer, Unit::None, false, "Whole days since the host booted"},
    {"hours", Integer, Unit::None, false, "and hours"},
    {"minutes", Integer, Unit::None, false, "and minutes"},
    {"seconds", Integer, Unit::None, false, "and seconds"},
    {"total_seconds", Integer, Unit::None, false, "All of it in seconds"},
};
constexpr ColumnInfo kTime[] = {
    {"weekday", Text, Unit::None, false, "Day of the week, in UTC as all of this table"},
    {"year", Integer, Unit::None, false, "Year"},
    {"month", Integer, Unit::None, false, "Month from 1"},
    {"day", Integer, Unit::None, false, "Day of the month"},
    {"hour", Integer, Unit::None, false, "Hour"},
    {"minutes", Integer, Unit::None, false, "Minute"},
    {"seconds", Integer, Unit::None, false, "Second"},
    {"timezone", Text, Unit::None, false, "UTC"},
    {"local_timezone", Text, Unit::None, false, "Time zone of the host"},
    {"unix_time", Integer, Unit::None, false, "Seconds since 1970"},
    {"timestamp", Text, Unit::None, false, "As asctime writes it, with UTC"},
    {"datetime", Text, Unit::None, false, "2026-05-28T20:26:40Z"},
    {"date_time", Text, Unit::None, false, "The same as datetime"},
    {"iso_8601", Text, Unit::None, false, "The same as datetime"},
};
constexpr ColumnInfo kFile[] = {
    {"path", Text, Unit::None, true, "The path that was asked for: path = '...', IN (...) or a join is needed"},
    {"directory", Text, Unit::None, false, "What stands before the last slash"},
    {"filename", Text, Unit::None, false, "What stands behind the last slash"},
    {"inode", Integer, Unit::None, false, "Inode"},
    {"uid", Integer, Unit::None, false, "Owner"},
    {"gid", Integer, Unit::None, false, "Group"},
    {"mode", Text, Unit::None, false, "Permissions in octal: 0755"},
    {"device", Integer, Unit::None, false, "Device, of a device file"},
    {"size", Integer, Unit::Bytes, false, "Size"},
    {"block_size", Integer, Unit::Bytes, false, "Block size"},
    {"atime", Integer, Unit::None, false, "Last read, in seconds since 1970"},
    {"mtime", Integer, Unit::None, false, "Last written, in seconds since 1970"},
    {"ctime", Integer, Unit::None, false, "Last changed in any way, in seconds since 1970"},
    {"btime", Integer, Unit::None, false, "Made, in seconds since 1970; 0 where the file system does not tell"},
    {"hard_links", Integer, Unit::None, false, "Names the file has"},
    {"symlink", Integer, Unit::None, false, "1 when the path is a symbolic link; the rest is about what it leads to"},
    {"type", Text, Unit::None, false, "regular, directory, symlink, block, character, fifo, socket or unknown"},
    {"symlink_target_path", Text, Unit::None, false, "Where a symbolic link leads"},
    {"pid_with_namespace", Integer, Unit::None, false, "NULL: only the host's own files are looked at"},
    {"mount_namespace_id", Text, Unit::None, false, "NULL: only the host's own files are looked at"},
};
constexpr ColumnInfo kMagic[] = {
    {"path", Text, Unit::None, true, "The path that was asked for: path = '...', IN (...) or a join is needed"},
    {"magic_db_files", Text, Unit::None, false, "The database that was used; no other may be asked for"},
    {"data", Text, Unit::None, false, "What the file is by its first bytes, as file(1) says it"},
    {"mime_type", Text, Unit::None, false, "The same as a MIME type: application/x-executable"},
    {"mime_encoding", Text, Unit::None, false, "us-ascii, utf-8 and so on of a text; binary of anything else"},
};
// clang-format on

}  // namespace

TableInfo host_table_info(HostTable table) {
  const std::string_view name = name_of(table);
  switch (table) {
    case HostTable::Users:
      return {name, "The accounts in /etc/passwd, one row each", "", kUsers};
    case HostTable::Groups:
      return {name, "The groups in /etc/group, one row each", "", kGroups};
    case HostTable::UserGroups:
      return {name, "Which user is in which group", "", kUserGroups};
    case HostTable::SystemInfo:
      return {name, "The machine, one row", "", kSystemInfo};
    case HostTable::OsVersion:
      return {name, "The distribution, one row", "", kOsVersion};
    case HostTable::Uptime:
      return {name, "How long the host has been up, one row", "", kUptime};
    case HostTable::Time:
      return {name, "What time it is, in UTC, one row", "", kTime};
    case HostTable::File:
      return {name, "Files that are named in the statement, one row each, as they are now", "", kFile};
    case HostTable::Magic:
      return {name, "What files that are named in the statement have in them, by their first 64 KiB", "", kMagic};
  }
  return {};
}

}  // namespace de::schema
