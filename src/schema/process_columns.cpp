#include "daemoneye/schema/process_columns.h"

#include <algorithm>
#include <charconv>

#include "daemoneye/base/text.h"

namespace de::schema {
namespace {

using P = pb::ProcessRecord;
using enum SqlType;
using enum Change;

Cell as_int(std::uint64_t value) { return static_cast<std::int64_t>(value); }

Cell text_or_null(const std::string& text) {
  if (text.empty()) return {};
  return std::string_view(text).substr(0, kSqlTextBytes);
}

Cell joined_argv(const P& p) {
  if (p.command_line().empty()) return {};
  if (p.command_line_size() == 1) return std::string_view(p.command_line(0)).substr(0, kSqlTextBytes);
  std::string out;
  for (const std::string& argument : p.command_line()) {
    if (!out.empty() || &argument != &p.command_line(0)) out += ' ';
    out += argument;
    if (out.size() >= kSqlTextBytes) break;
  }
  out.resize(std::min(out.size(), kSqlTextBytes));
  return out;
}

template <class List>
Cell json_array(const List& list) {
  if (list.empty()) return {};
  std::string out = "[";
  for (const std::string& item : list) {
    if (out.size() > 1) out += ',';
    append_json_string(out, item);
    if (out.size() >= kSqlTextBytes) break;
  }
  out += ']';
  return out;
}

Cell decimal(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

Cell namespaces_json(const P& p) {
  if (!p.has_namespaces()) return {};
  const pb::Namespaces& n = p.namespaces();
  std::string out = "{";
  const auto add = [&](const char* name, std::uint64_t inode) {
    if (inode == 0) return;
    if (out.size() > 1) out += ',';
    out += '"';
    out += name;
    out += "\":";
    out += std::to_string(inode);
  };
  add("cgroup", n.cgroup());
  add("ipc", n.ipc());
  add("mnt", n.mnt());
  add("net", n.net());
  add("pid", n.pid());
  add("user", n.user());
  add("uts", n.uts());
  out += '}';
  return out;
}

Cell on_disk_text(const P& p) {
  switch (p.on_disk_state()) {
    case pb::ON_DISK_MATCH:
      return std::string_view("match");
    case pb::ON_DISK_MISMATCH:
      return std::string_view("mismatch");
    case pb::ON_DISK_REPLACED:
      return std::string_view("replaced");
    case pb::ON_DISK_DELETED:
      return std::string_view("deleted");
    case pb::ON_DISK_MEMFD:
      return std::string_view("memfd");
    default:  // Protobuf keeps numbers it does not know.
      return std::string_view("unknown");
  }
}

Cell source_text(const P& p) {
  switch (p.source()) {
    case pb::RECORD_SOURCE_SCAN:
      return std::string_view("scan");
    case pb::RECORD_SOURCE_BPF:
      return std::string_view("bpf");
    case pb::RECORD_SOURCE_CONNECTOR:
      return std::string_view("connector");
    default:
      return {};
  }
}

Cell environment_cut(const P& p) {
  if (p.environment_cut()) return std::int64_t{1};
  return p.has_environment_length() ? Cell{std::int64_t{0}} : Cell{};
}

Cell shed_text(const P& p) {
  std::string out;
  for (const int part : p.shed()) {
    const char* name = part == pb::SHED_ENVIRONMENT ? "environment"
                       : part == pb::SHED_HASH      ? "hash"
                       : part == pb::SHED_ARGUMENTS ? "arguments"
                                                    : nullptr;
    if (name == nullptr) continue;
    if (!out.empty()) out += ',';
    out += name;
  }
  return out.empty() ? Cell{} : Cell{std::move(out)};
}

#define DE_OPT_INT(field) \
  [](const P& p) -> Cell { return p.has_##field() ? as_int(static_cast<std::uint64_t>(p.field())) : Cell{}; }
#define DE_OPT_TEXT(field)                                                                        \
  [](const P& p) -> Cell {                                                                        \
    return p.has_##field() ? Cell{std::string_view(p.field()).substr(0, kSqlTextBytes)} : Cell{}; \
  }

// clang-format off
constexpr Column<P> kColumns[] = {
    // name, type, unit, change, index, help, getter, on demand
    {"pid", Integer, Unit::None, Static, Index::Yes, "Process id; reused by the system, process_uid is not", [](const P& p) -> Cell { return as_int(p.pid()); }},
    {"ppid", Integer, Unit::None, Static, Index::Yes, "Process id of the parent", DE_OPT_INT(ppid)},
    {"process_uid", Text, Unit::None, Static, Index::No, "Identity: UUIDv5 of boot id, pid and start time", [](const P& p) -> Cell { return uid_text(p.process_uid()); }},
    {"parent_uid", Text, Unit::None, Static, Index::No, "process_uid of the parent", [](const P& p) -> Cell { return p.has_parent_uid() ? Cell{uid_text(p.parent_uid())} : Cell{}; }},
    {"start_time_ms", Integer, Unit::UnixMs, Static, Index::No, "When it started", DE_OPT_INT(start_time_ms)},
    {"start_time", Integer, Unit::UnixMs, Static, Index::No, "The same as start_time_ms", DE_OPT_INT(start_time_ms)},
    {"boot_time", Integer, Unit::UnixMs, Static, Index::No, "When the host booted", [](const P& p) -> Cell { return as_int(static_cast<std::uint64_t>(p.boot_time_ms())); }},
    {"name", Text, Unit::None, Static, Index::Yes, "Name the process gave itself, at most 15 bytes", [](const P& p) -> Cell { return text_or_null(p.name()); }},
    {"executable_path", Text, Unit::None, Static, Index::No, "Path of the running executable", DE_OPT_TEXT(executable_path)},
    {"executable_hash", Text, Unit::None, Static, Index::Yes, "Hash of the executable, once it is known", DE_OPT_TEXT(executable_hash)},
    {"hash_algorithm", Text, Unit::None, Static, Index::No, "Algorithm of executable_hash: sha256", DE_OPT_TEXT(hash_algorithm)},
    {"file_exists", Integer, Unit::None, Static, Index::No, "1 when the executable's path still exists", [](const P& p) -> Cell { return as_int(p.file_exists()); }},
    {"on_disk_state", Text, Unit::None, Static, Index::No, "match, replaced, deleted, memfd, mismatch or unknown", on_disk_text},
    {"exe_dev", Integer, Unit::None, Static, Index::No, "Device of the executable", DE_OPT_INT(exe_dev)},
    {"exe_inode", Integer, Unit::None, Static, Index::No, "Inode of the executable", DE_OPT_INT(exe_inode)},
    {"exe_size", Integer, Unit::Bytes, Static, Index::No, "Size of the executable", DE_OPT_INT(exe_size)},
    {"exe_mtime", Integer, Unit::UnixMs, Static, Index::No, "When the executable was last written", DE_OPT_INT(exe_mtime_ms)},
    {"exe_mode", Integer, Unit::None, Static, Index::No, "File mode of the executable", DE_OPT_INT(exe_mode)},
    {"exe_uid", Integer, Unit::None, Static, Index::No, "Owner of the executable", DE_OPT_INT(exe_uid)},
    {"command_line", Text, Unit::None, Static, Index::No, "Arguments joined by one space, secrets masked", joined_argv},
    {"argv", Text, Unit::None, Static, Index::No, "Arguments as a JSON array", [](const P& p) -> Cell { return json_array(p.command_line()); }},
    {"argc", Integer, Unit::None, Static, Index::No, "Number of arguments", [](const P& p) -> Cell { return static_cast<std::int64_t>(p.command_line_size()); }},
    {"command_line_length", Integer, Unit::Bytes, Static, Index::No, "Length of the whole argument list, also when it was cut", DE_OPT_INT(command_line_length)},
    {"command_line_now", Text, Unit::None, Static, Index::No, "What the process claims now, when it differs from what exec was given", DE_OPT_TEXT(command_line_now)},
    {"command_line_sha256", Text, Unit::None, Static, Index::No, "SHA-256 of the arguments received, each with a NUL behind it, when some were cut", [](const P& p) -> Cell { return p.has_command_line_sha256() ? Cell{to_hex(p.command_line_sha256())} : Cell{}; }},
    {"interpreter_path", Text, Unit::None, Static, Index::No, "Interpreter that runs a script", DE_OPT_TEXT(interpreter_path)},
    {"script_path", Text, Unit::None, Static, Index::No, "Script that exec was asked for", DE_OPT_TEXT(script_path)},
    {"cwd", Text, Unit::None, Static, Index::No, "Working directory", DE_OPT_TEXT(cwd)},
    {"root", Text, Unit::None, Static, Index::No, "Root directory", DE_OPT_TEXT(root)},
    {"environment", Text, Unit::None, Static, Index::No, "Environment as a JSON array, masked; only when collected", [](const P& p) -> Cell { return json_array(p.environment()); }},
    {"environment_length", Integer, Unit::Bytes, Static, Index::No, "Length of the whole environment, also when it was cut", DE_OPT_INT(environment_length)},
    {"environment_cut", Integer, Unit::None, Static, Index::No, "1 when some of the environment is missing; NULL when none was collected", environment_cut},
    {"shed", Text, Unit::None, Static, Index::No, "What was left out under pressure: environment, hash, arguments", shed_text},
    {"user_id", Text, Unit::None, Static, Index::No, "Real user id as text", DE_OPT_TEXT(user_id)},
    {"user_name", Text, Unit::None, Static, Index::No, "Name of the real user", DE_OPT_TEXT(user_name)},
    {"uid", Integer, Unit::None, Static, Index::No, "Real user id", [](const P& p) -> Cell { return p.has_user_id() ? decimal(p.user_id()) : Cell{}; }},
    {"euid", Integer, Unit::None, Static, Index::No, "Effective user id", DE_OPT_INT(euid)},
    {"suid", Integer, Unit::None, Static, Index::No, "Saved user id", DE_OPT_INT(suid)},
    {"group_id", Integer, Unit::None, Static, Index::No, "Real group id", DE_OPT_INT(group_id)},
    {"gid", Integer, Unit::None, Static, Index::No, "The same as group_id", DE_OPT_INT(group_id)},
    {"egid", Integer, Unit::None, Static, Index::No, "Effective group id", DE_OPT_INT(egid)},
    {"sgid", Integer, Unit::None, Static, Index::No, "Saved group id", DE_OPT_INT(sgid)},
    {"login_uid", Integer, Unit::None, Static, Index::No, "User id at login", DE_OPT_INT(login_uid)},
    {"session_id", Integer, Unit::None, Static, Index::No, "Session leader's pid", DE_OPT_INT(session_id)},
    {"tty", Text, Unit::None, Static, Index::No, "Controlling terminal", DE_OPT_TEXT(tty)},
    {"pgid", Integer, Unit::None, Static, Index::No, "Process group", DE_OPT_INT(pgid)},
    {"cap_effective", Integer, Unit::None, Static, Index::No, "Effective capabilities as a bit mask", DE_OPT_INT(cap_effective)},
    {"no_new_privs", Integer, Unit::None, Static, Index::No, "1 when it can gain no privileges by exec", DE_OPT_INT(no_new_privs)},
    {"seccomp", Integer, Unit::None, Static, Index::No, "0 off, 1 strict, 2 filter", DE_OPT_INT(seccomp)},
    {"namespaces", Text, Unit::None, Static, Index::No, "Inodes of its namespaces as a JSON object", namespaces_json},
    {"cgroup", Text, Unit::None, Static, Index::No, "Control group path", DE_OPT_TEXT(cgroup)},
    {"cgroup_path", Text, Unit::None, Static, Index::No, "The same as cgroup", DE_OPT_TEXT(cgroup)},
    {"cgroup_id", Integer, Unit::None, Static, Index::No, "Inode of the control group", DE_OPT_INT(cgroup_id)},
    {"pidfs_inode", Integer, Unit::None, Static, Index::No, "Number of the process that is unique in this boot", DE_OPT_INT(pidfs_inode)},
    {"container_id", Text, Unit::None, Static, Index::No, "Container, from the control group", DE_OPT_TEXT(container_id)},
    {"container_runtime", Text, Unit::None, Static, Index::No, "docker, podman, containerd, cri-o", DE_OPT_TEXT(container_runtime)},
    {"state", Text, Unit::None, Metric, Index::No, "R running, S sleeping, D waiting, T stopped, Z zombie", DE_OPT_TEXT(state)},
    {"threads", Integer, Unit::None, Metric, Index::No, "Number of threads", DE_OPT_INT(threads)},
    {"nice", Integer, Unit::None, Metric, Index::No, "Nice value", [](const P& p) -> Cell { return p.has_nice() ? Cell{static_cast<std::int64_t>(p.nice())} : Cell{}; }},
    {"cpu_usage", Real, Unit::Percent, Metric, Index::No, "Percent of one core since the previous snapshot", [](const P& p) -> Cell { return p.has_cpu_usage() ? Cell{p.cpu_usage()} : Cell{}; }},
    {"cpu_user_ms", Integer, Unit::Ms, Metric, Index::No, "User CPU time", DE_OPT_INT(cpu_user_ms)},
    {"cpu_system_ms", Integer, Unit::Ms, Metric, Index::No, "System CPU time", DE_OPT_INT(cpu_system_ms)},
    {"memory_usage", Integer, Unit::Bytes, Metric, Index::No, "Resident memory", DE_OPT_INT(memory_usage)},
    {"virtual_memory", Integer, Unit::Bytes, Metric, Index::No, "Virtual memory", DE_OPT_INT(virtual_memory)},
    {"io_read_bytes", Integer, Unit::Bytes, Metric, Index::No, "Bytes read from storage", DE_OPT_INT(io_read_bytes), OnDemand::Yes},
    {"io_write_bytes", Integer, Unit::Bytes, Metric, Index::No, "Bytes written to storage", DE_OPT_INT(io_write_bytes), OnDemand::Yes},
    {"fd_count", Integer, Unit::None, Metric, Index::No, "Open file descriptors", DE_OPT_INT(fd_count), OnDemand::Yes},
    {"accessible", Integer, Unit::None, Static, Index::No, "0 when the system refused to let us look, or the process did not answer", [](const P& p) -> Cell { return as_int(p.accessible()); }},
    {"kernel_thread", Integer, Unit::None, Static, Index::No, "1 for a thread of the kernel", [](const P& p) -> Cell { return as_int(p.kernel_thread()); }},
    {"source", Text, Unit::None, Static, Index::No, "Where the row comes from: bpf, connector or scan", source_text},
    {"exec_seq", Integer, Unit::None, Static, Index::No, "Execs seen within this process", [](const P& p) -> Cell { return as_int(p.exec_seq()); }},
    {"platform_data", Text, Unit::None, Static, Index::No, "Further facts as JSON; blocked: what was asked of it in vain is missing or as last read", DE_OPT_TEXT(platform_data)},
};
// clang-format on
#undef DE_OPT_INT
#undef DE_OPT_TEXT

}  // namespace

std::span<const Column<pb::ProcessRecord>> process_columns() { return kColumns; }

std::string uid_text(std::string_view bytes) {
  if (bytes.size() != 16) return {};
  std::string hex = to_hex(bytes);
  for (const std::size_t at : {20UL, 16UL, 12UL, 8UL}) hex.insert(at, 1, '-');
  return hex;
}

}  // namespace de::schema
