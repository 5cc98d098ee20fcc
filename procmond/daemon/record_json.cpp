#include "daemon/record_json.h"

#include "daemoneye/base/text.h"
#include "daemoneye/schema/process_columns.h"

namespace de::daemon {
namespace {

struct AppendCell {
  std::string& out;
  void operator()(std::monostate) const { out += "null"; }
  void operator()(std::int64_t number) const { out += std::to_string(number); }
  void operator()(double number) const { append_json_number(out, number); }
  void operator()(std::string_view text) const { append_json_string(out, text); }
};

}  // namespace

std::string to_json(const pb::ProcessRecord& record) {
  std::string out = "{";
  for (const auto& column : schema::process_columns()) {
    const schema::Cell cell = column.read(record);
    if (std::holds_alternative<std::monostate>(cell)) continue;
    if (out.size() > 1) out += ',';
    append_json_string(out, column.name);
    out += ':';
    // These are JSON already.
    const bool raw = column.name == "argv" || column.name == "environment" || column.name == "namespaces";
    if (const auto* text = std::get_if<std::string>(&cell); raw && text != nullptr) {
      out += *text;
    } else {
      std::visit(AppendCell{out}, cell);
    }
  }
  out += '}';
  return out;
}

}  // namespace de::daemon
