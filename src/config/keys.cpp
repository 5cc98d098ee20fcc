#include "keys.h"

#include <algorithm>

#include "daemoneye/base/text.h"

namespace de::config {
namespace {

using E = Everything;
constexpr std::uint8_t kP = static_cast<std::uint8_t>(Program::Procmond);
constexpr std::uint8_t kA = static_cast<std::uint8_t>(Program::Agent);
constexpr std::uint8_t kC = static_cast<std::uint8_t>(Program::Cli);
constexpr std::uint8_t kPA = kP | kA;
constexpr std::uint8_t kAC = kA | kC;
constexpr std::uint8_t kAll = kP | kA | kC;
constexpr std::uint32_t kMaxUid = 4294967294;  // The one above means "no user" to the kernel.

// clang-format off
constexpr Key kKeys[] = {
    // path                     low   high       form             for   help
    {{"state_dir",              0,    0,         Form::Directory, kAll,
      "Directory of store, spool and ledger; given as flag or variable, sockets and rules live below it, too",
      0, Weaker::Changed, "Store, spool and ledger stay where they are; the programs begin with empty ones"},
     [](E& e) -> Slot { return &e.paths.state_dir; }},
    {{"broker_socket",          0,    0,         Form::Socket,    kPA,  "Socket the agent listens on for collectors"},
     [](E& e) -> Slot { return &e.paths.broker_socket; }},
    {{"control_socket",         0,    0,         Form::Socket,    kAC,
      "Socket the agent listens on for daemoneye-cli"},
     [](E& e) -> Slot { return &e.paths.control_socket; }},
    {{"scan_interval_ms",       1000, 3600000,   Form::Any,       kPA,
      "Time between two full snapshots of all processes", kPA},
     [](E& e) -> Slot { return &e.scan_interval_ms; }},
    {{"log.level",              0,    0,         Form::Any,       kPA,
      "Least important messages that are logged", kPA},
     [](E& e) -> Slot { return &e.log.level; }},
    {{"log.format",             0,    0,         Form::Any,       kPA,
      "How log lines are written to standard error", kPA},
     [](E& e) -> Slot { return &e.log.format; }},
    {{"procmond.user",          0,    0,         Form::Name,      kPA,
      "Account procmond runs as after start; the agent lets it dial", 0, Weaker::Changed,
      "Whoever is that account can see and invent what is collected"},
     [](E& e) -> Slot { return &e.procmond_user; }},
    {{"agent.user",             0,    0,         Form::Name,      kPA,
      "Account the agent runs as; procmond talks to no other", 0, Weaker::Changed,
      "Whoever is that account can read everything that is collected"},
     [](E& e) -> Slot { return &e.agent_user; }},
    {{"agent.uid",              0,    kMaxUid,   Form::Any,       kP,   "Number of that account, where it has no name",
      0, Weaker::Changed, "Whoever has that number can read everything that is collected"},
     [](E& e) -> Slot { return &e.procmond.agent_uid; }},
    {{"collect.environment",    0,    0,         Form::Any,       kP,   "Collect the environment of processes, masked",
      0, Weaker::True, "Environments hold secrets; those that masking does not know are stored and shown"},
     [](E& e) -> Slot { return &e.procmond.collect_environment; }},
    {{"collect.on_demand",      0,    0,         Form::Any,       kP,
      "Read descriptors and io of processes only while the agent asks for them; false: for every snapshot"},
     [](E& e) -> Slot { return &e.procmond.collect_on_demand; }},
    {{"collect.unmasked_arguments", 0, 0,        Form::Any,       kP,
      "Keep secrets in arguments readable; entered in the ledger", 0, Weaker::True,
      "Passwords and tokens in arguments are stored and shown as they are"},
     [](E& e) -> Slot { return &e.procmond.unmasked_arguments; }},
    {{"spool.max_mb",           1,    1048576,   Form::Any,       kP,
      "Disk for events the agent has not taken yet; beyond it the oldest are shed and counted"},
     [](E& e) -> Slot { return &e.procmond.spool_max_mb; }},
    {{"spool.sync_ms",          100,  60000,     Form::Any,       kP,
      "What the agent has not taken for this long is synced to the disk; a power cut may cost twice as much", kP},
     [](E& e) -> Slot { return &e.procmond.spool_sync_ms; }},
    {{"events.backend",         0,    0,         Form::Any,       kP,
      "How starts, execs and exits are seen as they happen; auto takes the best that works"},
     [](E& e) -> Slot { return &e.procmond.events_backend; }},
    {{"events.buffer_mb",       1,    64,        Form::Any,       kP,
      "Kernel memory for events not fetched yet; what does not fit is counted as lost"},
     [](E& e) -> Slot { return &e.procmond.events_buffer_mb; }},
    {{"events.latency_ms",      1,    1000,      Form::Any,       kP,
      "Time an event may wait to be fetched while many come"},
     [](E& e) -> Slot { return &e.procmond.events_latency_ms; }},
    {{"events.max_cpu_percent", 0,    6400,      Form::Any,       kP,
      "CPU time of one processor beyond which details of processes are left out, step by step; 0 for no limit", kP},
     [](E& e) -> Slot { return &e.procmond.events_max_cpu_percent; }},
    {{"scan.proc_deadline_ms",  10,   60000,     Form::Any,       kP,
      "Time a process may take to answer; beyond it its record goes without what was asked"},
     [](E& e) -> Slot { return &e.procmond.proc_deadline_ms; }},
    {{"hash.budget_mb_per_s",   1,    10000,     Form::Any,       kP,   "Bytes of executables hashed per second"},
     [](E& e) -> Slot { return &e.procmond.hash_budget_mb_per_s; }},
    {{"hash.max_file_mb",       1,    65536,     Form::Any,       kP,   "Executables larger than this are not hashed"},
     [](E& e) -> Slot { return &e.procmond.hash_max_file_mb; }},
    {{"database.retention_days", 1,   3650,      Form::Any,       kA,   "Days that are kept",
      kA, Weaker::Less, "Days that are older are removed for good"},
     [](E& e) -> Slot { return &e.agent.retention_days; }},
    {{"database.commit_delay_ms", 0,  1000,      Form::Any,       kA,
      "Events wait this long to be stored together with others; rules do not wait", kA},
     [](E& e) -> Slot { return &e.agent.commit_delay_ms; }},
    {{"database.max_size_mb",   16,   16777216,  Form::Any,       kA,
      "Disk the store may use; beyond it the oldest day is removed", kA, Weaker::Less,
      "The oldest days beyond it are removed for good"},
     [](E& e) -> Slot { return &e.agent.max_size_mb; }},
    {{"query.timeout_ms",       1,    600000,    Form::Any,       kA,   "Time a query may take", kA},
     [](E& e) -> Slot { return &e.agent.query.timeout_ms; }},
    {{"query.memory_mb",        1,    4096,      Form::Any,       kA,   "Memory a query may use", kA},
     [](E& e) -> Slot { return &e.agent.query.memory_mb; }},
    {{"query.max_rows",         1,    10000000,  Form::Any,       kA,   "Rows a query may return", kA},
     [](E& e) -> Slot { return &e.agent.query.max_rows; }},
    {{"query.file_dirs",        0,    0,         Form::Directory, kA,
      "Directories below which a statement may ask for files by name"},
     [](E& e) -> Slot { return &e.agent.file_dirs; }},
    {{"query.content_dirs",     0,    0,         Form::Directory, kA,
      "Directories below which the agent may read the first bytes of files, for a statement that names them"},
     [](E& e) -> Slot { return &e.agent.content_dirs; }},
    {{"query.max_files",        1,    1000000,   Form::Any,       kA,   "Files one statement may ask for"},
     [](E& e) -> Slot { return &e.agent.max_files; }},
    {{"query.max_live",         1,    100000,    Form::Any,       kA,
      "Processes one statement may have read for tables that are read live"},
     [](E& e) -> Slot { return &e.agent.max_live; }},
    {{"tables.max_rows",        1,    1000000,   Form::Any,       kA,
      "Rows a table of another collector may have; a telling with more is not taken over"},
     [](E& e) -> Slot { return &e.agent.table_max_rows; }},
    {{"tables.max_mb",          1,    4096,      Form::Any,       kA,   "Memory all such tables together may use"},
     [](E& e) -> Slot { return &e.agent.table_max_mb; }},
    {{"traces.max_active",      1,    256,       Form::Any,       kA,
      "Traces that may run at a time; matches beyond begin none"},
     [](E& e) -> Slot { return &e.agent.trace_max_active; }},
    {{"traces.max_readings",    1,    10000,     Form::Any,       kA,
      "Times one trace may read of processes"},
     [](E& e) -> Slot { return &e.agent.trace_max_readings; }},
    {{"traces.max_mb",          1,    8192,      Form::Any,       kA,
      "Disk for what traces captured; beyond it the oldest makes room"},
     [](E& e) -> Slot { return &e.agent.trace_max_mb; }},
    {{"rules.dirs",             0,    0,         Form::Directory, kA,   "Directories rule files are read from",
      0, Weaker::Changed, "Rules that are only in the directories left out do not run any more"},
     [](E& e) -> Slot { return &e.paths.rules_dirs; }},
    {{"rules.timeout_ms",       1,    60000,     Form::Any,       kA,   "Time one run of a rule may compute; ten times as much may pass", kA},
     [](E& e) -> Slot { return &e.agent.rules.timeout_ms; }},
    {{"rules.memory_mb",        1,    1024,      Form::Any,       kA,   "Memory one run of a rule may use", kA},
     [](E& e) -> Slot { return &e.agent.rules.memory_mb; }},
    {{"rules.max_rows",         1,    100000,    Form::Any,       kA,   "Matches one run of a rule may have", kA},
     [](E& e) -> Slot { return &e.agent.rules.max_rows; }},
    {{"rules.max_cpu_percent",  1,    100,       Form::Any,       kA,
      "Share of the time that one rule may take, while all together take more than half of it, before it is passed over; 100 for no limit", kA},
     [](E& e) -> Slot { return &e.agent.rules_max_cpu_percent; }},
    {{"rules.max_live_reads",   1,    6000,      Form::Any,       kA,
      "Processes that may be read in a minute for one rule with AUTO JOIN"},
     [](E& e) -> Slot { return &e.agent.rules_max_live_reads; }},
    {{"rules.backtest_timeout_ms", 1, 3600000,   Form::Any,       kA,   "Time the backtest of a rule may take", kA},
     [](E& e) -> Slot { return &e.agent.backtest_timeout_ms; }},
    {{"alerts.dedup_seconds",   0,    86400,     Form::Any,       kA,
      "Time in which the same match is folded into one alert, for rules that do not say; 0 for no folding", kA},
     [](E& e) -> Slot { return &e.agent.dedup_seconds; }},
    {{"sinks",                  0,    0,         Form::Any,       kA,   "Where alerts are delivered",
      0, Weaker::Changed, "Alerts go where it says from the next start on, and nowhere else"},
     [](E& e) -> Slot { return &e.agent.sinks; }},
    {{"collectors",             0,    0,         Form::Any,       kA,   "Collectors the agent expects",
      0, Weaker::Changed, "The agent starts the programs it names and believes what they report"},
     [](E& e) -> Slot { return &e.agent.collectors; }},
    {{"canary.interval_secs",   0,    3600,      Form::Any,       kA,
      "Time between two programs that are started only to be seen; 0 for none", 0, Weaker::Changed,
      "A monitor that sees nothing any more, but says that it is well, is noticed later or not at all"},
     [](E& e) -> Slot { return &e.agent.canary_interval_secs; }},
    {{"control.readers",        0,    0,         Form::Name,      kA,   "Group that may ask over the control socket",
      0, Weaker::Changed, "Members of that group can read everything that is collected"},
     [](E& e) -> Slot { return &e.agent.control.readers; }},
    {{"control.admins",         0,    0,         Form::Name,      kA,
      "Group that may change over the control socket", 0, Weaker::Changed,
      "Members of that group can change what the agent does"},
     [](E& e) -> Slot { return &e.agent.control.admins; }},
    {{"control.read_only",      0,    0,         Form::Any,       kA,   "Refuse every change over the control socket",
      kA, Weaker::False, "Members of control.admins can change what the agent does"},
     [](E& e) -> Slot { return &e.agent.control.read_only; }},
    {{"control.max_requests_per_s", 1, 100'000, Form::Any,       kA,   "Requests of one user in a second"},
     [](E& e) -> Slot { return &e.agent.control.max_requests_per_s; }},
    {{"control.max_connections", 1,   32,        Form::Any,       kA,   "Connections of one user at a time"},
     [](E& e) -> Slot { return &e.agent.control.max_connections; }},
    {{"cli.output",             0,    0,         Form::Any,       kC,   "Format daemoneye-cli prints results in"},
     [](E& e) -> Slot { return &e.cli.output; }},
};
// clang-format on

// "spool.max_mb" as the end of a variable's name: "SPOOL__MAX_MB".
std::string env_tail(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '.') {
      out += "__";
    } else {
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return out;
}

std::string_view own_section(Program program) {
  switch (program) {
    case Program::Procmond:
      return "procmond.";
    case Program::Agent:
      return "agent.";
    case Program::Cli:
      break;
  }
  return "cli.";
}

}  // namespace

std::span<const Key> keys() { return kKeys; }

const Key* find_key(std::string_view path) {
  const auto found = std::ranges::find(kKeys, path, [](const Key& key) { return key.info.path; });
  return found == std::end(kKeys) ? nullptr : &*found;
}

bool is_section(std::string_view path) {
  return std::ranges::any_of(kKeys, [&](const Key& key) {
    const std::string_view full = key.info.path;
    return full.size() > path.size() && full.starts_with(path) && full[path.size()] == '.';
  });
}

std::string nearest_key(std::string_view path) {
  std::vector<std::string_view> known;
  for (const Key& key : kKeys) {
    const std::string_view full = key.info.path;
    known.push_back(full);
    if (const std::size_t dot = full.find('.'); dot != full.npos) known.push_back(full.substr(0, dot));
  }
  return suggestion(path, known);
}

std::string_view own_prefix(Program program) {
  switch (program) {
    case Program::Procmond:
      return "PROCMOND_";
    case Program::Agent:
      return "DAEMONEYE_AGENT_";
    case Program::Cli:
      break;
  }
  return "DAEMONEYE_CLI_";
}

std::vector<std::string> env_names(const Key& key, Program program) {
  const std::string own(own_prefix(program));
  const std::string_view section = own_section(program);
  std::vector<std::string> names{own + env_tail(key.info.path)};
  if (key.info.path.starts_with(section)) names.push_back(own + env_tail(key.info.path.substr(section.size())));
  names.push_back(std::string(kSharedPrefix) + env_tail(key.info.path));
  return names;
}

}  // namespace de::config
