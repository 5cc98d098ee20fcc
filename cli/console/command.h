// What the operator asked for, as values.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemoneye/control.pb.h"
#include "service/plan.h"

namespace de::console {

struct QueryCommand {
  std::string sql;   // As given; empty when it comes from `file`.
  std::string file;  // "-" is standard input.
  std::vector<std::string> params;
  pb::QueryMode mode = pb::QUERY_RUN;
  std::string dialect = "sqlite";
  std::uint64_t limit = 0;       // 0: the agent's.
  std::uint32_t timeout_ms = 0;  // 0: the agent's.
  std::string as_of;             // As parse_moment() reads it; empty: now.
};
struct SchemaCommand {
  std::string table;
  bool functions = false;
};
struct RulesListCommand {};
struct RuleShowCommand {
  std::string id;
};
struct RulesValidateCommand {
  std::vector<std::string> files;
};
struct RulesTestCommand {
  std::string target;  // A rule's id, a file, or empty for all rules.
};
struct RuleBacktestCommand {
  std::string target;  // A rule's id, or a file.
  std::string since = "1d";
  std::string until;             // Empty: now.
  std::uint32_t timeout_ms = 0;  // 0: the agent's.
  std::string events;            // A recording to try it on instead of what is stored.
  bool each = false;             // Every match of the recording.
};
struct RuleSwitchCommand {
  std::vector<std::string> ids;
  pb::RulePosition position = pb::RULE_POSITION_UNKNOWN;
};
struct RulesImportCommand {
  std::vector<std::string> paths;          // Of Sigma: files, and directories with files below them.
  std::vector<std::string> osquery_paths;  // Likewise of osquery; one of the two is empty.
  std::string license;                     // Of osquery's, when the files do not say.
  std::string into;                        // Empty: only to see what would become of them.
  std::string placeholders;
  std::string source;  // In front of a file's name it says where the rule was taken from.
};
struct AlertsListCommand {
  std::string rule;
  std::string severity;
  std::uint32_t limit = 0;
};
struct AlertShowCommand {
  std::string id;
  bool evidence = false;
};
struct HealthCommand {
  std::string component;
};
struct WatchCommand {
  bool json = false;  // One JSON object a line.
};
struct TreeCommand {
  std::optional<std::uint32_t> pid;  // Only this process and what is below it.
};
struct AuditVerifyCommand {
  std::string path;  // Empty: the ledger of the state directory.
};
struct AuditTailCommand {
  std::uint32_t entries = 10;
  std::string path;
};
struct ConfigShowCommand {
  std::string program;
  bool origin = false;
};
struct ConfigSampleCommand {
  std::string program;  // Empty: all.
};
struct ConfigValidateCommand {
  std::string file;  // Empty: the usual ones.
};
struct ConfigSetCommand {
  std::string key;
  std::string value;
  std::string file;  // Empty: the system's for root, else the user's.
  bool yes = false;  // Also what protects less.
};
struct ConfigReloadCommand {};
struct ServiceCommand {
  service::Request request;
};
struct VersionCommand {};

using Command =
    std::variant<QueryCommand, SchemaCommand, RulesListCommand, RuleShowCommand, RulesValidateCommand, RulesTestCommand,
                 RuleBacktestCommand, RuleSwitchCommand, RulesImportCommand, AlertsListCommand, AlertShowCommand,
                 HealthCommand, WatchCommand, TreeCommand, AuditVerifyCommand, AuditTailCommand, ConfigShowCommand,
                 ConfigSampleCommand, ConfigValidateCommand, ConfigSetCommand, ConfigReloadCommand, ServiceCommand,
                 VersionCommand>;

struct Invocation {
  std::optional<std::string> socket;
  std::optional<std::string> state_dir;
  std::optional<std::string> output;
  std::string config_file;
  bool no_color = false;
  Command command;
};

}  // namespace de::console
