#include "daemoneye/osquery/tables.h"

#include <algorithm>
#include <iterator>

#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/table.h"

namespace de::osquery {
namespace {

// Whatever is computed gets its type by CAST: `time > strftime('%s', 'now')` compares as numbers in osquery, where both
// sides are columns with a type, and would compare a number with a text without it. What osquery shows as an empty text
// is NULL here. pid, ppid and the numbers stay as they are, so that indexes serve.
constexpr ViewColumn kProcesses[] = {
    {"pid", "pid"},
    {"name", "CAST(coalesce(name,'')AS TEXT)"},
    {"path", "CAST(coalesce(executable_path,'')AS TEXT)"},
    {"cmdline", "CAST(coalesce(command_line,'')AS TEXT)"},
    {"state", "CAST(coalesce(state,'')AS TEXT)"},
    {"cwd", "CAST(coalesce(cwd,'')AS TEXT)"},
    {"root", "CAST(coalesce(root,'')AS TEXT)"},
    {"uid", "uid"},
    {"gid", "gid"},
    {"euid", "euid"},
    {"egid", "egid"},
    {"suid", "suid"},
    {"sgid", "sgid"},
    {"on_disk", "CAST(CASE WHEN coalesce(executable_path,'')=''THEN -1 WHEN file_exists THEN 1 ELSE 0 END AS INTEGER)"},
    {"wired_size", "CAST(0 AS INTEGER)"},  // osquery counts none on Linux either.
    {"resident_size", "CAST(memory_usage AS INTEGER)"},
    {"total_size", "CAST(virtual_memory AS INTEGER)"},
    {"user_time", "CAST(cpu_user_ms AS INTEGER)"},
    {"system_time", "CAST(cpu_system_ms AS INTEGER)"},
    {"disk_bytes_read", "CAST(io_read_bytes AS INTEGER)"},
    {"disk_bytes_written", "CAST(io_write_bytes AS INTEGER)"},
    {"start_time", "CAST(start_time_ms/1000 AS INTEGER)"},
    {"parent", "ppid"},
    {"pgroup", "pgid"},
    {"threads", "CAST(threads AS INTEGER)"},
    {"nice", "CAST(nice AS INTEGER)"},
    {"cgroup_path", "CAST(coalesce(cgroup_path,'')AS TEXT)"},
};

constexpr ViewColumn kProcessEvents[] = {
    {"pid", "pid"},
    {"path", "CAST(coalesce(executable_path,'')AS TEXT)"},
    // "0100755"
    {"mode",
     "CAST('0'||((exe_mode|32768)>>15&7)||(exe_mode>>12&7)||(exe_mode>>9&7)||(exe_mode>>6&7)||(exe_mode>>3&7)||"
     "(exe_mode&7)AS TEXT)"},
    {"cmdline", "CAST(coalesce(command_line,'')AS TEXT)"},
    {"cmdline_size", "CAST(coalesce(command_line_length,length(command_line),0)AS INTEGER)"},
    {"env", ""},
    {"environment", ""},
    {"env_count", ""},
    {"environment_count", ""},
    {"env_size", ""},
    {"environment_size", ""},
    {"cwd", "CAST(coalesce(cwd,'')AS TEXT)"},
    {"auid", "CAST(coalesce(login_uid,4294967295)AS INTEGER)"},
    {"uid", "uid"},
    {"euid", "euid"},
    {"gid", "gid"},
    {"egid", "egid"},
    {"owner_uid", "exe_uid"},
    {"owner_gid", ""},
    {"atime", ""},
    {"access_time", ""},
    {"mtime", "CAST(exe_mtime/1000 AS INTEGER)"},
    {"modify_time", "CAST(exe_mtime/1000 AS INTEGER)"},
    {"ctime", ""},
    {"change_time", ""},
    {"btime", ""},
    {"create_time", ""},
    {"overflows", ""},
    {"parent", "ppid"},
    {"time", "event_time_s"},
    {"uptime", "CAST((event_time_ms-boot_time)/1000 AS INTEGER)"},
    {"eid", "CAST(sequence AS TEXT)"},
    {"fsuid", ""},
    {"suid", "suid"},
    {"fsgid", ""},
    {"sgid", "sgid"},
    {"syscall", "CAST('execve'AS TEXT)"},
};

// Of a file that is not the one that runs any more, nobody has read what it has become.
constexpr ViewColumn kHash[] = {
    {"path", "executable_path"},
    {"directory", "CAST(dirname(executable_path)AS TEXT)"},
    {"md5", ""},
    {"sha1", ""},
    {"sha256", "CAST(max(CASE WHEN on_disk_state IN('replaced','mismatch')THEN NULL ELSE executable_hash END)AS TEXT)"},
    {"pid_with_namespace", ""},
    {"mount_namespace_id", ""},
};

constexpr ViewColumn kProcessNamespaces[] = {
    {"pid", "pid"},
    {"cgroup_namespace", "CAST(json_extract(namespaces,'$.cgroup')AS TEXT)"},
    {"ipc_namespace", "CAST(json_extract(namespaces,'$.ipc')AS TEXT)"},
    {"mnt_namespace", "CAST(json_extract(namespaces,'$.mnt')AS TEXT)"},
    {"net_namespace", "CAST(json_extract(namespaces,'$.net')AS TEXT)"},
    {"pid_namespace", "CAST(json_extract(namespaces,'$.pid')AS TEXT)"},
    {"user_namespace", "CAST(json_extract(namespaces,'$.user')AS TEXT)"},
    {"uts_namespace", "CAST(json_extract(namespaces,'$.uts')AS TEXT)"},
};

constexpr ViewColumn kProcessEnvs[] = {{"pid", "pid"}, {"key", "key"}, {"value", "value"}};
constexpr ViewColumn kProcessOpenFiles[] = {{"pid", "pid"}, {"fd", "fd"}, {"path", "path"}};

constexpr View kViews[] = {
    {"processes", "FROM processes.processes", false, kProcesses},
    {"process_events", "FROM processes.events WHERE event_type='exec'", false, kProcessEvents},
    {"hash",
     "FROM processes.processes WHERE executable_path<>''AND coalesce(file_exists,1)AND "
     "coalesce(on_disk_state,'')NOT IN('deleted','memfd')GROUP BY executable_path",
     true, kHash},
    {"process_namespaces", "FROM processes.processes", false, kProcessNamespaces},
    {"process_envs", "FROM processes.environments", false, kProcessEnvs},
    {"process_open_files", "FROM processes.open_files", false, kProcessOpenFiles},
};

// Served under osquery's name and with its columns by a table of our own.
constexpr std::string_view kOurs[] = {"file", "groups", "magic",       "os_version", "system_info",
                                      "time", "uptime", "user_groups", "users"};

struct Reason {
  std::string_view table;
  std::string_view why;
};
constexpr std::string_view kSockets = "sockets are not collected";
constexpr std::string_view kContents = "what files contain is not read";
constexpr std::string_view kContainers = "containers are not asked; processes.container_id tells which runs a process";
constexpr Reason kReasons[] = {
    {"bpf_process_events", "it is another name of process_events there; name that"},
    {"bpf_socket_events", kSockets},
    {"crontab", kContents},
    {"docker_container_labels", kContainers},
    {"docker_container_mounts", kContainers},
    {"docker_container_networks", kContainers},
    {"docker_container_ports", kContainers},
    {"docker_containers", kContainers},
    {"docker_images", kContainers},
    {"file_events", "changes of files are not collected"},
    {"listening_ports", kSockets},
    {"logged_in_users", "sessions are not collected"},
    {"process_file_events", "changes of files are not collected"},
    {"process_memory_map", "the memory of processes is not looked at"},
    {"process_open_pipes", "who has the other end of a pipe is not collected"},
    {"process_open_sockets", kSockets},
    {"shell_history", kContents},
    {"socket_events", kSockets},
    {"yara", kContents},
    {"yara_events", kContents},
};

ServedTable served_by(const View& view) {
  ServedTable table{view.name, {}, {}};
  for (const ViewColumn& column : view.columns)
    (column.sql.empty() ? table.not_collected : table.columns).push_back(column.name);
  return table;
}

const std::vector<ServedTable>& all_served() {
  static const std::vector<ServedTable> tables = [] {
    std::vector<ServedTable> out;
    for (const View& view : kViews) out.push_back(served_by(view));
    for (const std::string_view name : kOurs) {
      ServedTable& table = out.emplace_back(ServedTable{name, {}, {}});
      if (const schema::TableInfo* info = schema::find_table(name); info != nullptr)
        for (const schema::ColumnInfo& column : info->columns) table.columns.push_back(column.name);
    }
    return out;
  }();
  return tables;
}

}  // namespace

const ViewColumn* View::find(std::string_view column) const {
  const auto at = std::ranges::find(columns, column, &ViewColumn::name);
  return at == columns.end() ? nullptr : &*at;
}

std::span<const View> views() { return kViews; }

const View* find_view(std::string_view table) {
  const auto* at = std::ranges::find(kViews, table, &View::name);
  return at == std::end(kViews) ? nullptr : at;
}

std::string_view live_table_of(std::string_view table) {
  constexpr std::string_view kFrom = "FROM ";
  const View* view = find_view(table);
  if (view == nullptr || schema::find_live_table(view->from.substr(kFrom.size())) == nullptr) return {};
  return view->from.substr(kFrom.size());
}

std::string view_sql(const View& view) {
  std::string sql(view.name);
  sql += view.is_materialized ? " AS MATERIALIZED(SELECT " : " AS NOT MATERIALIZED(SELECT ";
  for (const ViewColumn& column : view.columns) {
    if (&column != view.columns.data()) sql += ',';
    sql += column.sql.empty() ? std::string_view("NULL") : column.sql;
    if (column.sql != column.name) sql += " AS " + std::string(column.name);
  }
  return sql + ' ' + std::string(view.from) + ')';
}

std::span<const ServedTable> served() { return all_served(); }

const ServedTable* find_served(std::string_view table) {
  const auto at = std::ranges::find(all_served(), table, &ServedTable::name);
  return at == all_served().end() ? nullptr : &*at;
}

std::string_view why_not_served(std::string_view table) {
  const auto* at = std::ranges::find(kReasons, table, &Reason::table);
  return at == std::end(kReasons) ? std::string_view("not collected") : at->why;
}

}  // namespace de::osquery
