#include "trace/capture.h"

#include <string>
#include <string_view>
#include <variant>

#include "daemoneye/schema/process_columns.h"

namespace de::trace {
namespace {

constexpr const char* kCommandLines = "processes.command_lines";
constexpr const char* kEnvironments = "processes.environments";
constexpr const char* kOpenFiles = "processes.open_files";
constexpr std::size_t kUidColumn = 1, kKeyColumn = 2, kValueColumn = 3;

std::optional<std::string> text_of(const schema::Cell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
  if (const auto* owned = std::get_if<std::string>(&cell)) return *owned;
  if (const auto* borrowed = std::get_if<std::string_view>(&cell)) return std::string(*borrowed);
  return std::nullopt;
}

class Capturing {
 public:
  Capturing(const Reading& reading, const mirror::LiveRows& rows) : reading_(reading), rows_(rows) {
    uid_ = schema::uid_text(reading.subject.process_uid);
  }

  // The rows of the process itself; its pid may be somebody else's by now.
  std::vector<const mirror::ForeignRow*> rows_of(const char* table) {
    std::vector<const mirror::ForeignRow*> out;
    const auto found = rows_.rows.find({table, reading_.subject.pid});
    if (found == rows_.rows.end()) return out;
    for (const mirror::ForeignRow& row : found->second)
      if (row.size() > kKeyColumn && text_of(row[kUidColumn]) == uid_) out.push_back(&row);
    return out;
  }
  void note(const std::string& what) {
    std::string& text = *out_.mutable_incomplete();
    text += (text.empty() ? "" : "; ") + what;
  }
  void note_failures(const char* table) {
    if (const auto failed = rows_.failed.find(table); failed != rows_.failed.end()) note(failed->second);
    if (const auto cut = rows_.cut.find(table); cut != rows_.cut.end()) note(cut->second);
  }
  void add(const char* kind, std::optional<std::string> key, std::optional<std::string> value) {
    const std::size_t bytes = (key ? key->size() : 0) + (value ? value->size() : 0) + 32;
    if (bytes_ + bytes > kMaxItemBytes) {
      if (!std::exchange(is_cut_, true)) note("more than one capture holds");
      return;
    }
    bytes_ += bytes;
    pb::CapturedItem& item = *out_.add_items();
    item.set_kind(kind);
    if (key) item.set_key(std::move(*key));
    if (value) item.set_value(std::move(*value));
  }
  void add_pairs(const char* kind, const char* table) {
    for (const mirror::ForeignRow* row : rows_of(table))
      if (row->size() > kValueColumn) add(kind, text_of((*row)[kKeyColumn]), text_of((*row)[kValueColumn]));
    note_failures(table);
  }
  pb::Capture finish(std::int64_t now_ms) {
    const Trace& trace = *reading_.trace;
    out_.set_trace_id(trace.id);
    out_.set_rule_id(trace.rule_id);
    out_.set_alert_id(trace.alert_id);
    out_.set_depth(trace.order.depth);
    out_.set_time_ms(now_ms);
    out_.set_pid(reading_.subject.pid);
    out_.set_process_uid(uid_);
    out_.set_reason(reading_.reason);
    if (reading_.is_last) note("traces.max_readings: nothing more is read for this trace");
    return std::move(out_);
  }

 private:
  const Reading& reading_;
  const mirror::LiveRows& rows_;
  std::string uid_;
  pb::Capture out_;
  std::size_t bytes_ = 0;
  bool is_cut_ = false;
};

}  // namespace

std::vector<mirror::LiveKey> keys_of(const Reading& reading) {
  const detect::TraceOrder& order = reading.trace->order;
  std::vector<mirror::LiveKey> out = {{kCommandLines, reading.subject.pid}};
  if (order.environment) out.push_back({kEnvironments, reading.subject.pid});
  if (order.open_files) out.push_back({kOpenFiles, reading.subject.pid});
  return out;
}

pb::Capture capture_of(const Reading& reading, const mirror::LiveRows& rows, std::int64_t now_ms) {
  const detect::TraceOrder& order = reading.trace->order;
  Capturing out(reading, rows);
  const auto lines = out.rows_of(kCommandLines);
  out.note_failures(kCommandLines);
  if (lines.empty() && !rows.failed.contains(kCommandLines)) {
    out.note("the process had ended");
    return out.finish(now_ms);
  }
  if (order.command_line)
    for (const mirror::ForeignRow* line : lines) out.add("command_line", std::nullopt, text_of((*line)[kKeyColumn]));
  if (order.environment) out.add_pairs("environment", kEnvironments);
  if (order.open_files) out.add_pairs("open_file", kOpenFiles);
  return out.finish(now_ms);
}

}  // namespace de::trace
