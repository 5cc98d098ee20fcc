#include "replay/private_agent.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "daemoneye/base/text.h"
#include "daemoneye/base/unique_fd.h"

namespace de::replay {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kStartLimit = 60s;  // Thousands of rules take seconds.
constexpr auto kStopLimit = 10s;
constexpr auto kLook = 10ms;
constexpr mode_t kPassable = 0711;  // The agent of root runs under another account.

Result<std::string> find_program() {
  std::error_code ec;
  const fs::path beside = fs::read_symlink("/proc/self/exe", ec).parent_path();
  for (const char* place : {"daemoneye-agent", "../sbin/daemoneye-agent"}) {
    const std::string path = (beside / place).lexically_normal().string();
    if (!beside.empty() && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return fail(Errc::NotFound,
              "there is no daemoneye-agent beside this program or in ../sbin: install it, for what is "
              "replayed goes through the agent");
}

Result<std::string> make_directory_of_our_own() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base == nullptr || *base == '\0' ? "/tmp" : base) + "/daemoneye-replay-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    return fail(Errc::Io, "make " + name, std::error_code(errno, std::generic_category()));
  return name;
}

Result<> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file || ::chmod(path.c_str(), 0644) != 0) return fail(Errc::Io, "write " + path);
  return {};
}

bool listens(const std::string& socket) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!fd || socket.size() >= sizeof address.sun_path) return false;
  socket.copy(address.sun_path, socket.size());
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// As far as an agent may go: it has nobody to protect but itself.
std::string settings(const std::string& rules_dir) {
  return "rules: {dirs: [" + json_string(rules_dir) +
         "], timeout_ms: 60000, memory_mb: 1024, max_rows: 100000}\ndatabase: {retention_days: 3650}\nquery: "
         "{timeout_ms: 600000, memory_mb: 1024, max_rows: 10000000}\n";
}

}  // namespace

Result<std::unique_ptr<PrivateAgent>> PrivateAgent::start(const std::vector<RuleFile>& rules) {
  DE_TRY(program, find_program());
  DE_TRY(dir, make_directory_of_our_own());
  std::unique_ptr<PrivateAgent> agent(new PrivateAgent(dir));
  DE_CHECK(agent->lay_out(rules));
  DE_CHECK(agent->spawn(program));
  DE_CHECK(agent->wait_until_it_listens());
  return agent;
}

Result<> PrivateAgent::lay_out(const std::vector<RuleFile>& rules) const {
  const std::string rules_dir = dir_ + "/rules";
  if (::chmod(dir_.c_str(), kPassable) != 0 || ::mkdir(rules_dir.c_str(), 0755) != 0 ||
      ::chmod(rules_dir.c_str(), 0755) != 0)
    return fail(Errc::Io, "make " + rules_dir, std::error_code(errno, std::generic_category()));
  for (const RuleFile& rule : rules) DE_CHECK(write_file(rules_dir + "/" + rule.name, rule.text));
  return write_file(dir_ + "/config.yaml", settings(rules_dir));
}

Result<> PrivateAgent::spawn(const std::string& program) {
  std::array<std::string, 6> words = {program,         "--replay", "--state-dir",
                                      dir_ + "/state", "--config", dir_ + "/config.yaml"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Nothing of ours: a variable could be a setting.
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::array<char*, 2> environment = {path, nullptr};
  const std::string log = dir_ + "/agent.log";
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  const int code = ::posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  if (code == 0) return {};
  pid_ = -1;
  return fail(Errc::Io, "run " + program, std::error_code(code, std::generic_category()));
}

bool PrivateAgent::has_ended() {
  if (pid_ < 0) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return false;
  pid_ = -1;
  return true;
}

// The control socket is made last.
Result<> PrivateAgent::wait_until_it_listens() {
  const auto until = std::chrono::steady_clock::now() + kStartLimit;
  while (!listens(control_socket())) {
    if (has_ended()) return fail(Errc::Invalid, "the agent ended: " + last_words());
    if (std::chrono::steady_clock::now() > until)
      return fail(Errc::Timeout, "the agent does not start: " + last_words());
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

std::string PrivateAgent::last_words() const {
  std::ifstream file(dir_ + "/agent.log");
  std::string last;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) last = line;
  return last.empty() ? "it said nothing" : escape_controls(last).substr(0, 1024);
}

PrivateAgent::~PrivateAgent() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + kStopLimit;
  while (!has_ended() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kLook);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  std::error_code ec;
  fs::remove_all(dir_, ec);  // What cannot be removed is in the system's directory for such things.
}

}  // namespace de::replay
