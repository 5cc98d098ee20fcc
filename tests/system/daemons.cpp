#include "daemons.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace de::system_test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

std::vector<char*> to_argv(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// The daemons are not dumpable, and LeakSanitizer needs to trace its own process.
void set_up_environment() {
  ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  ::setenv("NO_COLOR", "1", 1);
}

int decode(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string program(const std::string& name) { return std::string(DE_BIN_DIR) + "/" + name; }

Ran run(const std::vector<std::string>& argv, const std::string& input) {
  set_up_environment();
  char dir[] = "/tmp/de-run.XXXXXX";
  if (::mkdtemp(dir) == nullptr) return {};
  const std::string base = dir;
  std::ofstream(base + "/in", std::ios::binary) << input;
  Ran ran;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::open((base + "/in").c_str(), O_RDONLY), 0);
    ::dup2(::open((base + "/out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open((base + "/err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
    std::vector<std::string> words = argv;
    std::vector<char*> raw = to_argv(words);
    ::execv(raw[0], raw.data());
    ::_exit(127);
  }
  int status = 0;
  if (!eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, 60s)) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
  }
  ran.exit_code = decode(status);
  ran.out = read_all(base + "/out");
  ran.err = read_all(base + "/err");
  fs::remove_all(base);
  return ran;
}

Background::Background(std::vector<std::string> argv, const std::string& log_path) {
  set_up_environment();
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(log, 1);
  ::dup2(log, 2);
  std::vector<char*> raw = to_argv(argv);
  ::execv(raw[0], raw.data());
  ::_exit(127);
}

Background& Background::operator=(Background&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

Background::~Background() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Background::is_running() const {
  siginfo_t ended{};
  return pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         ended.si_pid == 0;
}

void Background::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Background::wait(std::chrono::milliseconds limit) {
  int status = 0;
  if (pid_ <= 0 || !eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) return -1;
  pid_ = -1;
  return decode(status);
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (auto pause = 1ms;; pause = std::min(pause * 2, 100ms)) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
}

Host::Host() {
  char state[] = "/tmp/de-test.XXXXXX";
  dir_ = ::mkdtemp(state);
  char demo[] = "/tmp/de-demo.XXXXXX";
  demo_dir_ = ::mkdtemp(demo);
  ::chmod(demo_dir_.c_str(), 0755);
  ::chmod(dir_.c_str(), 0711);
  fs::create_directory(dir_ + "/rules.d");
  ::chmod((dir_ + "/rules.d").c_str(), 0755);
}

Host::~Host() {
  demos_.clear();
  procmond = Background();
  agent = Background();
  fs::remove_all(dir_);
  fs::remove_all(demo_dir_);
}

void Host::start_agent(std::vector<std::string> more) {
  std::vector<std::string> argv = {program("daemoneye-agent"), "--foreground", "--state-dir", dir_, "--set",
                                   "scan_interval_ms=1000"};
  argv.insert(argv.end(), more.begin(), more.end());
  agent = Background(std::move(argv), demo_dir_ + "/agent.log");
}

void Host::start_procmond(std::vector<std::string> more) {
  // A build with sanitizers takes several times as long: what that leaves out is no business of most tests.
  std::vector<std::string> argv = {
      program("procmond"), "--state-dir", dir_, "--broker", dir_ + "/broker.sock", "--set", "events.max_cpu_percent=0"};
  argv.insert(argv.end(), more.begin(), more.end());
  procmond = Background(std::move(argv), demo_dir_ + "/procmond.log");
}

Ran Host::cli(std::vector<std::string> arguments, const std::string& input) {
  std::vector<std::string> argv = {program("daemoneye-cli"), "--state-dir", dir_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(argv, input);
}

bool Host::is_steady() {
  return eventually([&] { return cli({"query", "SELECT count(*) FROM processes"}).exit_code == 0; });
}

pid_t Host::run_from_tmp(const std::string& name) {
  const std::string path = demo_dir_ + "/" + name;
  fs::copy_file("/bin/sleep", path, fs::copy_options::overwrite_existing);
  ::chmod(path.c_str(), 0755);
  demos_.emplace_back(std::vector<std::string>{path, "600"}, "/dev/null");
  return demos_.back().pid();
}

void Host::write_rule(const std::string& file, const std::string& text) {
  const std::string path = dir_ + "/rules.d/" + file;
  std::ofstream(path + ".new") << text;
  ::chmod((path + ".new").c_str(), 0644);
  fs::rename(path + ".new", path);
}

std::string Host::log(const std::string& name) const { return read_all(demo_dir_ + "/" + name + ".log"); }

}  // namespace de::system_test
