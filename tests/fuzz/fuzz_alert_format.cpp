// Any alert, in every format: nothing a terminal acts on, one line of JSON, balanced CSV quotes, no formula cell.
#include <string>
#include <string_view>

#include "sink/format.h"

namespace {

void check_controls(std::string_view text, bool line_feeds) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n' && line_feeds) continue;
    if (c < 0x20 || c == 0x7F) __builtin_trap();
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) __builtin_trap();
  }
}

// Reads RFC 4180; a cell is what a spreadsheet sees, without the quotes around it.
void check_csv(std::string_view record) {
  std::size_t cells = 1;
  bool quoted = false;
  std::string cell;
  const auto end_cell = [&] {
    if (!cell.empty() && std::string_view("=+-@").find(cell[0]) != std::string_view::npos) __builtin_trap();
    cell.clear();
  };
  for (std::size_t i = 0; i < record.size(); ++i) {
    if (quoted && record[i] == '"' && i + 1 < record.size() && record[i + 1] == '"') {
      cell += record[i++];
    } else if (record[i] == '"') {
      quoted = !quoted;
    } else if (record[i] == ',' && !quoted) {
      end_cell();
      ++cells;
    } else {
      cell += record[i];
    }
  }
  end_cell();
  if (quoted || cells != 27) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  de::pb::Alert alert;
  if (!alert.ParseFromArray(data, static_cast<int>(size))) return 0;
  const std::string json = de::sink::format_alert(de::sink::Format::Json, alert);
  if (json.empty() || json.back() != '\n') __builtin_trap();
  check_controls(std::string_view(json).substr(0, json.size() - 1), false);
  const std::string human = de::sink::format_alert(de::sink::Format::Human, alert);
  if (!human.ends_with("\n\n")) __builtin_trap();
  check_controls(human, true);
  const std::string csv = de::sink::format_alert(de::sink::Format::Csv, alert);
  if (!csv.ends_with("\r\n")) __builtin_trap();
  check_controls(std::string_view(csv).substr(0, csv.size() - 2), true);
  check_csv(std::string_view(csv).substr(0, csv.size() - 2));
  return 0;
}
