// A directory for configuration files, and what tests of loading have in common.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/config/config.h"

namespace de::config {

class ConfigFiles : public testing::Test {
 protected:
  ConfigFiles() {
    std::string pattern = testing::TempDir() + "de-config-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
  }
  ~ConfigFiles() override { std::filesystem::remove_all(dir_); }

  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0644);
    return path;
  }
  static std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  LoadInput system(const std::string& text) const {
    LoadInput input;
    input.system_file = file("system.yaml", text);
    return input;
  }
  std::string agent_error(const std::string& text) const {
    const auto loaded = load_agent(system(text));
    return loaded ? "loaded" : loaded.error().message();
  }
  static const Setting& setting(const std::vector<Setting>& settings, std::string_view path) {
    for (const Setting& one : settings)
      if (one.path == path) return one;
    ADD_FAILURE() << "no setting " << path;
    return settings.front();
  }

  std::string dir_;
};

}  // namespace de::config
