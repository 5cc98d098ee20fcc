#include "tree_table.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "start.h"

namespace de::load {
namespace {

bool chance(std::mt19937_64& random, unsigned one_in) { return random() % one_in == 0; }

void wait_for_orphanhood(const TreeTable& table, const TreeNode& me) {
  const pid_t creator = table.nodes[me.creator].pid;
  const struct timespec nap {
    0, 100'000
  };
  while (::getppid() == creator) ::nanosleep(&nap, nullptr);
}

// The generator anew, at the same place of the same tree.
void execute_self(const TreeTable& table, int table_fd, std::uint32_t node) {
  std::vector<std::string> words{table.self.data(), "actor", "tree-node", std::to_string(table_fd),
                                 std::to_string(node)};
  const Strings arguments(words);
  ::execv(table.self.data(), arguments.data());
}

void execute_child(const TreeTable& table, std::uint32_t node) {
  const TreeNode& me = table.nodes[node];
  const std::string nonce =
      "de-load-" + std::string(table.run.data()) + "-" + std::to_string(table.first_id + node - 1);
  std::vector<std::string> words{table.child.data(), nonce, numbers(me.code, 0, 0, -1, static_cast<int>(me.execs) - 1)};
  std::vector<std::string> none;
  const Strings arguments(words), environment(none);
  ::execve(table.child.data(), arguments.data(), environment.data());
}

}  // namespace

void plan_tree(std::mt19937_64& random, unsigned max_nodes, TreeTable& table) {
  table.count = 1 + 1 + static_cast<std::uint32_t>(random() % std::max(1U, std::min(max_nodes, kMostNodes - 1)));
  table.nodes = {};
  table.nodes[0].waits = true;
  table.nodes[0].subreaper = true;
  for (std::uint32_t i = 1; i < table.count; ++i) {
    TreeNode& node = table.nodes[i];
    // Now and then the newest: chains are what gets lost, not breadth.
    node.creator = i == 1 ? 0 : chance(random, 2) ? i - 1 : 1 + static_cast<std::uint32_t>(random() % (i - 1));
    node.new_session = chance(random, 4);
    node.subreaper = chance(random, 6);
    node.executes_first = chance(random, 16);
    node.waits = node.subreaper || chance(random, 2);
    node.execs = chance(random, 5) ? 0 : 1 + static_cast<std::uint32_t>(chance(random, 3) ? random() % 4 : 0);
    // Who waits for a child cannot die before it.
    node.orphaned_first = !table.nodes[node.creator].waits && chance(random, 2);
    node.code = static_cast<int>(random() % 100);
  }
}

void fork_tree_node(TreeTable& table, int table_fd, std::uint32_t child) {
  TreeNode& node = table.nodes[child];
  node.forked_after_ns = boot_ns();
  const pid_t pid = ::fork();
  if (pid == 0) run_tree_node(table, table_fd, child, false);
  node.forked_before_ns = boot_ns();
  if (pid < 0) {
    node.error = errno;
  } else {
    node.pid = pid;
  }
}

void reap_all(TreeTable& table, std::uint32_t node) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return;
    for (std::uint32_t i = 1; i < table.count; ++i) {
      TreeNode& gone = table.nodes[i];
      // A number may come twice within a tree, but not while its first owner is not waited for.
      if (gone.pid != pid || gone.status != kNoStatus) continue;
      gone.status = status;
      gone.reaper = node;
      gone.reaped_ns = boot_ns();
      break;
    }
  }
}

void run_tree_node(TreeTable& table, int table_fd, std::uint32_t node, bool is_executed) {
  TreeNode& me = table.nodes[node];
  if (!is_executed) {
    me.pid = ::getpid();
    if (me.new_session) ::setsid();
    if (me.subreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (me.executes_first) {
      execute_self(table, table_fd, node);
      ::_exit(126);
    }
  }
  for (std::uint32_t i = node + 1; i < table.count; ++i) {
    if (table.nodes[i].creator == node) fork_tree_node(table, table_fd, i);
  }
  if (me.waits) reap_all(table, node);
  if (me.orphaned_first) wait_for_orphanhood(table, me);
  if (me.execs > 0) {
    execute_child(table, node);
    ::_exit(126);
  }
  ::_exit(me.code);
}

}  // namespace de::load
