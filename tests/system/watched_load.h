// A private instance that sees processes by kernel events, for tests that compare what it says with the truth of the
// load generator.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "health_report.h"
#include "truth.h"

namespace de::system_test {

// Sizes for people with more time: the value of an environment variable, or what is used without.
std::string size_from(const char* variable, const char* otherwise);
std::uint64_t number_from(const char* variable, std::uint64_t otherwise);

class WatchedLoad : public testing::Test {
 protected:
  // Skips the test where the kernel does not tell us about processes, and fails it where it should.
  void start(std::vector<std::string> procmond_flags = {});
  void start_agent(std::vector<std::string> more = {});
  void kill_agent();
  // Until everything that was numbered is stored or known to be lost.
  bool is_settled(std::uint64_t at_least);
  // What was seen once it has everything of the truth, or what there is after a while.
  Seen wait_for(const Truth& truth);
  std::string truth_path() const { return host.dir() + "/truth.jsonl"; }
  void expect_balanced_books();
  Host host;
};

// Is this start that of the process, and not of another owner of its pid? When a scan was faster than the kernel's
// event, it tells the start, as exactly as /proc does: in hundredths of a second.
bool is_start_of(const TrueProcess& truth, const Row& start);
// One process: who, from whom, when, and how it ended.
void compare(const TrueProcess& truth, const Row& exec, const Seen& seen);

}  // namespace de::system_test
