// What the load generator says it did, and what the monitor says it saw: two tables that tests compare.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
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
  std::string file;                   // What is executed by it, when that has another path.
  std::uint64_t forked_after_ns = 0;  // CLOCK_BOOTTIME.
  std::uint64_t forked_before_ns = 0;
  int status = 0;                    // As wait(2) told it.
  std::vector<std::uint64_t> chain;  // Ids of those it descends from, parent first; 0 is the generator.
  // What the program itself found in its memory, where it was asked.
  std::uint64_t argc = 0;
  std::uint64_t argv_bytes = 0;  // Of the arguments with their NULs.
  std::string argv_sha256;       // Of all of them, in hexadecimal digits.
  std::string argv_start;        // The first 4096 bytes.
  std::string exe_link;          // What /proc/self/exe said.
};

struct Truth {
  std::uint32_t generator_pid = 0;
  std::map<std::uint64_t, TrueProcess> processes;  // By id.
  std::string summary;                             // The generator's own line.
};

// The generator at work, beside the test.
class Load {
 public:
  Load(std::string truth_path, std::vector<std::string> arguments);
  // Waits for its end. Fails the test when not everything went as planned.
  Truth finish();

 private:
  std::string truth_path_;
  Background generator_;
};
// The same to its end at once.
Truth run_load(const std::string& truth_path, std::vector<std::string> arguments);

// The bytes that hex() of SQL wrote.
std::string from_hex(std::string_view digits);

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
