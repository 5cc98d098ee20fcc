// What the three programs can be told, as plain values: read from flags, environment and files (YAML, JSON, TOML),
// checked, and with the place each value came from.
//
// Precedence: flags > environment > user file > system file > built-in default. The keys are one table, in
// src/config/keys.cpp; every field below is one row of it.
//
// Thread: any (values; loading is meant for start-up and reload).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"

namespace de::config {

enum class Program : std::uint8_t { Procmond = 1, Agent = 2, Cli = 4 };

struct Paths {
  std::string state_dir = "/var/lib/daemoneye";
  std::string store_dir = "/var/lib/daemoneye/store";    // Always state_dir/store.
  std::string spool_dir = "/var/lib/daemoneye/spool";    // Always state_dir/spool.
  std::string ledger_dir = "/var/lib/daemoneye/ledger";  // Always state_dir/ledger.
  std::string broker_socket = "/run/daemoneye/broker.sock";
  std::string control_socket = "/run/daemoneye/control.sock";
  std::vector<std::string> rules_dirs = {"/etc/daemoneye/rules.d", "/usr/share/daemoneye/rules"};
  // The state directory came from a flag or the environment: sockets and rules live below it, too.
  bool is_private = false;
};

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Human, Json };

struct LogConfig {
  LogLevel level = LogLevel::Info;
  LogFormat format = LogFormat::Human;
};

// How procmond learns what happens between two scans. Auto: the best one that works here.
enum class EventBackend : std::uint8_t { Auto, Bpf, Connector, Polling };

struct ProcmondConfig {
  Paths paths;
  LogConfig log;
  std::uint32_t scan_interval_ms = 30000;
  std::string user = "procmond";  // Name or number of the account to run as after start.
  // Who must be at the other end of the broker socket: agent_uid when present, else the account agent_user.
  std::optional<std::uint32_t> agent_uid;
  std::string agent_user = "daemoneye";
  bool collect_environment = false;
  bool collect_on_demand = true;  // False: every snapshot has every column.
  bool unmasked_arguments = false;
  std::uint32_t spool_max_mb = 256;
  std::uint32_t spool_sync_ms = 1'000;
  std::uint32_t hash_budget_mb_per_s = 64;
  std::uint32_t hash_max_file_mb = 512;
  std::uint32_t proc_deadline_ms = 250;  // How long one process may keep a scan waiting.
  EventBackend events_backend = EventBackend::Auto;
  std::uint32_t events_buffer_mb = 4;         // In the kernel; rounded up to a power of two.
  std::uint32_t events_max_cpu_percent = 50;  // Of one processor; 0: no limit.
  std::uint32_t events_latency_ms = 5;        // How long an event may wait to be fetched while many come.
};

enum class SinkType : std::uint8_t { Stdout, File, Webhook, Syslog, Journald };
enum class SinkFormat : std::uint8_t { Json, Human, Csv, Cef, Ecs, Ocsf, Stix };
enum class SyslogRfc : std::uint8_t { Auto, Rfc5424, Rfc3164 };
// In the order of their codes, without the four that no Linux has a name for (12 to 15).
enum class SyslogFacility : std::uint8_t {
  Kern,
  User,
  Mail,
  Daemon,
  Auth,
  Syslog,
  Lpr,
  News,
  Uucp,
  Cron,
  Authpriv,
  Ftp,
  Local0,
  Local1,
  Local2,
  Local3,
  Local4,
  Local5,
  Local6,
  Local7
};
enum class MinSeverity : std::uint8_t { Low = 1, Medium = 2, High = 3, Critical = 4 };  // Numbers of pb::Severity.

struct SinkConfig {
  std::string name;
  SinkType type = SinkType::Stdout;
  SinkFormat format = SinkFormat::Json;
  std::string path;  // Of types File and Journald; absolute.
  std::string url;   // Of types Webhook and Syslog, as ca_file.
  std::string ca_file;
  std::string cert_file;  // Of types Webhook and Syslog, as key_file.
  std::string key_file;
  std::string token_file;  // Of type Webhook, as the next four.
  std::string user;
  std::string password_file;
  std::string hmac_file;
  std::string proxy;
  SyslogRfc rfc = SyslogRfc::Auto;
  SyslogFacility facility = SyslogFacility::Daemon;  // Of type Syslog, as rfc and max_bytes.
  std::uint32_t max_bytes = 8'192;
  std::uint32_t timeout_ms = 10'000;
  MinSeverity min_severity = MinSeverity::Low;
};

// A collector the agent expects, and starts itself when it has a path.
struct CollectorConfig {
  std::string id;
  std::string type = "process";
  std::string path;
  bool enabled = true;
  bool auto_restart = true;
  std::uint32_t startup_timeout_secs = 60;
  std::uint32_t heartbeat_interval_secs = 30;
  std::string user;
};

struct RunBudget {
  std::uint32_t timeout_ms = 0;
  std::uint32_t memory_mb = 0;
  std::uint32_t max_rows = 0;
};

struct ControlConfig {
  std::string readers = "daemoneye";       // Group that may ask.
  std::string admins = "daemoneye-admin";  // Group that may change.
  bool read_only = false;
  std::uint32_t max_requests_per_s = 200;  // Of one user,
  std::uint32_t max_connections = 16;      // the same.
};

struct AgentConfig {
  Paths paths;
  LogConfig log;
  std::uint32_t scan_interval_ms = 30000;  // What procmond is told.
  std::string user = "daemoneye";          // Name or number of the account to run as when started as root.
  std::string procmond_user = "procmond";  // Who besides root and the agent itself may dial the broker socket.
  std::uint32_t retention_days = 30;
  std::uint32_t max_size_mb = 1024;
  std::uint32_t commit_delay_ms = 250;
  RunBudget query{5000, 64, 10000};
  // Where a file may be asked for by name: not where programs of the kernel or of the network answer.
  std::vector<std::string> file_dirs = {"/bin",  "/dev", "/etc",  "/home", "/lib", "/opt",
                                        "/root", "/run", "/sbin", "/tmp",  "/usr", "/var"};
  // Where a file may be opened to tell what it is: only what the system's own packages put there.
  std::vector<std::string> content_dirs = {"/bin", "/lib", "/opt", "/sbin", "/usr"};
  std::uint32_t max_files = 10'000;
  std::uint32_t max_live = 1'024;
  std::uint32_t rules_max_live_reads = 60;
  std::uint32_t trace_max_active = 16;
  std::uint32_t trace_max_readings = 256;
  std::uint32_t trace_max_mb = 64;
  std::uint32_t table_max_rows = 100'000;
  std::uint32_t table_max_mb = 32;
  RunBudget rules{1000, 32, 1000};
  std::uint32_t backtest_timeout_ms = 60'000;
  std::uint32_t rules_max_cpu_percent = 10;
  std::uint32_t dedup_seconds = 300;
  std::vector<SinkConfig> sinks;
  std::vector<CollectorConfig> collectors;
  std::uint32_t canary_interval_secs = 10;  // 0: none.
  ControlConfig control;
  bool replay = false;  // Not a key: `daemoneye-agent --replay`.
};

enum class OutputFormat : std::uint8_t { Table, Json, Jsonl, Csv, Markdown, Line };

struct CliConfig {
  Paths paths;  // control_socket is the one to dial.
  OutputFormat output = OutputFormat::Table;
};

// Where a value came from, weakest first.
enum class Origin : std::uint8_t { Default, SystemFile, UserFile, ExplicitFile, Environment, Flag };

// One key as it ended up, for `config show`.
struct Setting {
  std::string_view path;  // "database.retention_days".
  std::string value;      // As YAML (flow style).
  Origin origin = Origin::Default;
  std::string where;  // "/etc/daemoneye/config.yaml:3:5", "DAEMONEYE_STATE_DIR", "--state-dir", or "default".
};

template <class T>
struct Loaded {
  T value;
  std::vector<Setting> settings;      // Every key of this program, in table order.
  std::vector<std::string> warnings;  // To be logged or printed by the caller.
};

struct LoadInput {
  std::map<std::string, std::string> flags;  // Key path -> value: {"state_dir", "/tmp/x"}.
  const char* const* env = nullptr;          // As `environ`; null: no environment.
  // Either may have another of the endings .yaml, .yml, .json and .toml in its place, but only one of them.
  std::string system_file;    // Empty or absent: skipped.
  std::string user_file;      // Empty or absent: skipped.
  std::string explicit_file;  // --config: read instead of the other two, and must exist.
  bool for_root = false;      // Only files that root alone may write; without root this is what reading again needs.
};

// Of a running daemon: where its settings came from, to read them there again.
struct SettingsSource {
  LoadInput input;
  std::vector<Setting> settings;  // Those in force.
};

// Every name that one of the files may have, absolute.
std::vector<std::string> source_names(const LoadInput& input);

// The directories of the files, absolute: an editor replaces a file by another one, so it is the directory that must
// stay in reach of who reads them again.
std::vector<std::string> directories_of(const LoadInput& input);

// The usual places: /etc/daemoneye/config.yaml, and daemoneye/config.yaml below $XDG_CONFIG_HOME or ~/.config. A daemon
// that root starts has no user file: root's environment may still be the one of whoever called sudo.
LoadInput standard_input(Program program, const char* const* env);

// Errc::Invalid names the place ("file:line:column", variable or flag), the key, the range and the nearest known key;
// Errc::NotFound is a missing explicit file; Errc::Denied a file root must not trust because others can change it.
Result<Loaded<ProcmondConfig>> load_procmond(const LoadInput& input);
Result<Loaded<AgentConfig>> load_agent(const LoadInput& input);
Result<Loaded<CliConfig>> load_cli(const LoadInput& input);

// One `key: value` line per setting, as YAML that can be read back; with `origin`, a comment names the place.
std::string print_config(const std::vector<Setting>& settings, bool origin);

// What differs from the defaults, as a JSON object of {"value", "where"} by key, for the ledger; values are cut at 256
// bytes.
std::string changed_settings_json(const std::vector<Setting>& settings);

// The commented sample file, for all three programs or one: every key with its help, range, unit and default, and
// what it takes for a changed value to count.
std::string sample_file(std::optional<Program> only = {});

std::string_view to_text(LogLevel level);
std::string_view to_text(LogFormat format);
std::string_view to_text(EventBackend backend);
std::string_view to_text(SinkType type);
std::string_view to_text(SinkFormat format);
std::string_view to_text(SyslogRfc rfc);
std::string_view to_text(SyslogFacility facility);
std::string_view to_text(MinSeverity severity);
std::string_view to_text(OutputFormat format);
std::string_view to_text(Origin origin);

}  // namespace de::config
