#include "daemoneye/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "config/config_fixture.h"

namespace de::config {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Config : public ConfigFiles {};

TEST_F(Config, DefaultsAreTheStructs) {
  const auto agent = load_agent({});
  ASSERT_TRUE(agent) << agent.error().message();
  EXPECT_EQ(agent->value.query.timeout_ms, 5000u);
  EXPECT_EQ(agent->value.rules.max_rows, 1000u);
  EXPECT_EQ(agent->value.paths.control_socket, "/run/daemoneye/control.sock");
  EXPECT_EQ(agent->value.user, "daemoneye");
  EXPECT_EQ(agent->value.procmond_user, "procmond");
  EXPECT_FALSE(agent->value.paths.is_private);
  EXPECT_THAT(agent->warnings, IsEmpty());
  const auto procmond = load_procmond({});
  ASSERT_TRUE(procmond);
  EXPECT_EQ(procmond->value.spool_max_mb, 256u);
  EXPECT_EQ(procmond->value.user, "procmond");
  EXPECT_EQ(procmond->value.agent_user, "daemoneye");
  EXPECT_FALSE(procmond->value.agent_uid);
  const auto cli = load_cli({});
  ASSERT_TRUE(cli);
  EXPECT_EQ(cli->value.output, OutputFormat::Table);
}

TEST_F(Config, EachLayerReplacesTheOneBelow) {
  LoadInput input = system("scan_interval_ms: 1000\nlog: {level: warn}\ndatabase:\n  retention_days: 1\n");
  input.user_file = file("user.yaml", "scan_interval_ms: 2000\nlog:\n  level: error\n");
  const char* env[] = {"DAEMONEYE_SCAN_INTERVAL_MS=3000", "DAEMONEYE_AGENT_QUERY__MAX_ROWS=5", nullptr};
  input.env = env;
  input.flags = {{"query.max_rows", "7"}};
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->value.retention_days, 1u);
  EXPECT_EQ(loaded->value.log.level, LogLevel::Error);
  EXPECT_EQ(loaded->value.scan_interval_ms, 3000u);
  EXPECT_EQ(loaded->value.query.max_rows, 7u);

  EXPECT_EQ(setting(loaded->settings, "database.retention_days").where, input.system_file + ":4:19");
  EXPECT_EQ(setting(loaded->settings, "log.level").origin, Origin::UserFile);
  EXPECT_EQ(setting(loaded->settings, "scan_interval_ms").where, "DAEMONEYE_SCAN_INTERVAL_MS");
  EXPECT_EQ(setting(loaded->settings, "query.max_rows").origin, Origin::Flag);
  EXPECT_EQ(setting(loaded->settings, "rules.max_rows").origin, Origin::Default);
}

TEST_F(Config, OwnVariableBeatsSharedOne) {
  const char* env[] = {"PROCMOND_SPOOL__MAX_MB=7", "DAEMONEYE_SPOOL__MAX_MB=8", nullptr};
  const auto loaded = load_procmond({{}, env, "", "", ""});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->value.spool_max_mb, 7u);
}

TEST_F(Config, OwnSectionNeedsNoNameInVariables) {
  const char* env[] = {"PROCMOND_USER=p1", "DAEMONEYE_AGENT_USER=a1", "DAEMONEYE_CLI_OUTPUT=csv", nullptr};
  const LoadInput input{{}, env, "", "", ""};
  EXPECT_EQ(load_procmond(input)->value.user, "p1");
  EXPECT_EQ(load_agent(input)->value.user, "a1");
  EXPECT_EQ(load_cli(input)->value.output, OutputFormat::Csv);
}

TEST_F(Config, ExplicitFileReplacesTheOthers) {
  LoadInput input = system("scan_interval_ms: 1000\n");
  input.explicit_file = file("own.yaml", "query: {max_rows: 3}\n");
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->value.scan_interval_ms, 30000u);
  EXPECT_EQ(loaded->value.query.max_rows, 3u);
}

TEST_F(Config, MissingFilesMatterOnlyWhenNamed) {
  LoadInput input;
  input.system_file = dir_ + "/none.yaml";
  input.user_file = dir_ + "/system.yaml/none.yaml";
  EXPECT_TRUE(load_agent(input));
  input.explicit_file = dir_ + "/none.yaml";
  EXPECT_EQ(load_agent(input).error().code(), Errc::NotFound);
}

TEST_F(Config, JsonIsYaml) {
  const auto loaded = load_agent(system("{\"query\": {\"max_rows\": 12}, \"control\": {\"read_only\": true}}"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->value.query.max_rows, 12u);
  EXPECT_TRUE(loaded->value.control.read_only);
}

TEST_F(Config, OtherProgramsKeysAreKnownButNotJudged) {
  EXPECT_TRUE(load_agent(system("spool: {max_mb: many}\ncli: {output: json}\n")));
  EXPECT_FALSE(load_procmond(system("spool: {max_mb: many}\n")));
  EXPECT_FALSE(load_procmond(system("spool: {max_mbs: 1}\n")));
}

TEST_F(Config, PrivateStateDirectoryHoldsEverything) {
  LoadInput input = system("broker_socket: /run/other.sock\nrules: {dirs: [/srv/rules]}\n");
  input.flags = {{"state_dir", dir_ + "/s/"}};
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded) << loaded.error().message();
  const Paths& paths = loaded->value.paths;
  EXPECT_TRUE(paths.is_private);
  EXPECT_EQ(paths.state_dir, dir_ + "/s");
  EXPECT_EQ(paths.store_dir, dir_ + "/s/store");
  EXPECT_EQ(paths.spool_dir, dir_ + "/s/spool");
  EXPECT_EQ(paths.ledger_dir, dir_ + "/s/ledger");
  EXPECT_EQ(paths.broker_socket, dir_ + "/s/broker.sock") << "the installed instance's socket must not be used";
  EXPECT_EQ(paths.control_socket, dir_ + "/s/control.sock");
  EXPECT_THAT(paths.rules_dirs, ElementsAre(dir_ + "/s/rules.d"));
}

TEST_F(Config, ExplicitPathsStayInAPrivateInstance) {
  const char* env[] = {"DAEMONEYE_STATE_DIR=/tmp/private", "DAEMONEYE_BROKER_SOCKET=/tmp/b.sock", nullptr};
  LoadInput input{{{"rules.dirs", "/r1:/r2"}}, env, "", "", ""};
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->value.paths.broker_socket, "/tmp/b.sock");
  EXPECT_EQ(loaded->value.paths.control_socket, "/tmp/private/control.sock");
  EXPECT_THAT(loaded->value.paths.rules_dirs, ElementsAre("/r1", "/r2"));
}

TEST_F(Config, StateDirectoryOfAFileMovesNoSockets) {
  const auto loaded = load_agent(system("state_dir: /srv/daemoneye\n"));
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->value.paths.store_dir, "/srv/daemoneye/store");
  EXPECT_EQ(loaded->value.paths.control_socket, "/run/daemoneye/control.sock");
  EXPECT_FALSE(loaded->value.paths.is_private);
}

TEST_F(Config, RelativePathsAreThePersonsOnly) {
  EXPECT_EQ(load_cli({{{"state_dir", "here"}}, nullptr, "", "", ""})->value.paths.state_dir,
            std::filesystem::current_path().string() + "/here");
  EXPECT_THAT(agent_error("state_dir: here\n"), HasSubstr("expected an absolute path, not \"here\""));
}

TEST_F(Config, TooLongSocketPathNamesTheLimit) {
  const auto loaded = load_agent({{{"state_dir", "/tmp/" + std::string(110, 'x')}}, nullptr, "", "", ""});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(),
            "command line: broker_socket: a socket path has at most 107 bytes, this one has 127");
}

struct Bad {
  const char* name;
  const char* text;
  const char* message;
};

class ConfigRejects : public Config, public testing::WithParamInterface<Bad> {};

TEST_P(ConfigRejects, WithPlaceAndReason) {
  const auto loaded = load_agent(system(GetParam().text));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), Errc::Invalid);
  EXPECT_THAT(loaded.error().message(), StartsWith(dir_ + "/system.yaml:"));
  EXPECT_THAT(loaded.error().message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Files, ConfigRejects,
    testing::Values(
        Bad{"unknown key", "a: 1\n", ":1:1: unknown key \"a\""},
        Bad{"misspelt key", "log:\n  levle: info\n", ":2:3: unknown key \"log.levle\" (did you mean \"log.level\"?)"},
        Bad{"misspelt section", "databse:\n  x: 1\n", ":1:1: unknown key \"databse\" (did you mean \"database\"?)"},
        Bad{"not a number", "scan_interval_ms: soon\n",
            ":1:19: scan_interval_ms: expected a whole number, 1000 to 3600000, not \"soon\""},
        Bad{"quoted number", "scan_interval_ms: \"500\"\n", ":1:19: scan_interval_ms: expected a whole number"},
        Bad{"fraction", "scan_interval_ms: 500.5\n", ":1:19: scan_interval_ms: expected a whole number"},
        Bad{"too small", "scan_interval_ms: 999\n",
            ":1:19: scan_interval_ms: \"999\" is out of range: 1000 to 3600000"},
        Bad{"too large", "scan_interval_ms: 99999999999999999999999\n", "is out of range: 1000 to 3600000"},
        Bad{"negative", "scan_interval_ms: -5\n", "expected a whole number"},
        Bad{"no value", "scan_interval_ms:\n", "scan_interval_ms: has no value"},
        Bad{"list for a value", "scan_interval_ms: [1]\n", ":1:19: scan_interval_ms: expected one value"},
        Bad{"value for a section", "query: 5\n", ":1:8: query: expected keys and values below it"},
        Bad{"not a truth", "control: {read_only: maybe}\n", "control.read_only: expected true or false, not \"maybe\""},
        Bad{"unknown choice", "log: {level: inf}\n",
            "log.level: expected one of debug, info, warn, error, not \"inf\" (did you mean \"info\"?)"},
        Bad{"given twice", "log.level: info\nlog: {level: warn}\n", "log.level: already given at"},
        Bad{"control character", "control: {readers: \"a\\eb\"}\n", "control.readers: contains control characters"},
        Bad{"bad name", "control: {readers: \"a b\"}\n", "control.readers: expected 1 to 64 of letters"},
        Bad{"parent directory", "state_dir: /a/../b\n", "state_dir: a path may not contain \"..\""},
        Bad{"rules twice", "rules: {dirs: [/a, /a]}\n", "rules.dirs: \"/a\" is there twice"},
        Bad{"rules no list", "rules: {dirs: /a}\n", "rules.dirs: expected a list"},
        Bad{"no map", "- 1\n", ":1:1: expected keys and values"}, Bad{"no YAML", "a: [1\n", ""},
        Bad{"sink no list", "sinks: {}\n", "sinks: expected a list of entries"},
        Bad{"sink no map", "sinks: [file]\n", ":1:9: sinks: each entry must be a map of fields"},
        Bad{"sink without name", "sinks: [{type: stdout}]\n", "sinks: an entry needs \"name\""},
        Bad{"sink field", "sinks: [{name: a, min_severty: low}]\n",
            ":1:19: sinks: unknown field \"min_severty\" (did you mean \"min_severity\"?)"},
        Bad{"sink severity", "sinks: [{name: a, min_severity: hgih}]\n", "sinks.min_severity: expected one of low"},
        Bad{"file sink without path", "sinks: [{name: a, type: file}]\n", "\"a\" is of type file and needs a path"},
        Bad{"stdout sink with path", "sinks: [{name: a, path: /x}]\n",
            "\"a\" has a path, which only types file and journald have"},
        Bad{"webhook without url", "sinks: [{name: a, type: webhook}]\n", "\"a\" is of type webhook and needs a url"},
        Bad{"url of another type", "sinks: [{name: a, url: 'https://h/'}]\n",
            "has a url, which only types webhook and syslog have"},
        Bad{"token of another type", "sinks: [{name: a, token_file: /t}]\n",
            "has a token_file, which only type webhook"},
        Bad{"ca of another type", "sinks: [{name: a, ca_file: /t}]\n",
            "has a ca_file, which only types webhook and syslog have"},
        Bad{"webhook of another kind", "sinks: [{name: a, type: webhook, url: 'ftp://h/'}]\n",
            "sinks.url: expected https://, http://, tls://, tcp://, udp:// or unix://, not \"ftp://h/\""},
        Bad{"webhook nowhere", "sinks: [{name: a, type: webhook, url: 'https:///x'}]\n", "there is no host in"},
        Bad{"webhook with password", "sinks: [{name: a, type: webhook, url: 'https://u:p@h/'}]\n",
            "belongs into files"},
        Bad{"webhook without host", "sinks: [{name: a, type: webhook, url: 'https://:8443/'}]\n", "there is no host"},
        Bad{"webhook with space", "sinks: [{name: a, type: webhook, url: 'https://h/a b'}]\n", "a URL has no spaces"},
        Bad{"token in the clear", "sinks: [{name: a, type: webhook, url: 'http://h/', token_file: /t}]\n",
            "would send its token to http:// for everybody to read; use https://"},
        Bad{"ca without TLS", "sinks: [{name: a, type: webhook, url: 'http://h/', ca_file: /t}]\n",
            "has a ca_file, which only https:// uses"},
        Bad{"webhook too patient", "sinks: [{name: a, type: webhook, url: 'https://h', timeout_ms: 20001}]\n",
            "\"20001\" is out of range: 100 to 20000"},
        Bad{"sinks of one name", "sinks: [{name: a}, {name: a}]\n", ":1:20: sinks: \"a\" is there twice"},
        Bad{"collector timeout", "collectors: [{id: a, startup_timeout_secs: 0}]\n",
            "collectors.startup_timeout_secs: \"0\" is out of range: 1 to 600"}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::ranges::replace(name, ' ', '_');
      return name;
    });

TEST_F(Config, TooManyEntriesAreRefused) {
  std::string text = "sinks:\n";
  for (int i = 0; i < 33; ++i) text += "  - name: s" + std::to_string(i) + "\n";
  EXPECT_THAT(agent_error(text), HasSubstr("sinks: at most 32 entries are allowed"));
}

TEST_F(Config, SinksAndCollectors) {
  const auto loaded =
      load_agent(system("sinks:\n"
                        "  - {name: console, format: human, min_severity: high}\n"
                        "  - name: log\n    type: file\n    path: /var/log/a.json\n"
                        "  - {name: hook, type: webhook, url: 'https://[::1]:8443/a?b=@c', ca_file: /ca.pem, "
                        "token_file: /t, timeout_ms: 500}\n"
                        "collectors:\n"
                        "  - {id: procmond-1, path: /usr/sbin/procmond, user: procmond, "
                        "auto_restart: false, heartbeat_interval_secs: 5}\n"
                        "  - {id: other, path: , enabled: no}\n"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  const auto& sinks = loaded->value.sinks;
  ASSERT_EQ(sinks.size(), 3u);
  EXPECT_EQ(sinks[0].min_severity, MinSeverity::High);
  EXPECT_EQ(sinks[0].format, SinkFormat::Human);
  EXPECT_EQ(sinks[1].type, SinkType::File);
  EXPECT_EQ(sinks[1].path, "/var/log/a.json");
  EXPECT_EQ(sinks[2].type, SinkType::Webhook);
  EXPECT_EQ(sinks[2].url, "https://[::1]:8443/a?b=@c");
  EXPECT_EQ(sinks[2].ca_file, "/ca.pem");
  EXPECT_EQ(sinks[2].token_file, "/t");
  EXPECT_EQ(sinks[2].timeout_ms, 500u);
  const auto& collectors = loaded->value.collectors;
  ASSERT_EQ(collectors.size(), 2u);
  EXPECT_EQ(collectors[0].heartbeat_interval_secs, 5u);
  EXPECT_EQ(collectors[0].startup_timeout_secs, 60u);
  EXPECT_FALSE(collectors[0].auto_restart);
  EXPECT_FALSE(collectors[1].enabled);
}

TEST_F(Config, ListsFromVariables) {
  const char* env[] = {"DAEMONEYE_RULES__DIRS=[\"/a:b\", /c]",
                       "DAEMONEYE_AGENT_SINKS=[{\"name\": \"x\", \"min_severity\": \"critical\"}]", nullptr};
  const auto loaded = load_agent({{}, env, "", "", ""});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(loaded->value.paths.rules_dirs, ElementsAre("/a:b", "/c"));
  ASSERT_EQ(loaded->value.sinks.size(), 1u);
  EXPECT_EQ(loaded->value.sinks[0].min_severity, MinSeverity::Critical);
}

TEST_F(Config, BadVariablesAndFlagsAreNamed) {
  const char* env[] = {"DAEMONEYE_AGENT_QUERY__MAX_ROWS=0", nullptr};
  EXPECT_EQ(load_agent({{}, env, "", "", ""}).error().message(),
            "DAEMONEYE_AGENT_QUERY__MAX_ROWS: query.max_rows: \"0\" is out of range: 1 to 10000000");
  const char* misspelt[] = {"DAEMONEYE_AGENT_QUERY__MAX_ROW=1", nullptr};
  EXPECT_EQ(load_agent({{}, misspelt, "", "", ""}).error().message(),
            "DAEMONEYE_AGENT_QUERY__MAX_ROW: no such setting (did you mean \"DAEMONEYE_AGENT_QUERY__MAX_ROWS\"?)");
  EXPECT_EQ(load_agent({{{"querry.max_rows", "1"}}, nullptr, "", "", ""}).error().message(),
            "command line: unknown key \"querry.max_rows\" (did you mean \"query.max_rows\"?)");
  EXPECT_FALSE(load_cli({{{"query.max_rows", "1"}}, nullptr, "", "", ""})) << "not a key of this program";
}

TEST_F(Config, UnknownSharedVariablesAreAWarning) {
  const char* env[] = {"DAEMONEYE_STATE_DRI=/x", "DAEMONEYE_CLI_OUTPUT=json", "PATH=/bin", "broken", nullptr};
  const auto loaded = load_agent({{}, env, "", "", ""});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->warnings,
              ElementsAre("DAEMONEYE_STATE_DRI: no such setting (did you mean \"DAEMONEYE_STATE_DIR\"?)"));
}

TEST_F(Config, RootTrustsOnlyItsOwnFiles) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root is told apart";
  LoadInput input = system("scan_interval_ms: 1000\n");
  ASSERT_EQ(::chmod(input.system_file.c_str(), 0666), 0);
  EXPECT_EQ(load_procmond(input).error().code(), Errc::Denied);
  EXPECT_THAT(load_procmond(input).error().message(), HasSubstr("chmod go-w"));
  ASSERT_EQ(::chmod(input.system_file.c_str(), 0644), 0);
  ASSERT_EQ(::chown(input.system_file.c_str(), 1234, 1234), 0);
  EXPECT_THAT(load_procmond(input).error().message(), HasSubstr("belongs to uid 1234"));
  const auto cli = load_cli(input);
  ASSERT_TRUE(cli) << "an operator is only told";
  EXPECT_EQ(cli->warnings.size(), 1u);
}

TEST_F(Config, OnlyRegularFilesOfASensibleSize) {
  const std::string fifo = dir_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0644), 0);
  LoadInput input;
  input.explicit_file = fifo;
  EXPECT_THAT(load_agent(input).error().message(), EndsWith("not a regular file"));
  input.explicit_file = file("big.yaml", std::string((1UL << 20) + 1, '#'));
  EXPECT_EQ(load_agent(input).error().code(), Errc::TooLarge);
  input.explicit_file = dir_;
  EXPECT_FALSE(load_agent(input));
}

TEST_F(Config, PrintedConfigurationLoadsBackToTheSame) {
  const auto first =
      load_agent(system("sinks: [{name: a, type: file, path: /x}]\nrules: {dirs: [\"/a b\", /c]}\n"
                        "collectors: [{id: c, user: u}]\nlog: {level: debug}\n"));
  ASSERT_TRUE(first) << first.error().message();
  LoadInput again;
  again.explicit_file = file("again.yaml", print_config(first->settings, true));
  const auto second = load_agent(again);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(print_config(second->settings, false), print_config(first->settings, false));
  EXPECT_THAT(print_config(first->settings, true), HasSubstr("log.level: debug  # system file: " + dir_));
  EXPECT_THAT(print_config(first->settings, true), HasSubstr("query.max_rows: 10000  # default\n"));
}

TEST_F(Config, SampleFileHasEveryKeyAndLoadsToTheDefaults) {
  const std::string sample = sample_file();
  std::string uncommented;
  std::istringstream lines(sample);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t hash = line.find('#');
    EXPECT_LE(line.size(), 120u) << line;
    if (hash != line.npos && hash + 1 < line.size() && line[hash + 1] != ' ') line.erase(hash, 1);
    uncommented += line + "\n";
  }
  for (const std::string& text : {sample, uncommented}) {
    LoadInput input;
    input.explicit_file = file("sample.yaml", text);
    const auto agent = load_agent(input);
    ASSERT_TRUE(agent) << agent.error().message();
    EXPECT_EQ(print_config(agent->settings, false), print_config(load_agent({})->settings, false));
    const auto procmond = load_procmond(input);
    ASSERT_TRUE(procmond) << procmond.error().message();
    EXPECT_EQ(print_config(procmond->settings, false), print_config(load_procmond({})->settings, false));
    EXPECT_TRUE(load_cli(input));
  }
  LoadInput input;
  input.explicit_file = file("all.yaml", uncommented);
  const auto settings = load_agent(input)->settings;
  for (const Setting& one : settings)
    EXPECT_EQ(one.origin, Origin::ExplicitFile) << one.path << " is not in the sample";
}

TEST_F(Config, UsualPlaces) {
  const char* env[] = {"HOME=/home/u", nullptr};
  EXPECT_EQ(standard_input(Program::Cli, env).system_file, "/etc/daemoneye/config.yaml");
  EXPECT_EQ(standard_input(Program::Cli, env).user_file, "/home/u/.config/daemoneye/config.yaml");
  const char* xdg[] = {"HOME=/home/u", "XDG_CONFIG_HOME=/c", nullptr};
  EXPECT_EQ(standard_input(Program::Cli, xdg).user_file, "/c/daemoneye/config.yaml");
  const char* odd[] = {"HOME=relative", nullptr};
  EXPECT_EQ(standard_input(Program::Cli, odd).user_file, "");
  const std::string daemons = standard_input(Program::Procmond, env).user_file;
  EXPECT_EQ(daemons, ::geteuid() == 0 ? "" : "/home/u/.config/daemoneye/config.yaml");
}

}  // namespace
}  // namespace de::config
