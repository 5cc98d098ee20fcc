// Runs whole command lines in a directory of their own and keeps what they wrote.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "console/run.h"
#include "daemoneye/base/unique_fd.h"

namespace de::console {

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

class Run : public testing::Test {
 protected:
  Run() {
    std::string pattern = testing::TempDir() + "de-console-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    socket_ = dir_ + "/control.sock";
  }
  ~Run() override { std::filesystem::remove_all(dir_); }

  std::string file(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0644);
    return path;
  }
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  // Runs with an empty environment and the private instance in dir_.
  Outcome run_with(std::vector<const char*> arguments, const std::string& input = "") {
    const std::string empty = file("config.yaml", "");
    std::vector<const char*> all{"--state-dir", dir_.c_str(), "--config", empty.c_str()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_plain(all, input);
  }
  Outcome run_plain(const std::vector<const char*>& arguments, const std::string& input = "") {
    return run_in(arguments, {"TERM=xterm", nullptr}, input);
  }
  // `env` ends in a null pointer.
  Outcome run_in(const std::vector<const char*>& arguments, const std::vector<const char*>& env,
                 const std::string& input = "") {
    const UniqueFd in(::open(file("in", input).c_str(), O_RDONLY));
    const UniqueFd out(::open((dir_ + "/out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    const UniqueFd err(::open((dir_ + "/err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    const ExitCode code = run(arguments, env.data(), {in.get(), out.get(), err.get()}, own_identity());
    return {code, read(dir_ + "/out"), read(dir_ + "/err")};
  }

  std::string dir_;
  std::string socket_;
};

}  // namespace de::console
