#include "sink/process_facts.h"

#include <algorithm>
#include <limits>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/uuid.h"

namespace de::sink {
namespace {

constexpr std::int64_t kEndOfYear9999 = 253'402'300'799'999;

// The first of a name, as in a row that SELECT * of a join brought.
const pb::Value* cell(const pb::Alert& alert, std::string_view column) {
  for (const pb::AlertField& field : alert.data())
    if (field.column() == column) return &field.value();
  return nullptr;
}

std::string cell_text(const pb::Alert& alert, std::string_view column) {
  const pb::Value* found = cell(alert, column);
  return found == nullptr ? std::string() : plain_text(*found);
}

std::optional<std::int64_t> cell_number(const pb::Alert& alert, std::string_view column, std::int64_t high) {
  const pb::Value* found = cell(alert, column);
  if (found == nullptr || !found->has_integer()) return {};
  if (found->integer() < 0 || found->integer() > high) return {};
  return found->integer();
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

std::int64_t printable_ms(std::int64_t unix_ms) { return std::clamp<std::int64_t>(unix_ms, 0, kEndOfYear9999); }

std::string plain_text(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      return std::to_string(value.integer());
    case pb::Value::kReal: {
      std::string out;
      append_json_number(out, value.real());
      return out;
    }
    case pb::Value::kText:
      return value.text();
    case pb::Value::kBlob:
      return to_hex(value.blob());
    case pb::Value::KIND_NOT_SET:
      break;
  }
  return {};
}

ProcessFacts process_facts(const pb::Alert& alert) {
  ProcessFacts out;
  out.pid = cell_number(alert, "pid", std::numeric_limits<std::int32_t>::max());
  out.uid = alert.process_uid();
  // A row without either can have a "name" that is one of a rule or a file.
  out.is_known = out.pid || !out.uid.empty();
  if (!out.is_known) return out;
  out.start_ms = cell_number(alert, "start_time_ms", kEndOfYear9999);
  out.name = cell_text(alert, "name");
  out.executable_path = cell_text(alert, "executable_path");
  out.command_line = cell_text(alert, "command_line");
  out.cwd = cell_text(alert, "cwd");
  if (std::string hash = cell_text(alert, "executable_hash"); is_sha256(hash)) out.sha256 = std::move(hash);
  out.user_id = cell_text(alert, "user_id");
  if (out.user_id.empty()) out.user_id = cell_text(alert, "uid");
  out.user_name = cell_text(alert, "user_name");
  out.container_id = cell_text(alert, "container_id");
  out.container_runtime = cell_text(alert, "container_runtime");
  return out;
}

std::string uid_of(const pb::Ancestor& ancestor) {
  crypto::Uuid uid{};
  if (ancestor.process_uid().size() != uid.size()) return {};
  std::ranges::copy(ancestor.process_uid(), uid.begin());
  return crypto::to_text(uid);
}

std::string_view file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos) return {};
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

}  // namespace de::sink
