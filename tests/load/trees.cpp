// Random trees of processes, one after the other. The truth is who forked whom, which no process can change later, as
// opposed to who is whose parent.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "modes.h"
#include "start.h"
#include "tree_table.h"

namespace de::load {
namespace {

// Descriptors and mapping are inherited; the descriptor also by what is executed.
Result<TreeTable*> map_table(int fd) {
  void* memory = ::mmap(nullptr, sizeof(TreeTable), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return fail(Errc::Io, "map the table", last_os_error());
  return static_cast<TreeTable*>(memory);
}

template <std::size_t N>
Result<> copy_path(const std::string& from, std::array<char, N>& to) {
  if (from.size() >= N) return fail(Errc::TooLarge, from + " is too long a path");
  std::memcpy(to.data(), from.c_str(), from.size() + 1);
  return {};
}

// "ID,ID,...,0": its creator, the creator's creator, up to the generator.
std::string chain_of(const TreeTable& table, std::uint32_t node) {
  std::string out;
  while (node != 0) {
    node = table.nodes[node].creator;
    out += node == 0 ? "0" : std::to_string(table.first_id + node - 1) + ",";
  }
  return out;
}

std::string traits_of(const TreeNode& node) {
  std::string out;
  if (node.new_session) out += " session";
  if (node.subreaper) out += " subreaper";
  if (node.executes_first) out += " executes-first";
  if (node.waits) out += " waits";
  if (node.orphaned_first) out += " orphaned-before-exec";
  return out.empty() ? out : out.substr(1);
}

void write_tree(const TreeTable& table, const std::string& self, Truth& truth) {
  for (std::uint32_t i = 1; i < table.count; ++i) {
    const TreeNode& node = table.nodes[i];
    const bool is_first = node.creator == 0;
    Row row;
    row.id = table.first_id + i - 1;
    row.creator = is_first ? 0 : table.first_id + node.creator - 1;
    if (node.execs > 0) row.nonce = truth.nonce(row.id);
    row.label = traits_of(node);
    row.execs = static_cast<int>(node.execs) + (node.executes_first ? 1 : 0);
    row.exe = node.execs > 0 ? std::string(table.child.data()) : node.executes_first ? self : "";
    row.pid = node.pid;
    row.ppid = is_first ? ::getpid() : table.nodes[node.creator].pid;
    row.uid = ::getuid();
    row.forked_after_ns = node.forked_after_ns;
    row.forked_before_ns = node.forked_before_ns;
    row.reaped_ns = node.reaped_ns;
    row.expect_code = node.code;
    row.status = node.status;
    row.error = node.error;
    if (row.pid == 0 && row.error == 0) row.error = ECANCELED;  // Its creator was not started.
    row.more =
        member("chain", chain_of(table, i)) + member("reaper", node.reaper == 0 ? 0 : table.first_id + node.reaper - 1);
    truth.add(row);
  }
}

}  // namespace

Result<> trees(const Where& where, const TreesOptions& options, Truth& truth) {
  // Without it orphans go to init, and nobody tells us how they ended.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return fail(Errc::Unsupported, "no subreapers", last_os_error());
  const UniqueFd memory(::memfd_create("de-load-table", 0));
  if (!memory || ::ftruncate(memory.get(), sizeof(TreeTable)) != 0) {
    return fail(Errc::Io, "make the table", last_os_error());
  }
  DE_TRY(mapped, map_table(memory.get()));
  TreeTable& table = *new (mapped) TreeTable;
  DE_CHECK(copy_path(where.child, table.child));
  DE_CHECK(copy_path(where.self, table.self));
  DE_CHECK(copy_path(truth.run(), table.run));

  std::mt19937_64 random(options.seed);
  table.first_id = 1;
  for (std::uint64_t i = 0; i < options.count; ++i) {
    plan_tree(random, options.max_nodes, table);
    table.nodes[0].pid = ::getpid();
    fork_tree_node(table, memory.get(), 1);
    reap_all(table, 0);
    write_tree(table, where.self, truth);
    table.first_id += table.count - 1;
  }
  ::munmap(mapped, sizeof(TreeTable));
  return {};
}

int act_tree_node(int table_fd, std::uint32_t node) {
  const Result<TreeTable*> table = map_table(table_fd);
  if (!table || node == 0 || node >= (*table)->count) return 126;
  run_tree_node(**table, table_fd, node, true);
}

}  // namespace de::load
