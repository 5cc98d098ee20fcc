#include "osquery/fixture.h"

#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <sstream>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/host_columns.h"
#include "mirror/row_image.h"

namespace de::osquery {
namespace {

using mirror::NamedRow;
using mirror::Value;

schema::Cell cell_of(const Json& row, std::string_view name, schema::SqlType type) {
  const auto at = row.fields().find(std::string(name));
  if (at == row.fields().end() || at->second.has_null_value()) return {};
  if (type == schema::SqlType::Integer) return static_cast<std::int64_t>(at->second.number_value());
  return std::string(at->second.string_value());
}

// Our column, osquery's, and what a unit of theirs is in ours.
struct Pair {
  const char* ours;
  const char* theirs;
  std::int64_t unit = 1;
};
constexpr Pair kTexts[] = {{"name", "name"}, {"executable_path", "path"}, {"command_line", "cmdline"},   {"cwd", "cwd"},
                           {"root", "root"}, {"state", "state"},          {"cgroup_path", "cgroup_path"}};
constexpr Pair kNumbers[] = {{"pid", "pid"},
                             {"ppid", "parent"},
                             {"uid", "uid"},
                             {"gid", "gid"},
                             {"euid", "euid"},
                             {"egid", "egid"},
                             {"suid", "suid"},
                             {"sgid", "sgid"},
                             {"memory_usage", "resident_size"},
                             {"pgid", "pgroup"},
                             {"threads", "threads"},
                             {"virtual_memory", "total_size"},
                             {"nice", "nice"},
                             {"cpu_user_ms", "user_time"},
                             {"cpu_system_ms", "system_time"},
                             {"io_read_bytes", "disk_bytes_read"},
                             {"io_write_bytes", "disk_bytes_written"},
                             {"start_time_ms", "start_time", 1'000}};

}  // namespace

std::string read_whole(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<Json> read_json_lines(const std::string& path) {
  std::vector<Json> out;
  std::istringstream lines(read_whole(path));
  for (std::string line; std::getline(lines, line);)
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &out.emplace_back()).ok()) << line.substr(0, 80);
  return out;
}

std::string text_of(const Json& row, const std::string& field) {
  const auto at = row.fields().find(field);
  return at == row.fields().end() ? std::string() : at->second.string_value();
}

std::int64_t number_of(const Json& row, const std::string& field) {
  const auto at = row.fields().find(field);
  return at == row.fields().end() ? 0 : static_cast<std::int64_t>(at->second.number_value());
}

std::string at_fixture_time(std::string sql) {
  for (const std::string word : {"'now'", "\"now\""})
    for (std::size_t at = sql.find(word); at != std::string::npos; at = sql.find(word, at))
      sql.replace(at, word.size(), "'2026-05-28 20:26:40'");
  return sql;
}

Fixture::Fixture() {
  for (const Json& line : read_json_lines(corpus_dir() + "/fixture/rows.jsonl"))
    tables_[text_of(line, "table")].push_back(line.fields().at("row").struct_value());
  for (const Json& row : tables_["hash"]) hashes_[text_of(row, "path")] = text_of(row, "sha256");
  for (const Json& row : tables_["process_events"]) add_event(row);
}

std::shared_ptr<const mirror::Image> Fixture::image() const {
  std::map<std::int64_t, std::string> namespaces;
  for (const Json& row : tables_.at("process_namespaces")) {
    std::string& json = namespaces[number_of(row, "pid")];
    for (const std::string kind : {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"})
      json += (json.empty() ? "{\"" : ",\"") + kind + "\":" + text_of(row, kind + "_namespace");
    json += "}";
  }
  std::vector<NamedRow> rows;
  for (const Json& row : tables_.at("processes")) {
    NamedRow& out = rows.emplace_back();
    for (const Pair& pair : kTexts)
      if (const auto& text = row.fields().at(pair.theirs).string_value(); !text.empty())
        out.emplace_back(pair.ours, std::string_view(text));
    for (const Pair& pair : kNumbers) out.emplace_back(pair.ours, number_of(row, pair.theirs) * pair.unit);
    out.emplace_back("file_exists", std::int64_t{number_of(row, "on_disk") == 1 ? 1 : 0});
    if (const auto hash = hashes_.find(text_of(row, "path")); hash != hashes_.end())
      out.emplace_back("executable_hash", std::string_view(hash->second));
    if (const auto of = namespaces.find(number_of(row, "pid")); of != namespaces.end())
      out.emplace_back("namespaces", std::string_view(of->second));
  }
  auto image = mirror::image_from_rows(rows, kFixtureNow * 1'000);
  EXPECT_TRUE(image) << image.error().message();
  return *image;
}

void Fixture::add_event(const Json& row) {
  const schema::TableInfo& info = *schema::find_table("processes.events");
  std::vector<schema::Cell>& cells = events_.emplace_back(info.columns.size());
  const auto set = [&](std::string_view name, schema::Cell cell) {
    for (std::size_t i = 0; i < info.columns.size(); ++i)
      if (info.columns[i].name == name) cells[i] = std::move(cell);
  };
  const std::int64_t time = number_of(row, "time");
  set("event_type", std::string("exec"));
  set("event_time_ms", time * 1'000);
  set("event_time_s", time);
  set("boot_time", (time - number_of(row, "uptime")) * 1'000);
  set("sequence", std::int64_t{std::stoll("0" + text_of(row, "eid"))});
  set("exe_mode", std::int64_t{std::stoll("0" + text_of(row, "mode"), nullptr, 8)});
  for (const auto& [ours, theirs] :
       std::map<std::string, std::string>{{"executable_path", "path"}, {"command_line", "cmdline"}, {"cwd", "cwd"}})
    if (!text_of(row, theirs).empty()) set(ours, text_of(row, theirs));
  for (const auto& [ours, theirs] : std::map<std::string, std::string>{{"pid", "pid"},
                                                                       {"ppid", "parent"},
                                                                       {"uid", "uid"},
                                                                       {"euid", "euid"},
                                                                       {"gid", "gid"},
                                                                       {"egid", "egid"},
                                                                       {"suid", "suid"},
                                                                       {"sgid", "sgid"},
                                                                       {"login_uid", "auid"},
                                                                       {"exe_uid", "owner_uid"}})
    set(ours, number_of(row, theirs));
}

mirror::NextRows Fixture::read(const mirror::StoredQuery& query) const {
  std::vector<mirror::StoredRow> rows;
  if (query.table == mirror::StoredTable::Events) {
    const auto& columns = schema::find_table("processes.events")->columns;
    const auto place = [&](std::string_view name) {
      return static_cast<std::size_t>(std::ranges::find(columns, name, &schema::ColumnInfo::name) - columns.begin());
    };
    static const std::size_t pid = place("pid"), time = place("event_time_ms");
    for (const auto& cells : events_) {
      const std::int64_t ms = std::get<std::int64_t>(cells[time]);
      if (query.pid && std::get<std::int64_t>(cells[pid]) != *query.pid) continue;
      if (ms >= query.from_ms && ms < query.to_ms) rows.emplace_back().cells = cells;
    }
  }
  return [rows, done = false]() mutable -> Result<std::span<const mirror::StoredRow>> {
    if (std::exchange(done, true)) return std::span<const mirror::StoredRow>();
    return std::span<const mirror::StoredRow>(rows);
  };
}

Result<std::vector<mirror::HostRow>> Fixture::rows(schema::HostTable table) const {
  std::vector<mirror::HostRow> out;
  const auto found = tables_.find(std::string(schema::name_of(table)));
  if (found == tables_.end()) return out;
  for (const Json& row : found->second) {
    mirror::HostRow& cells = out.emplace_back();
    for (const schema::ColumnInfo& column : schema::host_table_info(table).columns)
      cells.push_back(cell_of(row, column.name, column.type));
  }
  return out;
}

Result<std::optional<mirror::HostRow>> Fixture::named(schema::HostTable table, std::string_view path) const {
  for (const Json& row : tables_.at(std::string(schema::name_of(table)))) {
    if (text_of(row, "path") != path) continue;
    mirror::HostRow cells;
    for (const schema::ColumnInfo& column : schema::host_table_info(table).columns)
      cells.push_back(cell_of(row, column.name, column.type));
    return cells;
  }
  return std::nullopt;
}

}  // namespace de::osquery
