// Arguments are what the new image received: byte for byte, or cut with the length and a hash of the whole. The truth
// is what the executed program found in its own memory.
//
// DE_RACE_COUNT makes the race longer than 150 executions.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <iostream>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"
#include "watched_load.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kShownBytes = 65'536;      // SQL shows no more of them.
constexpr std::size_t kAlwaysKeptBytes = 8'192;  // However little room there is.

// The stack's limit decides how many arguments the kernel takes: a quarter of it, and at most 6 MiB.
class StackLimit {
 public:
  explicit StackLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_STACK, &before_);
    struct rlimit wanted = before_;
    wanted.rlim_cur = std::min(bytes, before_.rlim_max);
    is_set_ = ::setrlimit(RLIMIT_STACK, &wanted) == 0 && wanted.rlim_cur == bytes;
  }
  ~StackLimit() { ::setrlimit(RLIMIT_STACK, &before_); }
  StackLimit(const StackLimit&) = delete;
  StackLimit& operator=(const StackLimit&) = delete;
  bool is_set() const { return is_set_; }

 private:
  struct rlimit before_ {};
  bool is_set_ = false;
};

class Arguments : public WatchedLoad {
 protected:
  // The exec of everybody the generator started, by id. A pid alone may have had several owners.
  std::map<std::uint64_t, Row> execs_of(const Truth& truth) {
    const std::string from =
        " FROM processes.events WHERE ppid = " + std::to_string(truth.generator_pid) + " AND event_type = ";
    std::map<std::string, Row> execs;  // By process_uid.
    // In parts: an answer has at most 64 MB.
    const std::size_t parts = 1 + truth.processes.size() / 500;
    for (std::size_t part = 0; part < parts; ++part)
      for (Row& row :
           query_rows(host,
                      "SELECT process_uid, executable_path, hex(command_line) AS bytes, argc, "
                      "command_line_length, command_line_sha256" +
                          from + "'exec' AND boot_time_ns % " + std::to_string(parts) + " = " + std::to_string(part)))
        EXPECT_TRUE(execs.emplace(row["process_uid"], std::move(row)).second) << "an exec is told twice";
    std::multimap<std::uint64_t, Row> starts;  // By pid.
    for (Row& row : query_rows(
             host, "SELECT process_uid, pid, boot_time_ns, start_time_ms - boot_time AS started_ms" + from + "'start'"))
      starts.emplace(std::stoull(row["pid"]), std::move(row));
    std::map<std::uint64_t, Row> found;
    for (const auto& [id, one] : truth.processes)
      for (auto [at, end] = starts.equal_range(one.pid); at != end; ++at) {
        if (!is_start_of(one, at->second)) continue;
        const auto exec = execs.find(at->second.at("process_uid"));
        if (exec != execs.end()) found.emplace(id, exec->second);
      }
    return found;
  }
  std::map<std::uint64_t, Row> wait_for_execs_of(const Truth& truth) {
    std::map<std::uint64_t, Row> found;
    EXPECT_TRUE(eventually(
        [&] {
          found = execs_of(truth);
          return found.size() == truth.processes.size();
        },
        60s))
        << found.size() << " of " << truth.processes.size() << read_health(host).text << logs_of(host);
    return found;
  }
  void compare_all(const Truth& truth, const std::map<std::uint64_t, Row>& execs);
  std::size_t cut_ = 0;  // Of those compared last.
};

// What SQL shows of arguments that lie in memory with a NUL behind each: one space between two.
std::string as_shown(std::string bytes) {
  if (!bytes.empty()) bytes.pop_back();
  std::replace(bytes.begin(), bytes.end(), '\0', ' ');
  return bytes.substr(0, kShownBytes);
}

// True when all of it was shown and no argument has a space in it: then the hash of what was received can be compared.
bool is_unambiguous(const Row& exec, const std::string& shown) {
  return shown.size() + 1 == std::stoull(exec.at("command_line_length")) &&
         static_cast<std::uint64_t>(std::count(shown.begin(), shown.end(), ' ')) + 1 == std::stoull(exec.at("argc"));
}

std::string hash_of_received(std::string shown) {
  std::replace(shown.begin(), shown.end(), ' ', '\0');
  const crypto::Digest digest = crypto::sha256(shown);
  return to_hex(crypto::as_bytes(digest));
}

void Arguments::compare_all(const Truth& truth, const std::map<std::uint64_t, Row>& execs) {
  std::size_t cut = 0, hashed = 0;
  for (const auto& [id, one] : truth.processes) {
    const auto found = execs.find(id);
    if (found == execs.end()) continue;  // Has failed the test already.
    const Row& exec = found->second;
    const std::string about = one.label + ", id " + std::to_string(id);
    const std::string shown = from_hex(exec.at("bytes"));
    // The truth has the first 4096 bytes; the rest by its length and its hash.
    const bool told_whole = one.argv_start.size() == one.argv_bytes;
    const std::string start = told_whole ? as_shown(one.argv_start) : as_shown(one.argv_start + '\0');
    EXPECT_EQ(to_hex(shown.substr(0, start.size())), to_hex(start)) << about;
    EXPECT_EQ(exec.at("command_line_length"), std::to_string(one.argv_bytes)) << about;
    if (exec.at("command_line_sha256").empty()) {
      EXPECT_EQ(exec.at("argc"), std::to_string(one.argc)) << about << ": cut, and nobody says so";
      EXPECT_EQ(shown.size(), std::min<std::uint64_t>(one.argv_bytes - 1, kShownBytes)) << about;
    } else {
      ++cut;
      EXPECT_GE(shown.size() + 1, kAlwaysKeptBytes) << about;
      // The hash is that of what was received, and when all of that is shown, it can be compared.
      if (shown.size() < kShownBytes) {
        EXPECT_EQ(exec.at("command_line_sha256"), hash_of_received(shown)) << about;
      }
      continue;
    }
    if (!is_unambiguous(exec, shown)) continue;
    EXPECT_EQ(hash_of_received(shown + ' '), one.argv_sha256) << about;
    ++hashed;
  }
  cut_ = cut;
  std::cout << truth.processes.size() << " executions, " << hashed << " compared by hash, " << cut << " cut\n";
}

TEST_F(Arguments, AreThereByteForByteUpToWhatTheKernelTakes) {
  START_OR_SKIP({"--set", "events.buffer_mb=16"});
  const Truth truth = run_load(truth_path(), {"argv"});
  ASSERT_GE(truth.processes.size(), 40U);
  compare_all(truth, wait_for_execs_of(truth));
  EXPECT_LE(cut_, 1U) << "only too many arguments, or too long ones, are cut when there is room";
}

// With a large stack, arguments may be longer than what is kept of them, and than all the room there is for events.
// That must not be a way to be executed unseen.
TEST_F(Arguments, WhatIsCutSaysHowLongItWas) {
  START_OR_SKIP();
  Truth truth;
  {
    const StackLimit large(rlim_t{64} << 20);
    if (!large.is_set()) GTEST_SKIP() << "the stack's limit cannot be raised";
    truth = run_load(truth_path(), {"argv"});
  }
  const auto largest =
      std::max_element(truth.processes.begin(), truth.processes.end(),
                       [](const auto& a, const auto& b) { return a.second.argv_bytes < b.second.argv_bytes; });
  ASSERT_GT(largest->second.argv_bytes, 5'000'000U);
  const auto execs = wait_for_execs_of(truth);
  compare_all(truth, execs);
  ASSERT_TRUE(execs.contains(largest->first));
  EXPECT_FALSE(execs.at(largest->first).at("command_line_sha256").empty()) << "more than 2 MiB are kept?";
}

// While another thread rewrites them: what counts is not what the caller's memory held before, during or after.
TEST_F(Arguments, OfARaceAreThoseTheNewImageReceived) {
  START_OR_SKIP();
  const Truth truth =
      run_load(truth_path(), {"race", "--count", size_from("DE_RACE_COUNT", "150"), "--argv-bytes", "16000"});
  std::cout << truth.summary;
  const auto execs = wait_for_execs_of(truth);
  compare_all(truth, execs);
  std::size_t second_path = 0;
  for (const auto& [id, one] : truth.processes) {
    const auto found = execs.find(id);
    if (found == execs.end()) continue;
    EXPECT_EQ(found->second.at("executable_path"), one.exe_link) << id;
    if (one.exe_link.ends_with("-b")) ++second_path;
  }
  std::cout << second_path << " of them executed the second path" << std::endl;
}

}  // namespace
}  // namespace de::system_test
