#include "console/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>

#include "daemoneye/base/text.h"

namespace de::console {
namespace {

constexpr std::uint32_t kMaxTimeoutMs = 600'000;
constexpr std::uint32_t kMaxAlerts = 100'000;
constexpr std::uint32_t kMaxBacktestMs = 3'600'000;
constexpr std::uint32_t kMaxTail = 10'000;  // Held in memory, up to 16 KiB each.

// The library's own demand for a command comes before it looks at the words it does not know, and would hide them:
// hence require_subcommand(0, 1) everywhere and missing_command() at the end.
//
// One action per command. They fill in the invocation after the whole line was parsed, so that options may come
// before or after the command's name.
void add_query(CLI::App& app, Invocation& out) {
  auto* query = app.add_subcommand("query", "Run one SELECT over processes, their history, alerts and rules");
  auto command = std::make_shared<QueryCommand>();
  auto sql = std::make_shared<std::string>();
  auto explained = std::make_shared<bool>(false);
  auto validated = std::make_shared<bool>(false);
  auto* positional = query->add_option("SQL", *sql, "The statement; - reads it from standard input");
  auto* option = query->add_option("--sql", command->sql, "The statement");
  auto* file = query->add_option("--file", command->file, "File that holds the statement; - is standard input");
  positional->excludes(option)->excludes(file);
  option->excludes(file);
  query
      ->add_option("--param", command->params,
                   "Value of the next ?: a JSON number, null:, text:... (always text), or any other text")
      ->allow_extra_args(false);
  auto* explain = query->add_flag("--explain", *explained, "Show how the statement would run");
  auto* validate = query->add_flag("--validate", *validated, "Only say whether the statement is allowed");
  explain->excludes(validate);
  query->add_option("--dialect", command->dialect, "osquery: the statement names osquery's tables and columns")
      ->check(CLI::IsMember({"sqlite", "osquery"}));
  query->add_option("--limit", command->limit, "Most rows to return")
      ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
  query->add_option("--timeout", command->timeout_ms, "Most milliseconds it may take")
      ->check(CLI::Range(1U, kMaxTimeoutMs));
  query->add_option("--as-of", command->as_of,
                    "Show `processes` as it was: 2026-11-23T05:00:00Z, or 10m, 2h, 3d for so long ago");
  query->callback([=, &out] {
    if (positional->count() > 0) (*sql == "-" ? command->file : command->sql) = *sql;
    if (positional->count() + option->count() + file->count() == 0)
      throw CLI::RequiredError("a statement (as argument, with --sql, --file, or - for standard input)");
    if (*explained) command->mode = pb::QUERY_EXPLAIN;
    if (*validated) command->mode = pb::QUERY_VALIDATE;
    out.command = *command;
  });
}

// A command whose fields are filled by `options(subcommand, fields)`.
template <class C, class Options>
void add(CLI::App& app, Invocation& out, const char* name, const char* help, Options options) {
  auto* subcommand = app.add_subcommand(name, help);
  auto command = std::make_shared<C>();
  options(*subcommand, *command);
  subcommand->callback([command, &out] { out.command = *command; });
}

void add_rule_switch(CLI::App& rules, Invocation& out, const char* name, const char* help, pb::RulePosition position) {
  add<RuleSwitchCommand>(rules, out, name, help, [position](CLI::App& s, RuleSwitchCommand& c) {
    c.position = position;
    s.add_option("ID", c.ids, "The rules' ids")->required()->expected(1, 256);
  });
}

void add_rules(CLI::App& app, Invocation& out) {
  auto* rules = app.add_subcommand("rules", "Detection rules");
  rules->require_subcommand(0, 1);
  add<RulesListCommand>(*rules, out, "list", "All loaded rules", [](CLI::App&, RulesListCommand&) {});
  add<RuleShowCommand>(*rules, out, "show", "One rule",
                       [](CLI::App& s, RuleShowCommand& c) { s.add_option("ID", c.id, "The rule's id")->required(); });
  add<RulesValidateCommand>(*rules, out, "validate", "Check rule files without loading them",
                            [](CLI::App& s, RulesValidateCommand& c) {
                              s.add_option("FILE", c.files, "Rule files")->required()->expected(1, 256);
                            });
  add_rule_switch(*rules, out, "enable", "Run rules from now on, whatever their files say", pb::RULE_ON);
  add_rule_switch(*rules, out, "disable", "Run rules no longer, also after a restart", pb::RULE_OFF);
  add_rule_switch(*rules, out, "delete", "Forget rules; their files stay, and `rules enable` brings them back",
                  pb::RULE_DELETED);
  add<RulesTestCommand>(*rules, out, "test", "Run the tests that rules carry", [](CLI::App& s, RulesTestCommand& c) {
    s.add_option("TARGET", c.target, "A rule's id, or a rule file; default all loaded rules");
  });
  add<RuleBacktestCommand>(
      *rules, out, "backtest", "What a rule would have matched in what is stored, or in a recording",
      [](CLI::App& s, RuleBacktestCommand& c) {
        s.add_option("TARGET", c.target,
                     "A rule's id, or a rule file; with --events a rule file or a directory of them")
            ->required();
        auto* events = s.add_option("--events", c.events,
                                    "A recording instead of what is stored: a file with one JSON object a line");
        s.add_flag("--each", c.each, "Every match in the recording")->needs(events);
        s.add_option("--since", c.since, "From when on: 2026-11-23T05:00:00Z, or 10m, 2h, 3d for so long ago")
            ->capture_default_str()
            ->excludes(events);
        s.add_option("--until", c.until, "Until when; default now")->excludes(events);
        s.add_option("--timeout", c.timeout_ms, "Most milliseconds it may take")
            ->check(CLI::Range(1U, kMaxBacktestMs))
            ->excludes(events);
      });
  add<RulesImportCommand>(
      *rules, out, "import", "Make rule files of Sigma's rules or osquery's queries",
      [](CLI::App& s, RulesImportCommand& c) {
        auto* sigma = s.add_option("--sigma", c.paths, "Sigma rules: files, or directories of them")->expected(1, 256);
        auto* osquery = s.add_option("--osquery", c.osquery_paths,
                                     "osquery's queries (.sql) and packs (.conf, .json): files, or directories of them")
                            ->expected(1, 256)
                            ->excludes(sigma);
        s.require_option(1, 0);
        s.add_option("--license", c.license, "Licence of the queries, when their files do not say")->needs(osquery);
        s.add_option("--into", c.into, "Directory that the rule files are written to; without it nothing is written");
        s.add_option("--placeholders", c.placeholders, "YAML file with the values of %placeholders%: {name: [value]}");
        s.add_option("--source", c.source, "Where the rules were taken from: a URL that the file's name is put behind");
      });
}

void add_alerts(CLI::App& app, Invocation& out) {
  auto* alerts = app.add_subcommand("alerts", "Alerts that rules raised");
  alerts->require_subcommand(0, 1);
  add<AlertsListCommand>(*alerts, out, "list", "Newest alerts first", [](CLI::App& s, AlertsListCommand& c) {
    s.add_option("--rule", c.rule, "Only of this rule");
    s.add_option("--severity", c.severity, "Only of this severity")
        ->check(CLI::IsMember({"low", "medium", "high", "critical"}));
    s.add_option("--limit", c.limit, "Most alerts to list")->check(CLI::Range(1U, kMaxAlerts));
  });
  add<AlertShowCommand>(*alerts, out, "show", "One alert with everything known about it",
                        [](CLI::App& s, AlertShowCommand& c) {
                          s.add_option("ID", c.id, "The alert's id")->required();
                          s.add_flag("--evidence", c.evidence,
                                     "Also the stored row it was raised about, and whether the rule says so again");
                        });
}

void add_watch(CLI::App& app, Invocation& out) {
  auto* watch = app.add_subcommand("watch", "Follow what happens until Ctrl-C");
  watch->require_subcommand(0, 1);
  add<WatchCommand>(*watch, out, "processes", "New events of processes, one line each",
                    [](CLI::App& s, WatchCommand& c) { s.add_flag("--json", c.json, "One JSON object a line"); });
}

void add_audit(CLI::App& app, Invocation& out) {
  auto* audit = app.add_subcommand("audit", "The audit ledger, read from its files without the agent");
  audit->require_subcommand(0, 1);
  add<AuditVerifyCommand>(*audit, out, "verify", "Check every entry and every link between entries",
                          [](CLI::App& s, AuditVerifyCommand& c) {
                            s.add_option("PATH", c.path, "Ledger file or directory; default the state directory's");
                          });
  add<AuditTailCommand>(*audit, out, "tail", "Show the newest entries", [](CLI::App& s, AuditTailCommand& c) {
    s.add_option("N", c.entries, "How many; default 10")->check(CLI::Range(1U, kMaxTail));
    s.add_option("--path", c.path, "Ledger file or directory; default the state directory's");
  });
}

void add_config(CLI::App& app, Invocation& out) {
  const CLI::IsMember programs({"agent", "procmond", "cli"});
  auto* config = app.add_subcommand("config", "Settings");
  config->require_subcommand(0, 1);
  add<ConfigShowCommand>(*config, out, "show", "Settings as files, environment and flags give them",
                         [&](CLI::App& s, ConfigShowCommand& c) {
                           c.program = "agent";
                           auto* word = s.add_option("PROGRAM", c.program, "agent (default), procmond or cli");
                           auto* option = s.add_option("--program", c.program, "The same");
                           word->check(programs)->excludes(option->check(programs));
                           s.add_flag("--origin", c.origin, "Say where each value comes from");
                         });
  add<ConfigValidateCommand>(*config, out, "validate", "Check configuration files and say every mistake",
                             [](CLI::App& s, ConfigValidateCommand& c) {
                               s.add_option("FILE", c.file, "YAML, JSON or TOML; default the usual files");
                             });
  add<ConfigSetCommand>(*config, out, "set", "Set one key in a configuration file; every other line stays as it is",
                        [](CLI::App& s, ConfigSetCommand& c) {
                          s.add_option("KEY", c.key, "As config sample has it: spool.max_mb")->required();
                          s.add_option("VALUE", c.value, "The new value; lists as [\"/a\", \"/b\"]")->required();
                          s.add_option("--file", c.file, "Default: the system's file for root, else your own");
                          s.add_flag("--yes", c.yes, "Set without asking what protects less");
                        });
  add<ConfigReloadCommand>(*config, out, "reload", "Have the agent read its settings again; procmond does so on SIGHUP",
                           [](CLI::App&, ConfigReloadCommand&) {});
  add<ConfigSampleCommand>(
      *config, out, "sample", "A commented configuration file", [&](CLI::App& s, ConfigSampleCommand& c) {
        s.add_option("--program", c.program, "Only what is for agent, procmond or cli")->check(programs);
      });
}

void add_service(CLI::App& app, Invocation& out) {
  auto* services = app.add_subcommand("service", "The two daemons as services of this host");
  services->require_subcommand(0, 1);
  const auto add_action = [&](service::Action action, const char* help) {
    add<ServiceCommand>(
        *services, out, std::string(service::to_text(action)).c_str(), help, [action](CLI::App& s, ServiceCommand& c) {
          c.request.action = action;
          if (action != service::Action::Logs) return;
          s.add_option("--lines", c.request.lines, "How many; default 50")->check(CLI::Range(0U, kMaxTail));
          s.add_flag("--follow", c.request.follow, "Go on with what comes, until Ctrl-C");
        });
  };
  add_action(service::Action::Install, "Create accounts and directories, start both, now and with the host (root)");
  add_action(service::Action::Uninstall, "Stop both, now and for good; programs, settings and data stay (root)");
  add_action(service::Action::Start, "Start both (root)");
  add_action(service::Action::Stop, "Stop both until the next start of the host (root)");
  add_action(service::Action::Status, "Whether they run; exit code 1 when one does not");
  add_action(service::Action::Logs, "What they last logged");
}

void add_all(CLI::App& app, Invocation& out, std::string& socket, std::string& state_dir, std::string& output) {
  app.add_option("--socket", socket, "Control socket of the agent");
  app.add_option("--state-dir", state_dir, "State directory of a private instance; its sockets are in it");
  app.add_option("--output", output, "table, json, jsonl, csv, markdown or line");
  app.add_option("--config", out.config_file, "Configuration file to read instead of the usual ones");
  app.add_flag("--no-color", out.no_color, "Plain text on terminals, too");
  app.require_subcommand(0, 1);
  app.fallthrough();
  add_query(app, out);
  add<SchemaCommand>(app, out, "schema", "Tables and their columns", [](CLI::App& s, SchemaCommand& c) {
    auto* table = s.add_option("TABLE", c.table, "Only this table");
    s.add_flag("--functions", c.functions, "The functions and operators instead")->excludes(table);
  });
  add_rules(app, out);
  add_alerts(app, out);
  add_watch(app, out);
  add<TreeCommand>(
      app, out, "tree", "Processes of the current snapshot below their parents",
      [](CLI::App& s, TreeCommand& c) { s.add_option("PID", c.pid, "Only this process and what is below it"); });
  add_audit(app, out);
  add<HealthCommand>(app, out, "health", "How the agent and its parts are doing",
                     [](CLI::App& s, HealthCommand& c) { s.add_option("COMPONENT", c.component, "Only this part"); });
  add_config(app, out);
  add_service(app, out);
  add<VersionCommand>(app, out, "version", "Version of this program", [](CLI::App&, VersionCommand&) {});
}

std::optional<std::string> given(const CLI::App& app, const char* option, const std::string& value) {
  return app.get_option(option)->count() > 0 ? std::optional(value) : std::nullopt;
}

const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* named = &app;
  while (!named->get_subcommands().empty()) named = named->get_subcommands().front();
  return *named;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// What is wrong when a word was not understood.
std::string unknown_word(const CLI::App& app, const CLI::Error& error) {
  const std::vector<std::string> words = app.remaining(true);
  const std::vector<std::string> names = commands_of(innermost(app));
  if (words.empty() || names.empty() || words.front().starts_with('-')) return error.what();
  const std::vector<std::string_view> known(names.begin(), names.end());
  return "unknown command \"" + words.front() + "\"" + suggestion(words.front(), known);
}

// What is wrong when the line ended too early, or nothing.
std::string missing_command(const CLI::App& app) {
  std::string list;
  for (const std::string& name : commands_of(innermost(app))) list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? list : "a command is required: " + list;
}

Answered wrong_usage(const std::string& why) {
  return {"daemoneye-cli: " + escape_controls(why) + "\nRun daemoneye-cli --help for more.\n", ExitCode::Usage};
}

}  // namespace

std::variant<Invocation, Answered> parse_arguments(std::span<const char* const> arguments) {
  Invocation invocation;
  std::string socket;
  std::string state_dir;
  std::string output;
  CLI::App app("daemoneye-cli: ask the DaemonEye agent", "daemoneye-cli");
  app.set_version_flag("--version", "daemoneye-cli " DE_VERSION);
  try {
    add_all(app, invocation, socket, state_dir, output);
    // The library takes them last one first.
    std::vector<std::string> reversed(arguments.begin(), arguments.end());
    std::ranges::reverse(reversed);
    app.parse(std::move(reversed));
  } catch (const CLI::CallForVersion& version) {
    return Answered{std::string(version.what()) + "\n", ExitCode::Complete};
  } catch (const CLI::Success&) {
    return Answered{app.help(), ExitCode::Complete};  // Of the innermost command that was named.
  } catch (const CLI::ExtrasError& error) {
    return wrong_usage(unknown_word(app, error));
  } catch (const CLI::Error& error) {
    return wrong_usage(error.what());
  }
  if (const std::string why = missing_command(app); !why.empty()) return wrong_usage(why);
  invocation.socket = given(app, "--socket", socket);
  invocation.state_dir = given(app, "--state-dir", state_dir);
  invocation.output = given(app, "--output", output);
  return invocation;
}

}  // namespace de::console
