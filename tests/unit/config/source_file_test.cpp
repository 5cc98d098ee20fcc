#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config_fixture.h"

namespace de::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class SourceFile : public ConfigFiles {
 protected:
  LoadInput usual() const {
    LoadInput input;
    input.system_file = dir_ + "/config.yaml";
    return input;
  }
};

TEST_F(SourceFile, TomlSaysTheSameAsYaml) {
  LoadInput input;
  input.explicit_file = file("own.toml",
                             "scan_interval_ms = 5000\nlog.level = \"warn\"\nrules.dirs = [\"/a\", \"/b\"]\n"
                             "[control]\nread_only = true\n"
                             "[[sinks]]\nname = \"s\"\ntype = \"file\"\npath = \"/x\"\n");
  const auto toml = load_agent(input);
  ASSERT_TRUE(toml) << toml.error().message();
  input.explicit_file = file("own.yaml",
                             "scan_interval_ms: 5000\nlog.level: warn\nrules.dirs: [/a, /b]\ncontrol:\n"
                             "  read_only: true\nsinks: [{name: s, type: file, path: /x}]\n");
  EXPECT_EQ(print_config(toml->settings, false), print_config(load_agent(input)->settings, false));
  EXPECT_EQ(setting(toml->settings, "control.read_only").where, dir_ + "/own.toml:5:13");
}

TEST_F(SourceFile, TomlIsCheckedLikeYaml) {
  LoadInput input;
  input.explicit_file = file("own.toml", "[log]\nlevle = \"info\"\n");
  EXPECT_EQ(load_agent(input).error().message(),
            dir_ + "/own.toml:2:1: unknown key \"log.levle\" (did you mean \"log.level\"?)");
  input.explicit_file = file("own.toml", "scan_interval_ms = 5\n");
  EXPECT_EQ(load_agent(input).error().message(),
            dir_ + "/own.toml:1:20: scan_interval_ms: \"5\" is out of range: 1000 to 3600000");
  input.explicit_file = file("own.toml", "scan_interval_ms = \"5000\"\n");
  EXPECT_THAT(load_agent(input).error().message(), HasSubstr("expected a whole number"));
  input.explicit_file = file("own.toml", "scan_interval_ms = 5000\nscan_interval_ms: 5000\n");
  EXPECT_THAT(load_agent(input).error().message(), StartsWith(dir_ + "/own.toml:2:"));
}

TEST_F(SourceFile, AnotherEndingTakesTheUsualPlace) {
  file("config.toml", "scan_interval_ms = 5000\n");
  const auto loaded = load_agent(usual());
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->value.scan_interval_ms, 5000U);
  EXPECT_EQ(setting(loaded->settings, "scan_interval_ms").where, dir_ + "/config.toml:1:20");
  std::filesystem::remove(dir_ + "/config.toml");
  file("config.json", "{\"scan_interval_ms\": 6000}");
  EXPECT_EQ(load_agent(usual())->value.scan_interval_ms, 6000U);
}

TEST_F(SourceFile, TwoInOnePlaceAreRefusedByName) {
  file("config.yaml", "");
  for (const char* other : {"config.toml", "config.json", "config.yml"}) {
    file(other, "");
    const auto loaded = load_agent(usual());
    ASSERT_FALSE(loaded) << other;
    EXPECT_THAT(loaded.error().message(), HasSubstr(dir_ + "/config.yaml"));
    EXPECT_THAT(loaded.error().message(), HasSubstr(dir_ + "/" + other));
    EXPECT_THAT(loaded.error().message(), HasSubstr("keep one"));
    std::filesystem::remove(dir_ + "/" + other);
  }
  EXPECT_TRUE(load_agent(usual()));
  // A file that was named is meant, whatever lies beside it.
  file("config.toml", "");
  LoadInput named;
  named.explicit_file = dir_ + "/config.yaml";
  EXPECT_TRUE(load_agent(named));
}

// As an account that is not root: what root would refuse to start with must not come in by reading again.
TEST_F(SourceFile, WhatRootStartedTrustsOnlyRootAfterwards) {
  LoadInput input = system("scan_interval_ms: 1000\n");
  input.for_root = true;
  ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(input.system_file.c_str(), 0666), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(64123) != 0) ::_exit(3);
    const auto trusted = load_procmond(input);
    input.for_root = false;
    const auto own = load_procmond(input);
    ::_exit(!trusted && trusted.error().code() == Errc::Denied && own ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace de::config
