#include "truth.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
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

Truth run_load(const std::string& truth_path, std::vector<std::string> arguments) {
  std::vector<std::string> argv = {program("load"), "--out", truth_path};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const Ran ran = run(argv);
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  Truth truth;
  truth.summary = ran.out;
  std::ifstream file(truth_path);
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
  EXPECT_TRUE(ran.exit_code == 0 || ran.exit_code == 3) << ran.err;
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
      for (Row& row :
           query_rows(host, "SELECT " + columns + " FROM processes.events WHERE event_type = '" + type +
                                "' AND boot_time_ns % " + std::to_string(parts) + " = " + std::to_string(part)))
        all.push_back(std::move(row));
    return all;
  };
  Seen seen;
  for (Row& row : read("process_uid, pid, ppid, boot_time_ns, ancestry", "start", 4))
    seen.starts.emplace(row["process_uid"], std::move(row));
  for (Row& row : read("process_uid, exit_code, exit_signal", "exit", 1))
    seen.exits.emplace(row["process_uid"], std::move(row));
  for (Row& row : read("process_uid, pid, uid, executable_path, on_disk_state, interpreter_path, script_path, "
                       "command_line",
                       "exec", 1)) {
    const std::string& line = row["command_line"];
    const std::size_t at = line.find(" de-load-") + 1;  // An argument, not part of a path.
    if (at != 0) seen.execs.emplace(line.substr(at, line.find(' ', at) - at), std::move(row));
  }
  return seen;
}

}  // namespace de::system_test
