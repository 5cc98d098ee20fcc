// The real programs on a private state directory, for tests that treat them as a user would.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace de::system_test {

struct Ran {
  int exit_code = -1;  // 128 + signal when it was killed.
  std::string out;
  std::string err;
};

// Runs a program to its end, at most 60 s.
Ran run(const std::vector<std::string>& argv, const std::string& input = {});

std::string program(const std::string& name);

// One process in the background; killed at the end of the test if it still runs.
class Background {
 public:
  Background() = default;
  Background(std::vector<std::string> argv, const std::string& log_path);
  Background(Background&& other) noexcept : pid_(other.pid_) { other.pid_ = -1; }
  Background& operator=(Background&& other) noexcept;
  ~Background();

  pid_t pid() const { return pid_; }
  bool is_running() const;
  void signal(int number) const;
  // Its exit code; -1 when it did not end in time.
  int wait(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::milliseconds(30'000));

class Host {
 public:
  Host();
  ~Host();

  void start_agent(std::vector<std::string> more = {});
  void start_procmond(std::vector<std::string> more = {});
  bool is_steady();
  Ran cli(std::vector<std::string> arguments, const std::string& input = {});
  // A copy of /bin/sleep in demo_dir(), running; it ends with the host.
  pid_t run_from_tmp(const std::string& name);
  void write_rule(const std::string& file, const std::string& text);
  std::string log(const std::string& name) const;

  const std::string& dir() const { return dir_; }
  // Below /tmp, of this host alone: tests run side by side and see each other's processes.
  const std::string& demo_dir() const { return demo_dir_; }
  Background agent;
  Background procmond;

 private:
  std::string dir_;
  std::string demo_dir_;
  std::vector<Background> demos_;
};

}  // namespace de::system_test
