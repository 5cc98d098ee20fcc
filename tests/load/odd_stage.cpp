#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "oddities.h"

namespace de::load {

Result<OddStage> OddStage::set_up(const Where& where, const OddOptions& options, Truth& truth) {
  std::string dir = "/tmp/de-load-odd-XXXXXX";
  // Another user must be able to execute what lies in it.
  if (::mkdtemp(dir.data()) == nullptr || ::chmod(dir.c_str(), 0755) != 0) {
    return fail(Errc::Io, "make a directory in /tmp", last_os_error());
  }
  return OddStage(where, options, truth, std::move(dir));
}

void OddStage::clear() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

int OddStage::some_ms() const { return std::max(options_.ms, 50); }

void OddStage::wait_until_it_runs(const Life& life) const {
  const std::string path = "/proc/" + std::to_string(life.pid) + "/stat";
  for (int i = 0; i < some_ms(); ++i) {
    std::ifstream file(path);
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    const std::size_t name_end = stat.rfind(')');
    if (name_end != stat.npos && stat.substr(name_end, 4) == ") S ") return;
    ::usleep(1000);
  }
}

std::string OddStage::copy(const std::string& name) const {
  std::error_code os;
  std::filesystem::copy_file(child(), path(name), std::filesystem::copy_options::overwrite_existing, os);
  return os ? "" : path(name);
}

bool OddStage::copy_child_to(int fd) const {
  const UniqueFd from(::open(child().c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!from || ::fstat(from.get(), &facts) != 0) return false;
  off_t at = 0;
  while (at < facts.st_size) {
    if (::sendfile(fd, from.get(), &at, static_cast<std::size_t>(facts.st_size - at)) <= 0) return false;
  }
  return true;
}

std::string OddStage::script(const std::string& name, const std::string& text) const {
  std::ofstream(path(name)) << text;
  return ::chmod(path(name).c_str(), 0755) == 0 ? path(name) : "";
}

void OddStage::spawned(const char* label, const std::function<Life(Row&)>& start, uid_t uid) {
  Row row;
  row.id = next_id_++;
  row.nonce = truth_->nonce(row.id);
  row.label = label;
  row.exe = child();
  row.expect_code = static_cast<int>(row.id % 100);
  Life life = start(row);
  if (life.error == EPERM || life.error == ENOSPC || life.error == ENOSYS) {
    truth_->skip(row.id, label, "the kernel does not permit it to us");
    return;
  }
  wait_for(life);
  copy_life(life, row);
  if (uid != static_cast<uid_t>(-1)) row.uid = uid;
  truth_->add(row);
}

void OddStage::skip(const char* label, const char* reason) { truth_->skip(next_id_++, label, reason); }

Life OddStage::run(const std::string& path, const Row& row, const std::string& what, const std::string& variable,
                   const std::string& argv0) const {
  std::vector<std::string> words{argv0.empty() ? path : argv0, row.nonce,
                                 what.empty() ? numbers(row.expect_code, options_.ms) : what};
  std::vector<std::string> variables;
  if (!variable.empty()) variables.push_back(variable);
  const Strings arguments(words), environment(variables);
  return spawn(path, arguments.data(), environment.data());
}

Life OddStage::run_descriptor(int fd, const Row& row) const {
  return fork_and([&] {
    std::vector<std::string> words{row.exe, row.nonce, numbers(row.expect_code, options_.ms)};
    std::vector<std::string> none;
    const Strings arguments(words), environment(none);
    ::execveat(fd, "", arguments.data(), environment.data(), AT_EMPTY_PATH);
  });
}

void OddStage::execute(const std::string& path, const Row& row) const {
  std::vector<std::string> words{path, row.nonce, numbers(row.expect_code, options_.ms)};
  std::vector<std::string> none;
  const Strings arguments(words), environment(none);
  ::execve(path.c_str(), arguments.data(), environment.data());
}

}  // namespace de::load
