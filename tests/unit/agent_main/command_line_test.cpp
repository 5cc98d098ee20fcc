#include "daemon/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace de::daemon {
namespace {

using testing::HasSubstr;

struct Parsed {
  std::optional<int> exit_code;
  Flags flags;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "daemoneye-agent");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  Parsed parsed;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  parsed.exit_code = parse_flags(static_cast<int>(arguments.size()), argv.data(), parsed.flags);
  parsed.out = testing::internal::GetCapturedStdout();
  parsed.err = testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(CommandLine, NothingIsADaemonWithItsConfiguration) {
  const Parsed parsed = parse({});
  EXPECT_EQ(parsed.exit_code, std::nullopt);
  EXPECT_TRUE(parsed.flags.settings.empty());
  EXPECT_FALSE(parsed.flags.check_config || parsed.flags.print_config || parsed.flags.replay);
  EXPECT_EQ(parsed.out + parsed.err, "");
}

TEST(CommandLine, EveryFlagReachesItsPlace) {
  const Parsed parsed =
      parse({"--foreground", "--state-dir=/tmp/s", "--config", "/tmp/c.yaml", "--check-config", "--print-config"});
  EXPECT_EQ(parsed.exit_code, std::nullopt);
  EXPECT_TRUE(parsed.flags.check_config && parsed.flags.print_config);
  EXPECT_EQ(parsed.flags.config_file, "/tmp/c.yaml");
  EXPECT_EQ(parsed.flags.settings, (std::map<std::string, std::string>{{"state_dir", "/tmp/s"}}));
}

TEST(CommandLine, SetTakesKeysAndValuesAndTheLastOneWins) {
  const Parsed parsed = parse({"--set", "a.b=1", "--set", "text=x=y z", "--set", "flag", "--set", "a.b=2", "--set",
                               "empty=", "--state-dir", "/one", "--set", "state_dir=/two"});
  EXPECT_EQ(parsed.exit_code, std::nullopt);
  EXPECT_EQ(parsed.flags.settings,
            (std::map<std::string, std::string>{
                {"a.b", "2"}, {"text", "x=y z"}, {"flag", "true"}, {"empty", ""}, {"state_dir", "/two"}}));
}

TEST(CommandLine, HelpAndVersionEndWithSuccessOnStandardOutput) {
  const Parsed help = parse({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* flag : {"--foreground", "--state-dir", "--config", "--set", "--check-config", "--print-config"})
    EXPECT_THAT(help.out, HasSubstr(flag));
  const Parsed version = parse({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out, "daemoneye-agent " DE_VERSION "\n");
}

class WrongUse : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(WrongUse, EndsWithTwoAndSaysWhyOnStandardError) {
  const Parsed parsed = parse(GetParam());
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.out, "");
  EXPECT_THAT(parsed.err, HasSubstr(GetParam().front()));
}

INSTANTIATE_TEST_SUITE_P(CommandLine, WrongUse,
                         testing::Values(std::vector<std::string>{"--onec"}, std::vector<std::string>{"-x"},
                                         std::vector<std::string>{"start"}, std::vector<std::string>{"--state-dir"},
                                         std::vector<std::string>{"--set"}, std::vector<std::string>{"--once"},
                                         std::vector<std::string>{"--config", "a", "--config", "b"}));

}  // namespace
}  // namespace de::daemon
