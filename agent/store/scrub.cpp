#include "store/scrub.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "daemoneye/base/unique_fd.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr MDB_dbi kFreeList = 0;
constexpr unsigned kMaxTables = 32;
constexpr std::size_t kMaxReasonBytes = 256;  // A pipe takes them without a reader.

std::string_view to_view(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

// Freed pages that do not exist would be written to later.
bool is_free_list(std::string_view value, std::size_t last_page) {
  std::size_t count = 0;
  if (value.size() < sizeof count) return false;
  std::memcpy(&count, value.data(), sizeof count);
  if (count > value.size() / sizeof count - 1) return false;
  for (std::size_t i = 1; i <= count; ++i) {
    std::size_t page = 0;
    std::memcpy(&page, value.data() + i * sizeof page, sizeof page);
    if (page > last_page) return false;
  }
  return true;
}

std::string lmdb_text(int rc) { return rc == 0 || rc == MDB_NOTFOUND ? "" : ::mdb_strerror(rc); }

// The values of an index (DUPSORT) are bare keys. Empty when all is well.
std::string walk(MDB_txn* txn, MDB_dbi table, const std::string& name, std::size_t last_page) {
  unsigned flags = 0;
  MDB_cursor* cursor = nullptr;
  if (table != kFreeList && ::mdb_dbi_flags(txn, table, &flags) != 0) return "table " + name + " is damaged";
  if (const int rc = ::mdb_cursor_open(txn, table, &cursor); rc != 0) return lmdb_text(rc);
  MDB_stat stat{};
  if (::mdb_stat(txn, table, &stat) != 0) return "table " + name + " is damaged";
  MDB_val key{}, value{};
  int rc = 0;
  std::size_t entries = 0;
  while ((rc = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    ++entries;
    if (table == kFreeList) {
      if (!is_free_list(to_view(value), last_page)) return "the list of free pages is damaged";
    } else if ((flags & MDB_DUPSORT) == 0) {
      if (const auto opened = unseal(to_view(value), name); !opened) return opened.error().message();
    }
  }
  ::mdb_cursor_close(cursor);
  // A page that looks empty is read without a complaint; whoever writes to it later comes to harm.
  if (rc == MDB_NOTFOUND && entries != stat.ms_entries)
    return "table " + name + " has " + std::to_string(entries) + " entries instead of " +
           std::to_string(stat.ms_entries);
  return lmdb_text(rc);
}

// The names of the tables are the keys of the main one.
std::string walk_all(const std::string& dir) {
  MDB_env* env = nullptr;
  if (::mdb_env_create(&env) != 0 || ::mdb_env_set_maxdbs(env, kMaxTables) != 0) return "";
  int rc = ::mdb_env_open(env, dir.c_str(), MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0);
  if (rc != 0) return "";  // Opening it for real says why.
  MDB_txn* txn = nullptr;
  MDB_dbi main = 0;
  MDB_cursor* cursor = nullptr;
  MDB_envinfo info{};
  ::mdb_env_info(env, &info);
  rc = ::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (rc == 0) rc = ::mdb_dbi_open(txn, nullptr, 0, &main);
  if (rc == 0) rc = ::mdb_cursor_open(txn, main, &cursor);
  if (rc != 0) return lmdb_text(rc);
  std::string problem = walk(txn, kFreeList, "free", info.me_last_pgno);
  MDB_val key{}, value{};
  while (problem.empty() && (rc = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    const std::string name(to_view(key));
    MDB_dbi table = 0;
    rc = ::mdb_dbi_open(txn, name.c_str(), 0, &table);
    problem = rc != 0 ? lmdb_text(rc) : walk(txn, table, name, info.me_last_pgno);
  }
  return problem.empty() ? lmdb_text(rc) : problem;
}

[[noreturn]] void be_the_child(const std::string& dir, unsigned limit_s, int out) {
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM}) ::signal(number, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::alarm(limit_s);
  const std::string problem = walk_all(dir);
  if (problem.empty()) ::_exit(0);
  (void)!::write(out, problem.data(), std::min(problem.size(), kMaxReasonBytes));  // Without it, damage has no name.
  ::_exit(1);
}

}  // namespace

Result<> scrub(const std::string& dir, unsigned limit_s) {
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Errc::Io, dir + ": make a pipe", last_os_error());
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(Errc::Io, dir + ": start a process that looks through it", last_os_error());
  if (child == 0) be_the_child(dir, limit_s, out.get());
  out.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail(Errc::Io, dir + ": wait for the process that looks through it", last_os_error());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return {};
  std::array<char, kMaxReasonBytes> reason{};
  const ssize_t got = ::read(in.get(), reason.data(), reason.size());
  const std::string what = got > 0 ? std::string(reason.data(), static_cast<std::size_t>(got)) : "a page is damaged";
  return fail(Errc::Corrupt, dir + ": " + what);
}

}  // namespace de::store
