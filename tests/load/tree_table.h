// One random tree of processes: what each of them is to do, and what became of it. The table lies in memory that all of
// them share, so each writes down what only it knows.
//
// Thread: one per process; a field has one writer at a time (comments say which).
#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "modes.h"

namespace de::load {

// How a process of a tree behaves. All of it is decided before the first one starts.
struct TreeNode {
  std::uint32_t creator = 0;    // Index of the node that forks it. Node 0 is the generator.
  bool new_session = false;     // setsid()
  bool subreaper = false;       // Orphans below it become its children.
  bool executes_first = false;  // The generator, before it forks its children.
  bool waits = false;           // For its children; else it ends, or executes, with them alive.
  bool orphaned_first = false;  // Executes only when its creator is dead.
  std::uint32_t execs = 0;      // Of load_child, at its end, one after the other. 0: ends without.
  int code = 0;

  // Results.
  pid_t pid = 0;                       // Creator and process itself; both write the same.
  std::uint64_t forked_after_ns = 0;   // Creator.
  std::uint64_t forked_before_ns = 0;  // Creator.
  int error = 0;                       // Creator.
  int status = kNoStatus;              // Whoever waited for it,
  std::uint32_t reaper = 0;            // this one,
  std::uint64_t reaped_ns = 0;         // then.
};

struct TreeTable {
  std::uint32_t count = 0;  // Nodes, the generator included.
  std::uint64_t first_id = 0;
  std::array<char, 16> run{};  // For the nonces.
  std::array<char, 512> child{}, self{};
  std::array<TreeNode, kMostNodes> nodes;
};

// The same tree for the same state of `random`, on every platform.
void plan_tree(std::mt19937_64& random, unsigned max_nodes, TreeTable& table);

// What node `node` does; the process ends in it.
[[noreturn]] void run_tree_node(TreeTable& table, int table_fd, std::uint32_t node, bool is_executed);
// Waits until there is nothing left to wait for, as node `node`.
void reap_all(TreeTable& table, std::uint32_t node);
// Forks node `child` out of node `node`.
void fork_tree_node(TreeTable& table, int table_fd, std::uint32_t child);

}  // namespace de::load
