#include "replay/recording.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/uuid.h"
#include "replay/fields.h"

namespace de::replay {
namespace {

namespace json = google::protobuf;

constexpr std::size_t kMaxNameBytes = 15;  // What the kernel keeps.
constexpr crypto::Uuid kRecorded = {0x6b, 0x1f, 0x0c, 0x52, 0x9d, 0x3e, 0x4a, 0x87,
                                    0xb1, 0x90, 0x27, 0x5e, 0xc4, 0x68, 0x13, 0xfa};

std::string identity(std::string_view name) {
  const crypto::Uuid uuid = crypto::uuid_v5(kRecorded, name);
  return {uuid.begin(), uuid.end()};
}

std::string last_part(const std::string& path) { return path.substr(path.find_last_of("/\\") + 1); }

// What every event has, whatever its line leaves out.
void complete(pb::ProcessEvent& event, const Further& further, std::uint64_t number, std::int64_t now_ms) {
  pb::ProcessRecord& process = *event.mutable_process();
  if (event.event_type() == pb::EVENT_TYPE_UNKNOWN) event.set_event_type(pb::EVENT_TYPE_EXEC);
  if (event.event_time_ms() == 0) event.set_event_time_ms(further.time_ms.value_or(now_ms));
  event.set_sequence(number);
  if (process.process_uid().empty())
    process.set_process_uid(identity(further.process.empty() ? "line " + std::to_string(number) : further.process));
  if (!process.has_parent_uid() && !further.parent.empty()) process.set_parent_uid(identity(further.parent));
  if (process.name().empty() && process.has_executable_path())
    process.set_name(last_part(process.executable_path()).substr(0, kMaxNameBytes));
  if (!process.has_start_time_ms() && event.event_type() != pb::EVENT_TYPE_EXIT)
    process.set_start_time_ms(event.event_time_ms());
  process.set_accessible(true);
  process.set_collection_time_ms(event.event_time_ms());
}

}  // namespace

Result<pb::ProcessEvent> parse_event(std::string_view line, std::uint64_t number, std::int64_t now_ms) {
  json::Struct object;
  const auto parsed = json::util::JsonStringToMessage({line.data(), line.size()}, &object);
  if (!parsed.ok()) return fail(Errc::Invalid, "is no JSON object: " + escape_controls(parsed.message().as_string()));
  pb::ProcessEvent event;
  Further further;
  for (const auto& [name, value] : object.fields()) {
    if (name.starts_with('_') || value.kind_case() == json::Value::kNullValue) continue;
    if (auto taken = take_field(name, value, event, further); !taken)
      return fail(Errc::Invalid, "field " + escape_controls(name) + ": " + taken.error().what());
  }
  if (further.values.fields_size() > 0) {
    std::string text;
    const auto printed = json::util::MessageToJsonString(further.values, &text);
    if (!printed.ok()) return fail(Errc::Invalid, "holds what is no JSON");
    event.mutable_process()->set_platform_data(std::move(text));
  }
  complete(event, further, number, now_ms);
  return event;
}

Result<Recording> Recording::open(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const int error = errno;
  if (file && file.peek() != std::ifstream::traits_type::eof()) return Recording(path, std::move(file));
  if (file) return fail(Errc::Invalid, path + " has no events in it");
  const Errc code = error == ENOENT ? Errc::NotFound : error == EACCES ? Errc::Denied : Errc::Io;
  return fail(code, "read " + path, std::error_code(error, std::generic_category()));
}

Result<std::string_view> Recording::next_line() {
  for (;;) {
    file_.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    std::string_view line(buffer_.data(), static_cast<std::size_t>(file_.gcount()));
    if (file_.bad()) return fail(Errc::Io, "read " + path_);
    if (line.empty() && file_.eof()) return line;
    ++lines_;
    if (!file_.eof() && file_.fail())
      return fail(Errc::TooLarge, path_ + ":" + std::to_string(lines_) + ": a line of more than 1 MiB");
    if (!file_.eof()) line.remove_suffix(1);  // The newline, which is counted.
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") != std::string_view::npos) return line;
    empty_.push_back(events_);
  }
}

Result<bool> Recording::next(pb::ProcessEvent& event, std::int64_t now_ms) {
  DE_TRY(line, next_line());
  if (line.empty()) return false;
  auto parsed = parse_event(line, ++events_, now_ms);
  if (!parsed) return fail(parsed.error().code(), path_ + ":" + std::to_string(lines_) + ": " + parsed.error().what());
  event = std::move(*parsed);
  return true;
}

std::uint64_t Recording::line_of(std::uint64_t number) const {
  return number + static_cast<std::uint64_t>(std::ranges::lower_bound(empty_, number) - empty_.begin());
}

}  // namespace de::replay
