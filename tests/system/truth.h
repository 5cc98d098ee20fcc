// What the load generator says it did, and what the monitor says it saw: two tables that tests compare.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemons.h"

namespace de::system_test {

// One process as the generator knows it.
struct TrueProcess {
  std::uint64_t id = 0;
  std::uint32_t pid = 0;
  std::uint32_t ppid = 0;
  std::uint32_t uid = 0;
  std::string nonce;  // Among its arguments; empty when it executed nothing.
  std::string label;
  std::string exe;
  std::uint64_t forked_after_ns = 0;  // CLOCK_BOOTTIME.
  std::uint64_t forked_before_ns = 0;
  int status = 0;                    // As wait(2) told it.
  std::vector<std::uint64_t> chain;  // Ids of those it descends from, parent first; 0 is the generator.
};

struct Truth {
  std::uint32_t generator_pid = 0;
  std::map<std::uint64_t, TrueProcess> processes;  // By id.
  std::string summary;                             // The generator's own line.
};

// Runs the generator to its end. Fails the test when not everything went as planned.
Truth run_load(const std::string& truth_path, std::vector<std::string> arguments);

// Rows of a query by column name.
using Row = std::map<std::string, std::string>;
std::vector<Row> query_rows(Host& host, const std::string& sql);

// Every process event since the given time, by type: what concerns one process has its process_uid.
struct Seen {
  std::multimap<std::string, Row> execs;   // By nonce.
  std::multimap<std::string, Row> starts;  // By process_uid.
  std::multimap<std::string, Row> exits;
};
Seen read_seen(Host& host);

}  // namespace de::system_test
