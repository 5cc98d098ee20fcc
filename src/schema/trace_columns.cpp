#include "daemoneye/schema/trace_columns.h"

namespace de::schema {
namespace {

using T = TraceRow;
using enum SqlType;

Cell told(const std::string& text) { return text.empty() ? Cell{} : Cell{std::string_view(text)}; }

// clang-format off
constexpr Column<T> kTraceColumns[] = {
    // name, type, unit, change, index, help, getter
    {"time_ms", Integer, Unit::UnixMs, Change::Static, Index::Yes, "When it was read", [](const T& t) -> Cell { return t.capture->time_ms(); }},
    {"trace_id", Text, Unit::None, Change::Static, Index::No, "The same for everything of one trace", [](const T& t) -> Cell { return told(t.capture->trace_id()); }},
    {"rule_id", Text, Unit::None, Change::Static, Index::Yes, "The rule that asked for it", [](const T& t) -> Cell { return told(t.capture->rule_id()); }},
    {"alert_id", Text, Unit::None, Change::Static, Index::No, "The alert that began the trace", [](const T& t) -> Cell { return told(t.capture->alert_id()); }},
    {"depth", Integer, Unit::None, Change::Static, Index::No, "1, or one more than the traces that the rule follows", [](const T& t) -> Cell { return std::int64_t{t.capture->depth()}; }},
    {"reason", Text, Unit::None, Change::Static, Index::No, "Why it was read just then: match, descendant, fork or exec", [](const T& t) -> Cell { return told(t.capture->reason()); }},
    {"pid", Integer, Unit::None, Change::Static, Index::Yes, "The process", [](const T& t) -> Cell { return std::int64_t{t.capture->pid()}; }},
    {"process_uid", Text, Unit::None, Change::Static, Index::No, "The same, told from others that have the pid", [](const T& t) -> Cell { return told(t.capture->process_uid()); }},
    {"kind", Text, Unit::None, Change::Static, Index::No, "command_line, environment or open_file", [](const T& t) -> Cell { return t.item == nullptr ? Cell{} : told(t.item->kind()); }},
    {"key", Text, Unit::None, Change::Static, Index::No, "Name of the variable, or number of the descriptor", [](const T& t) -> Cell { return t.item == nullptr || !t.item->has_key() ? Cell{} : Cell{std::string_view(t.item->key())}; }},
    {"value", Text, Unit::None, Change::Static, Index::No, "What it was", [](const T& t) -> Cell { return t.item == nullptr || !t.item->has_value() ? Cell{} : Cell{std::string_view(t.item->value())}; }},
    {"incomplete", Text, Unit::None, Change::Static, Index::No, "Why there is less of this process than was asked for", [](const T& t) -> Cell { return told(t.capture->incomplete()); }},
};
// clang-format on

}  // namespace

std::span<const Column<TraceRow>> trace_columns() { return kTraceColumns; }

}  // namespace de::schema
