// What `daemoneye-cli health` says, in a form that tests can ask.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemons.h"

namespace de::system_test {

struct HealthLine {
  std::string status;
  std::string detail;
};

struct HealthReport {
  int exit_code = -1;
  std::multimap<std::string, HealthLine> lines;  // By component; several with the same name are possible.
  std::string text;

  // Empty when there is no such line.
  std::string detail(const std::string& component) const;
  std::string status(const std::string& component) const;
  // The number in front of `word` in the detail: number("store", "events") of "7 scans, 12 events" is 12.
  std::optional<std::uint64_t> number(const std::string& component, const std::string& word) const;
  // Events in gaps that arrived since the agent started.
  std::optional<std::uint64_t> lost_events() const;
  // What procmond's last heartbeat said; 0 when there was none.
  std::uint64_t counter(const std::string& name) const;
};

HealthReport read_health(Host& host);

// What is acknowledged is stored or known to be lost, no more and no less; of a store that has seen one spool only.
// Asking makes events itself, so that the agent's own numbers are compared, which belong to one moment.
bool is_exact(const HealthReport& health);

// `start` of the fixture, which skips where the kernel does not let us look.
#define START_OR_SKIP(...)                     \
  ASSERT_NO_FATAL_FAILURE(start(__VA_ARGS__)); \
  if (IsSkipped()) return

// The agent is in SteadyState and the procmond this test started last is connected.
bool is_running_steadily(Host& host);

// Rows of CSV without quoting: the header first.
std::vector<std::vector<std::string>> read_csv(const std::string& text);

// How many lines of `text` contain `part`.
std::size_t count_lines(const std::string& text, const std::string& part);

// For the message of an assertion.
std::string logs_of(const Host& host);

// A rule that matches what runs below the host's demo directory, one alert for each process.
std::string rule_for_demos(const Host& host, const std::string& id = "run-from-demo");

// The names of the processes that have an alert of `rule_for_demos`, one entry for each alert.
std::vector<std::string> alerted_names(Host& host, const std::string& rule = "run-from-demo");

}  // namespace de::system_test
