#include "daemoneye/schema/event_columns.h"

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

using E = pb::ProcessEvent;
using enum SqlType;

constexpr std::pair<std::string_view, pb::EventType> kTypes[] = {
    {"start", pb::EVENT_TYPE_START},
    {"exec", pb::EVENT_TYPE_EXEC},
    {"exit", pb::EVENT_TYPE_EXIT},
    {"modified", pb::EVENT_TYPE_MODIFIED},
    {"suspicious", pb::EVENT_TYPE_SUSPICIOUS},
    {"unknown", pb::EVENT_TYPE_UNKNOWN},
};

Cell severity_text(const E& e) { return e.severity() == pb::SEVERITY_UNKNOWN ? Cell{} : Cell{to_text(e.severity())}; }

Cell fields_json(const E& e) {
  if (e.modified_fields().empty()) return {};
  std::string out = "[";
  for (const std::string& field : e.modified_fields()) {
    if (out.size() > 1) out += ',';
    append_json_string(out, field);
    if (out.size() >= kSqlTextBytes) break;
  }
  return out + "]";
}

// [{"pid":1,"process_uid":"..","name":"..","executable_path":".."}]; behind one above whom there were more:
// {"cut":true}.
Cell ancestry_json(const E& e) {
  pb::Ancestry ancestry;
  if (!e.has_ancestry() || !ancestry.ParseFromString(e.ancestry())) return {};
  std::string out = "[";
  for (const pb::Ancestor& one : ancestry.ancestors()) {
    if (out.size() > 1) out += ',';
    if (out.size() + one.name().size() + one.executable_path().size() > kSqlTextBytes) return out + "{\"cut\":true}]";
    out +=
        "{\"pid\":" + std::to_string(one.pid()) + ",\"process_uid\":\"" + uid_text(one.process_uid()) + "\",\"name\":";
    append_json_string(out, one.name());
    if (!one.executable_path().empty()) {
      out += ",\"executable_path\":";
      append_json_string(out, one.executable_path());
    }
    out += one.cut() ? "},{\"cut\":true}" : "}";
  }
  return out + "]";
}

#define DE_OPT_INT(field) \
  [](const E& e) -> Cell { return e.has_##field() ? Cell{static_cast<std::int64_t>(e.field())} : Cell{}; }
#define DE_OPT_TEXT(field)                                                                        \
  [](const E& e) -> Cell {                                                                        \
    return e.has_##field() ? Cell{std::string_view(e.field()).substr(0, kSqlTextBytes)} : Cell{}; \
  }

// clang-format off
constexpr Column<E> kOwn[] = {
    // name, type, unit, change, index, help, getter
    {"event_type", Text, Unit::None, Change::Static, Index::Yes, "start (fork), exec (new image), exit, modified or suspicious", [](const E& e) -> Cell { return to_text(e.event_type()); }},
    {"event_time_ms", Integer, Unit::UnixMs, Change::Static, Index::Yes, "When it happened", [](const E& e) -> Cell { return static_cast<std::int64_t>(e.event_time_ms()); }},
    {"event_time_s", Integer, Unit::None, Change::Static, Index::Yes, "When it happened in whole seconds since 1970", [](const E& e) -> Cell { return static_cast<std::int64_t>(e.event_time_ms() / 1'000); }},
    {"sequence", Integer, Unit::None, Change::Static, Index::No, "Number the collector gave the event; without a hole in its spool", [](const E& e) -> Cell { return static_cast<std::int64_t>(e.sequence()); }},
    {"boot_time_ns", Integer, Unit::None, Change::Static, Index::No, "When it happened in nanoseconds since boot: orders finer than event_time_ms", DE_OPT_INT(boot_time_ns)},
    {"exit_code", Integer, Unit::None, Change::Static, Index::No, "exit only: 0-255; NULL when a signal ended it or nobody could tell", DE_OPT_INT(exit_code)},
    {"exit_signal", Integer, Unit::None, Change::Static, Index::No, "exit only: the signal that ended it", DE_OPT_INT(exit_signal)},
    {"duration_ms", Integer, Unit::Ms, Change::Static, Index::No, "exit only: how long it lived", DE_OPT_INT(duration_ms)},
    {"modified_fields", Text, Unit::None, Change::Static, Index::No, "modified only: names of the columns that changed, as a JSON array", fields_json},
    {"reason", Text, Unit::None, Change::Static, Index::No, "suspicious only: what is odd", [](const E& e) -> Cell { return e.reason().empty() ? Cell{} : Cell{std::string_view(e.reason())}; }},
    {"severity", Text, Unit::None, Change::Static, Index::No, "suspicious only: low, medium, high or critical", severity_text},
    {"parent_name", Text, Unit::None, Change::Static, Index::No, "Name of the parent as it was then", DE_OPT_TEXT(parent_name)},
    {"parent_executable_path", Text, Unit::None, Change::Static, Index::No, "Executable of the parent as it was then", DE_OPT_TEXT(parent_executable_path)},
    {"parent_command_line", Text, Unit::None, Change::Static, Index::No, "Arguments of the parent as they were then", DE_OPT_TEXT(parent_command_line)},
    {"ancestry", Text, Unit::None, Change::Static, Index::No, "Parents up to pid 1 as a JSON array, nearest first, each as it was then", ancestry_json},
};
// clang-format on
#undef DE_OPT_INT
#undef DE_OPT_TEXT

// A getter is a plain function: one is instantiated per possible place in process_columns().
constexpr std::size_t kMostProcessColumns = 96;

template <std::size_t at>
Cell read_process(const E& e) {
  return process_columns()[at].read(e.process());
}

template <std::size_t... at>
constexpr auto make_readers(std::index_sequence<at...>) {
  return std::array<Cell (*)(const E&), sizeof...(at)>{&read_process<at>...};
}

constexpr auto kReaders = make_readers(std::make_index_sequence<kMostProcessColumns>());

}  // namespace

std::span<const Column<pb::ProcessEvent>> event_columns() {
  static const std::vector<Column<E>> columns = [] {
    std::vector<Column<E>> out(std::begin(kOwn), std::end(kOwn));
    const auto process = process_columns();
    if (process.size() > kReaders.size()) std::abort();  // A test holds the two together.
    for (std::size_t i = 0; i < process.size(); ++i) {
      const auto& c = process[i];
      const Index index = c.name == "process_uid" ? Index::Yes : c.index;
      out.push_back({c.name, c.type, c.unit, Change::Static, index, c.help, kReaders[i]});
    }
    return out;
  }();
  return columns;
}

std::string_view to_text(pb::EventType type) {
  for (const auto& [name, value] : kTypes)
    if (value == type) return name;
  return "unknown";  // Protobuf keeps numbers it does not know.
}

pb::EventType parse_event_type(std::string_view text) {
  for (const auto& [name, value] : kTypes)
    if (name == text) return value;
  return pb::EVENT_TYPE_UNKNOWN;
}

std::span<const std::string_view> words_of(std::string_view column) {
  static constexpr std::string_view kEventTypes[] = {"start", "exec", "exit", "modified", "suspicious", "unknown"};
  static constexpr std::string_view kSeverities[] = {"low", "medium", "high", "critical", "unknown"};
  static constexpr std::string_view kOnDisk[] = {"match", "mismatch", "replaced", "deleted", "memfd", "unknown"};
  static constexpr std::string_view kSources[] = {"scan", "bpf", "connector"};
  if (column == "event_type") return kEventTypes;
  if (column == "severity") return kSeverities;
  if (column == "on_disk_state") return kOnDisk;
  if (column == "source") return kSources;
  return {};
}

EventParts parts_of(std::string_view column) {
  // A parent's uid may be one that is kept as text.
  static constexpr std::pair<std::string_view, EventParts> kCheap[] = {
      {"event_type", 0},
      {"event_time_ms", 0},
      {"event_time_s", 0},
      {"sequence", 0},
      {"boot_time_ns", 0},
      {"collector", 0},
      {"exit_code", kNumbersPart},
      {"exit_signal", kNumbersPart},
      {"duration_ms", kNumbersPart},
      {"exec_seq", kNumbersPart},
      {"collection_time_ms", kNumbersPart},
      {"pid", kWhoPart},
      {"ppid", kWhoPart},
      {"process_uid", kWhoPart},
      {"start_time_ms", kWhoPart},
      {"name", kImagePart},
      {"executable_path", kImagePart},
      {"executable_hash", kImagePart},
  };
  for (const auto& [name, parts] : kCheap)
    if (name == column) return parts;
  return kAllParts;
}

std::string uid_bytes(std::string_view text) {
  if (text.size() != 36) return {};
  std::string hex;
  for (const char c : text)
    if (c != '-') hex += c;
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    const int high = digit(hex[at]), low = digit(hex[at + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high * 16 + low);
  }
  return uid_text(bytes) == text ? bytes : std::string{};
}

}  // namespace de::schema
