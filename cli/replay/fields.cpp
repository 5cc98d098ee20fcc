#include "replay/fields.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "sigma/fields.h"

namespace de::replay {
namespace {

namespace json = google::protobuf;
using Kind = json::Value::KindCase;

constexpr double kLargestExact = 9'007'199'254'740'992;  // JSON numbers are read as doubles.

struct Target {
  pb::ProcessEvent& event;
  pb::ProcessRecord& process;
  Further& further;
};

Result<std::string> text_of(const json::Value& value) {
  switch (value.kind_case()) {
    case Kind::kStringValue:
      return value.string_value();
    case Kind::kBoolValue:
      return std::string(value.bool_value() ? "true" : "false");
    case Kind::kNumberValue: {
      std::string out;
      append_json_number(out, value.number_value());
      return out;
    }
    default:
      return fail(Errc::Invalid, "expected a text");
  }
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<std::int64_t> number_of(const json::Value& value) {
  if (value.kind_case() == Kind::kBoolValue) return std::int64_t{value.bool_value()};
  if (value.kind_case() == Kind::kNumberValue) {
    const double number = value.number_value();
    if (std::fabs(number) > kLargestExact) return fail(Errc::Invalid, "too large for JSON: write it as a text");
    if (number == std::trunc(number)) return static_cast<std::int64_t>(number);
  }
  if (value.kind_case() == Kind::kStringValue)
    if (const auto number = whole_number(value.string_value())) return *number;
  return fail(Errc::Invalid, "expected a whole number");
}

// A JSON array, or one inside a text, as SQL has it.
Result<json::ListValue> list_of(const json::Value& value) {
  if (value.kind_case() == Kind::kListValue) return value.list_value();
  json::ListValue out;
  if (value.kind_case() == Kind::kStringValue && json::util::JsonStringToMessage(value.string_value(), &out).ok())
    return out;
  return fail(Errc::Invalid, "expected a list");
}

Result<json::Struct> object_of(const json::Value& value) {
  if (value.kind_case() == Kind::kStructValue) return value.struct_value();
  json::Struct out;
  if (value.kind_case() == Kind::kStringValue && json::util::JsonStringToMessage(value.string_value(), &out).ok())
    return out;
  return fail(Errc::Invalid, "expected an object");
}

Result<std::string> uid_of(const json::Value& value) {
  DE_TRY(text, text_of(value));
  std::string bytes = schema::uid_bytes(text);
  if (bytes.empty()) return fail(Errc::Invalid, "expected a UUID in lower case");
  return bytes;
}

template <class Number>
Result<Number> in_range(std::int64_t number) {
  if (!std::in_range<Number>(number)) return fail(Errc::Invalid, "is out of range");
  return static_cast<Number>(number);
}

// A column that is a field of the message, under its own name.
Result<> set(json::Message& message, const json::FieldDescriptor& field, const json::Value& value) {
  using Type = json::FieldDescriptor;
  const json::Reflection& access = *message.GetReflection();
  switch (field.cpp_type()) {
    case Type::CPPTYPE_STRING: {
      DE_TRY(text, text_of(value));
      access.SetString(&message, &field, text);
      return {};
    }
    case Type::CPPTYPE_DOUBLE:
      if (value.kind_case() != Kind::kNumberValue) return fail(Errc::Invalid, "expected a number");
      access.SetDouble(&message, &field, value.number_value());
      return {};
    case Type::CPPTYPE_BOOL: {
      DE_TRY(number, number_of(value));
      access.SetBool(&message, &field, number != 0);
      return {};
    }
    default:
      break;
  }
  DE_TRY(number, number_of(value));
  if (field.cpp_type() == Type::CPPTYPE_UINT32) {
    DE_TRY(fits, in_range<std::uint32_t>(number));
    access.SetUInt32(&message, &field, fits);
  } else if (field.cpp_type() == Type::CPPTYPE_INT32) {
    DE_TRY(fits, in_range<std::int32_t>(number));
    access.SetInt32(&message, &field, fits);
  } else if (field.cpp_type() == Type::CPPTYPE_UINT64) {
    access.SetUInt64(&message, &field, static_cast<std::uint64_t>(number));
  } else {
    access.SetInt64(&message, &field, number);
  }
  return {};
}

Result<> set_type(const json::Value& value, const Target& to) {
  DE_TRY(text, text_of(value));
  const pb::EventType type = schema::parse_event_type(text);
  if (type == pb::EVENT_TYPE_UNKNOWN) return fail(Errc::Invalid, "expected start, exec, exit, modified or suspicious");
  to.event.set_event_type(type);
  return {};
}

Result<> set_texts(const json::Value& value, google::protobuf::RepeatedPtrField<std::string>& out) {
  DE_TRY(list, list_of(value));
  out.Clear();
  for (const json::Value& one : list.values()) {
    DE_TRY(text, text_of(one));
    *out.Add() = std::move(text);
  }
  return {};
}

Result<> set_ancestry(const json::Value& value, const Target& to) {
  DE_TRY(list, list_of(value));
  pb::Ancestry ancestry;
  for (const json::Value& one : list.values()) {
    pb::Ancestor& ancestor = *ancestry.add_ancestors();
    for (const auto& [name, part] : one.struct_value().fields()) {
      if (name == "process_uid") {
        DE_TRY(uid, uid_of(part));
        ancestor.set_process_uid(uid);
      } else if (const auto* field = pb::Ancestor::descriptor()->FindFieldByName(name); field != nullptr) {
        DE_CHECK(set(ancestor, *field, part));
      }
    }
  }
  to.event.set_ancestry(ancestry.SerializeAsString());
  return {};
}

Result<> set_namespaces(const json::Value& value, const Target& to) {
  DE_TRY(object, object_of(value));
  for (const auto& [name, inode] : object.fields())
    if (const auto* field = pb::Namespaces::descriptor()->FindFieldByName(name); field != nullptr)
      DE_CHECK(set(*to.process.mutable_namespaces(), *field, inode));
  return {};
}

Result<> set_on_disk(const json::Value& value, const Target& to) {
  DE_TRY(text, text_of(value));
  constexpr std::pair<std::string_view, pb::OnDiskState> kStates[] = {
      {"match", pb::ON_DISK_MATCH},     {"mismatch", pb::ON_DISK_MISMATCH}, {"replaced", pb::ON_DISK_REPLACED},
      {"deleted", pb::ON_DISK_DELETED}, {"memfd", pb::ON_DISK_MEMFD},       {"unknown", pb::ON_DISK_UNKNOWN}};
  const auto* found = std::ranges::find(kStates, text, &std::pair<std::string_view, pb::OnDiskState>::first);
  if (found == std::end(kStates))
    return fail(Errc::Invalid, "expected match, mismatch, replaced, deleted, memfd or unknown");
  to.process.set_on_disk_state(found->second);
  return {};
}

Result<> set_source(const json::Value& value, const Target& to) {
  DE_TRY(text, text_of(value));
  constexpr std::pair<std::string_view, pb::RecordSource> kSources[] = {
      {"scan", pb::RECORD_SOURCE_SCAN}, {"bpf", pb::RECORD_SOURCE_BPF}, {"connector", pb::RECORD_SOURCE_CONNECTOR}};
  const auto* found = std::ranges::find(kSources, text, &std::pair<std::string_view, pb::RecordSource>::first);
  if (found == std::end(kSources)) return fail(Errc::Invalid, "expected scan, bpf or connector");
  to.process.set_source(found->second);
  return {};
}

Result<> set_severity(const json::Value& value, const Target& to) {
  DE_TRY(text, text_of(value));
  for (const auto severity : {pb::SEVERITY_LOW, pb::SEVERITY_MEDIUM, pb::SEVERITY_HIGH, pb::SEVERITY_CRITICAL})
    if (schema::to_text(severity) == text) to.event.set_severity(severity);
  if (to.event.severity() == pb::SEVERITY_UNKNOWN) return fail(Errc::Invalid, "expected low, medium, high or critical");
  return {};
}

using Setter = Result<> (*)(const json::Value& value, const Target& to);

Result<> ignore(const json::Value&, const Target&) { return {}; }

// Columns that are not what the message calls them, or not of its types. What follows from other columns, or is given
// anew, has no effect.
constexpr std::pair<std::string_view, Setter> kSpecial[] = {
    {"event_type", set_type},
    {"command_line",
     [](const json::Value& value, const Target& to) -> Result<> {
       DE_TRY(text, text_of(value));
       if (to.process.command_line().empty()) to.process.add_command_line(text);  // argv says more.
       return {};
     }},
    {"argv",
     [](const json::Value& value, const Target& to) { return set_texts(value, *to.process.mutable_command_line()); }},
    {"environment",
     [](const json::Value& value, const Target& to) { return set_texts(value, *to.process.mutable_environment()); }},
    {"modified_fields",
     [](const json::Value& value, const Target& to) { return set_texts(value, *to.event.mutable_modified_fields()); }},
    {"process_uid",
     [](const json::Value& value, const Target& to) -> Result<> {
       DE_TRY(uid, uid_of(value));
       to.process.set_process_uid(uid);
       return {};
     }},
    {"parent_uid",
     [](const json::Value& value, const Target& to) -> Result<> {
       DE_TRY(uid, uid_of(value));
       to.process.set_parent_uid(uid);
       return {};
     }},
    {"platform_data",
     [](const json::Value& value, const Target& to) -> Result<> {
       DE_TRY(object, object_of(value));
       to.further.values.MergeFrom(object);
       return {};
     }},
    {"ancestry", set_ancestry},
    {"namespaces", set_namespaces},
    {"on_disk_state", set_on_disk},
    {"event_time_s", ignore},
    {"sequence", ignore},
    {"collector", ignore},
    {"argc", ignore},
    {"command_line_sha256", ignore},
    {"shed", ignore},
    {"source", set_source},
    {"severity", set_severity},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"start_time", "start_time_ms"},
    {"boot_time", "boot_time_ms"},
    {"exe_mtime", "exe_mtime_ms"},
    {"gid", "group_id"},
    {"uid", "user_id"},
    {"cgroup_path", "cgroup"},
};

bool is_column(std::string_view name) {
  return name == "collector" ||
         std::ranges::any_of(schema::event_columns(), [&](const auto& column) { return column.name == name; });
}

Result<> set_column(std::string_view name, const json::Value& value, const Target& to) {
  const auto* special = std::ranges::find(kSpecial, name, &std::pair<std::string_view, Setter>::first);
  if (special != std::end(kSpecial)) return special->second(value, to);
  const auto* alias = std::ranges::find(kAliases, name, &std::pair<std::string_view, std::string_view>::first);
  const std::string field(alias == std::end(kAliases) ? name : alias->second);
  if (const auto* own = pb::ProcessEvent::descriptor()->FindFieldByName(field); own != nullptr)
    return set(to.event, *own, value);
  if (const auto* own = pb::ProcessRecord::descriptor()->FindFieldByName(field); own != nullptr)
    return set(to.process, *own, value);
  return fail(Errc::Unsupported, "cannot be replayed");  // A test goes through all columns.
}

// "MD5=..,SHA256=..": rules may ask for the whole, the column has one of them.
Result<> take_hashes(const json::Value& value, const Target& to) {
  DE_TRY(text, text_of(value));
  constexpr std::string_view kName = "SHA256=";
  if (const std::size_t at = text.find(kName); at != text.npos) {
    std::string hash = text.substr(at + kName.size(), 64);
    std::ranges::transform(hash, hash.begin(),
                           [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    to.process.set_executable_hash(hash);
    to.process.set_hash_algorithm("sha256");
  }
  (*to.further.values.mutable_fields())["Hashes"] = value;
  return {};
}

Result<> take_sigma(const sigma::Field& field, const json::Value& value, const Target& to) {
  const std::string name(field.name);
  if (name == "Hashes") return take_hashes(value, to);
  if (name == "EventID") {
    DE_TRY(number, number_of(value));
    if (number != 1 && number != 4688) return fail(Errc::Invalid, "only 1 and 4688 are processes that were executed");
  }
  if (name == "UtcTime") {
    DE_TRY(text, text_of(value));
    to.further.time_ms = parse_iso8601(text);
    if (!to.further.time_ms) return fail(Errc::Invalid, "expected a time as 2026-11-23 05:00:00.000");
  }
  if (name == "ProcessGuid" || name == "ParentProcessGuid") {
    DE_TRY(text, text_of(value));
    (name == "ProcessGuid" ? to.further.process : to.further.parent) = text;
  }
  // A login id of Windows is a number that only fits here by chance.
  const bool is_column = field.kind != sigma::FieldKind::Further;
  if (is_column && (name != "LogonId" || in_range<std::uint32_t>(number_of(value).value_or(-1))))
    return set_column(field.sql, value, to);
  (*to.further.values.mutable_fields())[name] = value;
  return {};
}

std::string unknown(const std::string& name) {
  for (const char* category : {"network_connection", "file_event"}) {
    const auto source = sigma::find_log_source("linux", category, "");
    if (source && sigma::find_field(**source, name))
      return std::string("is one of ") + category + ", which has no table yet: only processes can be replayed";
  }
  std::vector<std::string_view> names;
  for (const auto& column : schema::event_columns()) names.push_back(column.name);
  if (const auto source = sigma::find_log_source("linux", "process_creation", ""))
    for (const sigma::Field& field : (*source)->fields) names.push_back(field.name);
  return "no column of processes.events and no field of Sigma's process_creation" + suggestion(name, names);
}

}  // namespace

Result<> take_field(const std::string& name, const json::Value& value, pb::ProcessEvent& event, Further& further) {
  const Target to{event, *event.mutable_process(), further};
  if (is_column(name)) return set_column(name, value, to);
  DE_TRY(source, sigma::find_log_source("linux", "process_creation", ""));
  const auto field = sigma::find_field(*source, name);
  if (!field) return fail(Errc::Invalid, unknown(name));
  return take_sigma(**field, value, to);
}

}  // namespace de::replay
