#include "collect/live_tables.h"

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/describe.h"
#include "daemoneye/schema/live_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::collect {
namespace {

constexpr std::string_view kFiles = "processes.open_files";
constexpr std::string_view kEnvironments = "processes.environments";
constexpr std::string_view kCommandLines = "processes.command_lines";

void describe_table(const schema::TableInfo& known, pb::SchemaDescriptor& out) {
  pb::TableDescriptor& table = *out.add_tables();
  table.set_name(std::string(known.name));
  table.set_help(std::string(known.help));
  table.set_live(true);
  table.add_key("pid");
  pb::JoinHint& hint = *table.add_joins();
  hint.set_column("pid");
  hint.set_table("processes");
  hint.set_other_column("pid");
  for (const schema::ColumnInfo& column : known.columns) {
    pb::ColumnDescriptor& described = *table.add_columns();
    described.set_name(std::string(column.name));
    described.set_column_type(schema::to_wire(column.type));
    described.set_help(std::string(column.help));
  }
}

constexpr std::size_t kMaxNoteBytes = 200;  // Of what is said about single processes.

// Fills the list of rows until an answer is full, and remembers what did not fit.
class LiveRows {
 public:
  explicit LiveRows(pb::DetectionResult& result) : result_(result) {}

  void add(std::uint32_t pid, const std::string& uid, pb::TableRow rest) {
    ++matched_;
    pb::TableRow row;
    row.add_cells()->set_int_value(pid);
    row.add_cells()->set_string_value(uid);
    for (pb::Literal& cell : *rest.mutable_cells()) row.add_cells()->Swap(&cell);
    const std::size_t bytes = row.ByteSizeLong() + 8;  // Tag and length.
    is_full_ |= bytes_ + bytes > kMaxLiveBytes;
    if (is_full_) return;
    bytes_ += bytes;
    result_.add_rows()->Swap(&row);
  }
  void note(std::uint32_t pid, const char* what) {
    const bool is_room = notes_.size() < kMaxNoteBytes;
    if (is_room) notes_ += (notes_.empty() ? "pid " : "; pid ") + std::to_string(pid) + what;
  }
  void finish() {
    std::string note;
    if (is_full_)
      note = "result capped: " + std::to_string(result_.rows_size()) + " of " + std::to_string(matched_) +
             " rows fit the answer";
    if (!notes_.empty()) note += (note.empty() ? "" : "; ") + notes_;
    if (!note.empty()) result_.set_error_message(note);
  }

 private:
  pb::DetectionResult& result_;
  std::size_t matched_ = 0;
  std::size_t bytes_ = 0;
  bool is_full_ = false;
  std::string notes_;
};

Result<std::vector<std::uint32_t>> pids_of(const pb::LiveRead& read) {
  if (read.keys().empty() || read.keys_size() > kMaxLiveKeys) return fail(Errc::Invalid, "keys: 1 to 64 pids");
  std::vector<std::uint32_t> out;
  for (const pb::Literal& key : read.keys()) {
    if (!key.has_int_value()) return fail(Errc::Invalid, "keys: a pid is an integer");
    if (key.int_value() > 0 && key.int_value() <= std::numeric_limits<std::int32_t>::max())
      out.push_back(static_cast<std::uint32_t>(key.int_value()));  // Nobody has any other.
  }
  return out;
}

struct Named {
  std::uint32_t pid = 0;
  std::string uid;
};

Result<> read_files(std::span<const std::uint32_t> pids, ProcessSource& source, LiveRows& rows) {
  std::vector<Named> alive;
  const auto note = [&alive](pb::ProcessRecord& record, const auto&) {
    if (!record.process_uid().empty()) alive.push_back({record.pid(), record.process_uid()});
  };
  DE_TRY(visited, source.visit(pids, note, kNothing));
  (void)visited;
  for (const Named& process : alive) {
    const Result<OpenFiles> opened = source.open_files(process.pid, process.uid, kMaxOpenFiles);
    if (!opened && opened.error().code() != Errc::NotFound) rows.note(process.pid, " could not be read");
    if (!opened) continue;  // Or it is gone since.
    const std::string uid = schema::uid_text(process.uid);
    for (const OpenFile& file : opened->files) {
      pb::TableRow row;
      row.add_cells()->set_int_value(file.descriptor);
      pb::Literal& path = *row.add_cells();
      if (file.path) path.set_string_value(*file.path);
      rows.add(process.pid, uid, std::move(row));
    }
    if (opened->is_cut) rows.note(process.pid, " has more than is told");
  }
  return {};
}

Result<> read_environments(std::span<const std::uint32_t> pids, ProcessSource& source, LiveRows& rows) {
  const auto add = [&rows](pb::ProcessRecord& record, const auto&) {
    const std::string uid = schema::uid_text(record.process_uid());
    for (const std::string& entry : record.environment()) {
      const std::size_t equals = entry.find('=');
      pb::TableRow row;
      row.add_cells()->set_string_value(entry.substr(0, equals));
      pb::Literal& value = *row.add_cells();
      if (equals != entry.npos) value.set_string_value(entry.substr(equals + 1));
      rows.add(record.pid(), uid, std::move(row));
    }
    if (record.environment_cut()) rows.note(record.pid(), " has more than is told");
  };
  DE_TRY(visited, source.visit(pids, add, kNothing));
  (void)visited;
  return {};
}

Result<> read_command_lines(std::span<const std::uint32_t> pids, ProcessSource& source, LiveRows& rows) {
  const auto add = [&rows](pb::ProcessRecord& record, const auto&) {
    std::string joined;
    for (const std::string& argument : record.command_line())
      joined += (&argument == &record.command_line(0) ? "" : " ") + argument;
    pb::TableRow row;
    row.add_cells()->set_string_value(std::move(joined));
    rows.add(record.pid(), schema::uid_text(record.process_uid()), std::move(row));
  };
  DE_TRY(visited, source.visit(pids, add, kNothing));
  (void)visited;
  return {};
}

}  // namespace

void describe_live_tables(bool environments, pb::SchemaDescriptor& out) {
  for (const schema::TableInfo& table : schema::live_tables())
    if (environments || table.name != kEnvironments) describe_table(table, out);
}

Result<> read_live(const pb::LiveRead& read, bool environments, ProcessSource& source, pb::DetectionResult& result) {
  using Reader = Result<> (*)(std::span<const std::uint32_t>, ProcessSource&, LiveRows&);
  const Reader reader = read.table() == kFiles          ? &read_files
                        : read.table() == kEnvironments ? &read_environments
                        : read.table() == kCommandLines ? &read_command_lines
                                                        : nullptr;
  if (reader == nullptr)
    return fail(Errc::NotFound, "no live table '" + escape_controls(read.table().substr(0, 64)) + "'");
  if (reader == &read_environments && !environments)
    return fail(Errc::Unsupported, "processes.environments: collect.environment is false");
  DE_TRY(pids, pids_of(read));
  if (pids.empty()) return {};  // To a source, no pids are all of them.
  LiveRows rows(result);
  DE_CHECK(reader(pids, source, rows));
  rows.finish();
  return {};
}

}  // namespace de::collect
