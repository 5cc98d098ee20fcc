// What a person or the ledger is told about settings.
#include <gmock/gmock.h>

#include "config_fixture.h"

namespace de::config {
namespace {

using testing::HasSubstr;
using testing::Not;

using Print = ConfigFiles;

TEST_F(Print, TheSampleSaysWhatEachDirectionGivesUp) {
  const std::string sample = sample_file();
  EXPECT_THAT(sample,
              HasSubstr("\n  # When lowered: Days that are older are removed for good.\n  #retention_days: 30\n"));
  EXPECT_THAT(sample,
              HasSubstr("\n  # When true: Passwords and tokens in arguments are stored and shown as they are.\n"));
  EXPECT_THAT(sample, HasSubstr("\n  # When changed: Whoever is that account can see and invent what is collected.\n"));
}

TEST_F(Print, TheSampleOfOneProgramHasItsKeysOnly) {
  const std::string procmond = sample_file(Program::Procmond), agent = sample_file(Program::Agent);
  EXPECT_THAT(procmond, HasSubstr("\nspool:\n"));
  EXPECT_THAT(procmond, Not(HasSubstr("#retention_days")));
  EXPECT_THAT(agent, HasSubstr("#retention_days"));
  EXPECT_THAT(agent, Not(HasSubstr("\nspool:\n")));
  EXPECT_THAT(agent, Not(HasSubstr("\ncli:\n")));
}

// Into the ledger goes what somebody has set, and not more of it than has room.
TEST_F(Print, TheLedgerIsToldWhatDiffersFromTheDefaults) {
  LoadInput input = system("query.max_rows: 7\n");
  input.flags = {{"sinks", "[{name: a, type: file, path: /" + std::string(2'000, 'x') + "}]"}};
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded) << loaded.error().message();
  const std::string json = changed_settings_json(loaded->settings);
  EXPECT_THAT(json, HasSubstr("\"query.max_rows\":{\"value\":\"7\",\"where\":\"" + input.system_file + ":1:17\"}"));
  EXPECT_THAT(json, HasSubstr("\"sinks\":{\"value\":\"[{"));
  EXPECT_THAT(json, Not(HasSubstr("retention_days")));
  EXPECT_LT(json.size(), 700u);
}

// The file's name comes from whoever made it: it must neither end the comment nor play with the terminal.
TEST_F(Print, AHostileFileNameStaysInItsComment) {
  LoadInput input;
  input.explicit_file = file("a\nlog.level: debug\x1b[2J.yaml", "query.max_rows: 7\n");
  const auto loaded = load_agent(input);
  ASSERT_TRUE(loaded) << loaded.error().message();
  const std::string printed = print_config(loaded->settings, true);
  EXPECT_THAT(printed,
              HasSubstr("query.max_rows: 7  # given file: " + dir_ + "/a\\x0alog.level: debug\\x1b[2J.yaml:1:17\n"));
  LoadInput again;
  again.explicit_file = file("again.yaml", printed);
  const auto second = load_agent(again);
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_THAT(print_config(second->settings, false), HasSubstr("log.level: info\n"));
}

}  // namespace
}  // namespace de::config
