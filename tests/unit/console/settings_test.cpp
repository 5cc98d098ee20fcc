#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_agent.h"
#include "run_fixture.h"

namespace de::console {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Settings : public Run {};

TEST_F(Settings, ShowOfAProgramByOptionOrWord) {
  const Outcome option = run_with({"config", "show", "--program", "procmond"});
  EXPECT_EQ(option.code, ExitCode::Complete) << option.err;
  EXPECT_THAT(option.out, HasSubstr("spool.max_mb: 256\n"));
  EXPECT_EQ(option.out, run_with({"config", "show", "procmond"}).out);
}

TEST_F(Settings, ValidateTellsEveryMistake) {
  const std::string bad = file("bad.yaml", "spool:\n  max_mb: many\nlgo: {}\ncontrol:\n  read_only: perhaps\n");
  const Outcome outcome = run_plain({"config", "validate", bad.c_str()});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_EQ(outcome.out, bad + ":2:11: spool.max_mb: expected a whole number, 1 to 1048576, not \"many\"\n" + bad +
                             ":3:1: unknown key \"lgo\" (did you mean \"log\"?)\n" + bad +
                             ":5:14: control.read_only: expected true or false, not \"perhaps\"\n");
  const Outcome rows = run_plain({"config", "validate", bad.c_str(), "--output", "jsonl"});
  EXPECT_EQ(rows.code, ExitCode::Usage);
  EXPECT_THAT(rows.out, HasSubstr("\"mistake\":\"" + bad + ":3:1: unknown key"));
}

TEST_F(Settings, ValidateOfARightFile) {
  const std::string good = file("good.toml", "[spool]\nmax_mb = 7\n");
  const Outcome outcome = run_plain({"config", "validate", good.c_str()});
  EXPECT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  EXPECT_EQ(outcome.out, good + ": no mistakes\n");
  const Outcome missing = run_plain({"config", "validate", "/nonexistent.yaml"});
  EXPECT_EQ(missing.code, ExitCode::Failed);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent.yaml"));
}

TEST_F(Settings, ValidateWithoutAFileChecksTheUsualOnesAndTheEnvironment) {
  std::filesystem::create_directory(dir_ + "/daemoneye");
  const std::string home = "XDG_CONFIG_HOME=" + dir_;
  const std::string user = file("daemoneye/config.yaml", "scan_interval_ms: 5\nlog.level: loud\n");
  Outcome outcome = run_in({"config", "validate"}, {home.c_str(), nullptr});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_THAT(outcome.out, StartsWith(user + ":1:19: scan_interval_ms"));
  EXPECT_THAT(outcome.out, HasSubstr(user + ":2:12: log.level"));
  file("daemoneye/config.yaml", "scan_interval_ms: 5000\n");
  outcome = run_in({"config", "validate"}, {home.c_str(), "PROCMOND_SPOOL__MAX_MB=0", nullptr});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_THAT(outcome.out, StartsWith("PROCMOND_SPOOL__MAX_MB: spool.max_mb: \"0\" is out of range"));
  outcome = run_in({"config", "validate"}, {home.c_str(), nullptr});
  EXPECT_EQ(outcome.code, ExitCode::Complete);
  EXPECT_THAT(outcome.out, HasSubstr(user + ": no mistakes\n"));
}

TEST_F(Settings, ReloadShowsWhatTheAgentTookOver) {
  FakeAgent agent(socket_,
                  {{{header({"key", "before", "after", "place", "effect"}),
                     page({{"query.max_rows", "5", "7", "/c.yaml:1:2", "in force"}}), trailer(pb::STATUS_OK, "")}},
                   {{trailer(pb::STATUS_REFUSED, "/c.yaml:1:2: wrong")}}});
  const Outcome taken = run_with({"config", "reload", "--output", "csv"});
  EXPECT_EQ(taken.code, ExitCode::Complete) << taken.err;
  EXPECT_THAT(taken.out, HasSubstr("query.max_rows,5,7,/c.yaml:1:2,in force"));
  const Outcome refused = run_with({"config", "reload"});
  EXPECT_EQ(refused.code, ExitCode::Usage);
  EXPECT_THAT(refused.err, HasSubstr("/c.yaml:1:2: wrong"));
  EXPECT_TRUE(agent.requests().at(0).has_config_reload());
}

TEST_F(Settings, SampleOfOneProgram) {
  const Outcome all = run_plain({"config", "sample"});
  EXPECT_THAT(all.out, HasSubstr("  # Disk for events the agent has not taken yet; beyond it the oldest are shed"));
  EXPECT_THAT(all.out, HasSubstr("not hashed (number of MiB, 1 to 65536; for procmond)."));
  EXPECT_THAT(all.out, HasSubstr("  # When true: Passwords and tokens in arguments"));
  EXPECT_THAT(all.out, HasSubstr("#output: table"));
  const Outcome procmond = run_plain({"config", "sample", "--program", "procmond"});
  EXPECT_EQ(procmond.code, ExitCode::Complete);
  EXPECT_THAT(procmond.out, HasSubstr("#max_mb: 256"));
  EXPECT_THAT(procmond.out, Not(HasSubstr("#output: table")));
  EXPECT_THAT(procmond.out, Not(HasSubstr("sinks")));
}

}  // namespace
}  // namespace de::console
