#include <gmock/gmock.h>

#include <filesystem>

#include "daemon/agent.h"

namespace de::daemon {
namespace {

TEST(WatchedFiles, AreSettingsOurProgramsAndThoseOfCollectors) {
  config::AgentConfig config;
  config.collectors.resize(2);
  config.collectors[0].path = "/opt/other/netmond";
  config.collectors[1].path = "";  // Somebody else starts it.
  config::LoadInput input;
  input.explicit_file = "/etc/other/settings.yaml";
  const std::vector<std::string> files = watched_files(config, input);
  const std::string bin = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  EXPECT_THAT(files, testing::IsSupersetOf({input.explicit_file, bin + "/daemoneye-agent", bin + "/procmond",
                                            bin + "/daemoneye-cli", config.collectors[0].path}));
  EXPECT_THAT(files, testing::Not(testing::Contains("")));
}

}  // namespace
}  // namespace de::daemon
