// What the generator can do; one function per mode, one file each. All of them write every process they start into the
// truth, wait for each of them, and leave nothing behind.
//
// Thread: main.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "truth.h"

namespace de::load {

struct Where {
  std::string child;  // load_child
  std::string self;   // The generator, for modes that need a process with threads or forks of its own.
};

struct StormOptions {
  std::uint64_t count = 1000;
  double rate = 0;  // Processes a second, over all workers; 0: as many as there can be.
  unsigned workers = 2;
  std::uint64_t argv_bytes = 0;  // Further bytes of arguments, besides program, nonce and exit code.
  std::uint64_t hits = 0;        // Of `count`, evenly spread, with a label and "-hit" in the nonce.
  int hit_ms = 0;                // How long a hit lives.
};
struct StormSpeed {
  double seconds = 0;
  double cpu_us_each = 0;  // Of the generator and its children, kernel included.
};
StormSpeed storm(const Where& where, const StormOptions& options, Truth& truth);

struct TreesOptions {
  std::uint64_t count = 100;
  std::uint64_t seed = 1;
  unsigned max_nodes = 12;
};
inline constexpr unsigned kMostNodes = 64;
Result<> trees(const Where& where, const TreesOptions& options, Truth& truth);

Result<> argv(const Where& where, Truth& truth);

struct RaceOptions {
  std::uint64_t count = 1000;
  std::uint64_t argv_bytes = 16'384;
};
struct RaceCounts {
  std::uint64_t torn = 0;  // Executions that received a mixture of both texts: the race was on.
  std::uint64_t mute = 0;  // No report came back.
};
Result<RaceCounts> race(const Where& where, const RaceOptions& options, Truth& truth);

struct OddOptions {
  int ms = 0;  // How long the odd ones live.
};
Result<> oddities(const Where& where, const OddOptions& options, Truth& truth);

// `load actor ...`: the parts that need to be a program executed with arguments of its own. Returns the exit code.
int act(const std::vector<std::string>& arguments);
int act_tree_node(int table_fd, std::uint32_t node);

}  // namespace de::load
