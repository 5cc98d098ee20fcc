// The snapshot against another program's opinion of the same processes, and identity where pids are used again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <sstream>

#include "daemons.h"
#include "json_row.h"
#include "odd_processes.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

constexpr int kRepetitions = 20;
constexpr std::size_t kNameColumns = 64;  // The kernel shows at most 63 bytes of a name, of kernel threads only.
constexpr std::size_t kSqlTextBytes = 64UL << 10;  // What the command_line column keeps.
constexpr std::int64_t kStartToleranceMs = 2'000;

struct Line {
  std::string ppid, uid, name, args;
  std::int64_t start_ms = 0;
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

// "Sat Nov 21 16:41:04 2026", local time.
std::int64_t parse_start(const std::string& text) {
  std::tm parts{};
  parts.tm_isdst = -1;
  if (::strptime(text.c_str(), "%a %b %e %H:%M:%S %Y", &parts) == nullptr) return -1;
  return static_cast<std::int64_t>(std::mktime(&parts)) * 1000;
}

// The columns asked for are pid, ppid, uid, comm, args and lstart; in this order and with these widths a name with
// spaces cannot be taken for the column after it. In the C locale ps writes one '?' for every byte it does not print.
std::map<std::string, Line> ask_ps() {
  const Ran ran = run({"/usr/bin/env", "LC_ALL=C", "ps", "-ww", "-eo",
                       "pid:10=,ppid:10=,uid:10=,lstart:24=,comm:" + std::to_string(kNameColumns) + "=,args="});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  std::map<std::string, Line> lines;
  std::istringstream in(ran.out);
  for (std::string text; std::getline(in, text);) {
    if (text.size() < 58 + kNameColumns) {
      ADD_FAILURE() << "ps printed: " << text;
      continue;
    }
    Line line;
    line.ppid = trimmed(text.substr(11, 10));
    line.uid = trimmed(text.substr(22, 10));
    line.start_ms = parse_start(text.substr(33, 24));
    line.name = trimmed(text.substr(58, kNameColumns));
    line.args = trimmed(text.substr(58 + kNameColumns));
    lines[trimmed(text.substr(0, 10))] = line;
  }
  return lines;
}

bool is_printable(char c) { return c >= 0x20 && c < 0x7f; }

// For what is not plain ASCII ps 4.0 writes a blank, a dot or a question mark, depending on byte and column; and blanks
// around a column cannot be told from the column's own. Everything else must be the same, byte for byte.
bool is_written_as(const std::string& ours, const std::string& by_ps) {
  const std::string any = " .?";
  const auto same = [&any](char our, char their) {
    return is_printable(our) ? our == their : any.find(their) != std::string::npos;
  };
  const auto begin = std::find_if(ours.begin(), ours.end(), [](char c) { return c != ' '; });
  const auto both = std::mismatch(begin, ours.end(), by_ps.begin(), by_ps.end(), same);
  // What one has more is nothing but blanks, or what was written as one.
  return both.second == by_ps.end() &&
         std::all_of(both.first, ours.end(), [](char c) { return c == ' ' || !is_printable(c); });
}

std::map<std::string, JsonRow> ask_procmond() {
  // ps masks nothing. That secrets are masked otherwise is tested where it is done; here the arguments are compared.
  const Ran ran = run({program("procmond"), "--once", "--set", "collect.unmasked_arguments=true"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  std::map<std::string, JsonRow> rows;
  std::istringstream in(ran.out);
  for (std::string text; std::getline(in, text);) {
    JsonRow row = parse_json_row(text);
    if (!row.contains("pid")) {
      ADD_FAILURE() << "procmond printed: " << text.substr(0, 500);
      continue;
    }
    const std::string pid = row["pid"];
    EXPECT_TRUE(rows.emplace(pid, std::move(row)).second) << pid << " twice";
  }
  return rows;
}

bool is_same_start(std::int64_t one_ms, std::int64_t other_ms) {
  // ps adds whole seconds since boot to a boot time that it works out anew, so two runs may differ by one.
  return std::abs(one_ms - other_ms) <= kStartToleranceMs;
}

// Kernel workers put what they are busy with behind their number, and change it any time.
std::string stable_part(const std::string& name) {
  return name.starts_with("kworker/") ? name.substr(0, name.find_first_of("-+")) : name;
}

constexpr std::string_view kDefunct = " <defunct>";  // What ps adds to the name of a zombie.

void compare_name(const Line& ps, JsonRow& row) {
  std::string name = ps.name;
  if (name.ends_with(kDefunct)) name.resize(name.size() - kDefunct.size());
  EXPECT_TRUE(is_written_as(stable_part(row["name"]), stable_part(name))) << row["name"];
}

void compare_arguments(const Line& ps, JsonRow& row) {
  const std::string& ours = row["command_line"];
  if (ours.size() >= kSqlTextBytes) {  // The column ends there.
    EXPECT_TRUE(is_written_as(ours, ps.args.substr(0, kSqlTextBytes)));
  } else if (ours.find_first_not_of(' ') == std::string::npos) {
    // Without arguments (a kernel thread, a zombie) ps shows the name in brackets, for a single empty one "?".
    EXPECT_TRUE(ps.args.starts_with("[") || ps.args == "?" || ps.args.empty()) << ps.args;
  } else {
    EXPECT_TRUE(is_written_as(ours, ps.args)) << ours;
  }
}

// Returns how many processes of programs below `dir` could be compared.
std::size_t compare_once(const std::string& dir) {
  const auto before = ask_ps();
  auto ours = ask_procmond();
  const auto after = ask_ps();
  std::size_t compared = 0;
  for (const auto& [pid, was] : before) {
    const auto again = after.find(pid);
    if (again == after.end() || !is_same_start(was.start_ms, again->second.start_ms)) continue;
    SCOPED_TRACE("pid " + pid + ", ps: " + was.name.substr(0, 80) + " / " + was.args.substr(0, 200));
    const auto found = ours.find(pid);
    if (found == ours.end()) {
      ADD_FAILURE() << "lived through both runs of ps and is not in the snapshot";
      continue;
    }
    JsonRow& row = found->second;
    const Line& is = again->second;
    if (row["executable_path"].starts_with(dir)) ++compared;
    EXPECT_TRUE(is_same_start(std::atoll(row["start_time_ms"].c_str()), was.start_ms)) << row["start_time_ms"];
    // A process may exec, be adopted or change its name at any time: only what both runs of ps agree on is certain.
    if (was.ppid == is.ppid) {
      EXPECT_EQ(row["ppid"], was.ppid);
    }
    if (was.uid == is.uid) {
      EXPECT_EQ(row["euid"], was.uid);  // "uid" of ps is the effective one.
    }
    if (was.name == is.name) compare_name(was, row);
    if (was.args == is.args && was.name == is.name) compare_arguments(was, row);
  }
  return compared;
}

TEST(Identity, TheSnapshotAgreesWithPs) {
  const Host host;
  const OddProcesses load(host.demo_dir());
  std::size_t odd = 0;
  for (int i = 0; i < kRepetitions && !HasFailure(); ++i) odd += compare_once(host.demo_dir());
  if (!HasFailure()) {
    EXPECT_GT(odd, 200U) << "the odd ones have hardly been there";
  }
}

}  // namespace
}  // namespace de::system_test
