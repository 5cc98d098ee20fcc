#include "truth.h"

#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace de::system_test {
namespace {

// The value of a key in one line of JSON that our generator wrote: no nesting, no escapes in what is read here.
std::string value_of(const std::string& line, const std::string& key) {
  const std::string mark = "\"" + key + "\":";
  const std::size_t at = line.find(mark);
  if (at == line.npos) return {};
  std::size_t begin = at + mark.size();
  const bool quoted = line[begin] == '"';
  if (quoted) ++begin;
  return line.substr(begin, line.find_first_of(quoted ? "\"" : ",}", begin) - begin);
}

std::uint64_t number_of(const std::string& line, const std::string& key) {
  return std::strtoull(value_of(line, key).c_str(), nullptr, 10);
}

constexpr auto kLongestLoad = std::chrono::hours(2);  // Of the largest sizes; a test has a limit of its own.

// RFC 4180.
std::vector<std::vector<std::string>> split_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string& field = rows.back().back();
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else if (c == '"') {
        quoted = false;
      } else {
        field += c;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      rows.back().emplace_back();
    } else if (c == '\n') {
      rows.emplace_back(1);
    } else if (c != '\r') {
      field += c;
    }
  }
  if (rows.back().size() == 1 && rows.back().front().empty()) rows.pop_back();
  return rows;
}

}  // namespace

std::string from_hex(std::string_view digits) {
  std::string out;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    unsigned char byte = 0;
    if (std::from_chars(digits.data() + at, digits.data() + at + 2, byte, 16).ec != std::errc()) return {};
    out += static_cast<char>(byte);
  }
  return out;
}

Load::Load(std::string truth_path, std::vector<std::string> arguments) : truth_path_(std::move(truth_path)) {
  std::vector<std::string> argv = {program("load"), "--out", truth_path_};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  generator_ = Background(std::move(argv), truth_path_ + ".said");
}

Truth run_load(const std::string& truth_path, std::vector<std::string> arguments) {
  return Load(truth_path, std::move(arguments)).finish();
}

Truth Load::finish() {
  const int exit_code = generator_.wait(kLongestLoad);
  Truth truth;
  std::ifstream said(truth_path_ + ".said");
  truth.summary.assign(std::istreambuf_iterator<char>(said), {});
  EXPECT_EQ(exit_code, 0) << truth.summary;
  std::ifstream file(truth_path_);
  for (std::string line; std::getline(file, line);) {
    const std::string kind = value_of(line, "kind");
    if (kind == "run") truth.generator_pid = static_cast<std::uint32_t>(number_of(line, "pid"));
    if (kind != "process" || number_of(line, "pid") == 0) continue;
    TrueProcess& one = truth.processes[number_of(line, "id")];
    one.id = number_of(line, "id");
    one.pid = static_cast<std::uint32_t>(number_of(line, "pid"));
    one.ppid = static_cast<std::uint32_t>(number_of(line, "ppid"));
    one.uid = static_cast<std::uint32_t>(number_of(line, "uid"));
    one.nonce = value_of(line, "nonce");
    one.label = value_of(line, "label");
    one.exe = value_of(line, "exe");
    one.file = value_of(line, "file");
    one.argc = number_of(line, "argc");
    one.argv_bytes = number_of(line, "argv_bytes");
    one.argv_sha256 = value_of(line, "argv_sha256");
    one.argv_start = from_hex(value_of(line, "argv_hex"));
    one.exe_link = value_of(line, "exe_link");
    one.forked_after_ns = number_of(line, "forked_after_ns");
    one.forked_before_ns = number_of(line, "forked_before_ns");
    one.status = static_cast<int>(number_of(line, "status"));
    std::istringstream chain(value_of(line, "chain"));
    for (std::string id; std::getline(chain, id, ',');) one.chain.push_back(std::strtoull(id.c_str(), nullptr, 10));
  }
  return truth;
}

std::vector<Row> query_rows(Host& host, const std::string& sql) {
  const Ran ran = host.cli({"--output", "csv", "query", "--limit", "1000000", sql});
  EXPECT_TRUE(ran.exit_code == 0 || ran.exit_code == 3) << "exit " << ran.exit_code << ": " << ran.err;
  EXPECT_EQ(ran.err.find("ResultCapped"), ran.err.npos) << ran.err;
  const auto table = split_csv(ran.out);
  std::vector<Row> rows;
  for (std::size_t i = 1; i < table.size(); ++i)
    for (std::size_t column = 0; column < table[i].size(); ++column) {
      if (column == 0) rows.emplace_back();
      rows.back()[table[0].at(column)] = table[i][column];
    }
  return rows;
}

Seen read_seen(Host& host) {
  // In parts: an answer has at most 64 MB.
  const auto read = [&host](const std::string& columns, const std::string& type, int parts) {
    std::vector<Row> all;
    for (int part = 0; part < parts; ++part)
      for (Row& row : query_rows(host, "SELECT " + columns + " FROM processes.events WHERE event_type = '" + type +
                                           "' AND coalesce(boot_time_ns, 0) % " + std::to_string(parts) + " = " +
                                           std::to_string(part)))
        all.push_back(std::move(row));
    return all;
  };
  Seen seen;
  for (Row& row :
       read("process_uid, pid, ppid, boot_time_ns, start_time_ms - boot_time AS started_ms, source, ancestry", "start",
            4))
    seen.starts.emplace(row["process_uid"], std::move(row));
  for (Row& row : read("process_uid, exit_code, exit_signal", "exit", 1))
    seen.exits.emplace(row["process_uid"], std::move(row));
  for (Row& row : read("process_uid, pid, uid, executable_path, on_disk_state, interpreter_path, script_path, "
                       "command_line, name, namespaces",
                       "exec", 4)) {
    const std::string& line = row["command_line"];
    const std::size_t at = line.find(" de-load-") + 1;  // An argument, not part of a path.
    if (at != 0) seen.execs.emplace(line.substr(at, line.find(' ', at) - at), std::move(row));
  }
  return seen;
}

}  // namespace de::system_test
