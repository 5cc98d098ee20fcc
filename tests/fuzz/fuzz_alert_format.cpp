// Any alert, in every format: nothing a terminal acts on, one line where it is to be one, balanced quotes and braces of
// JSON, balanced CSV quotes, no formula cell, no bar or equals sign of CEF that nobody escaped.
#include <string>
#include <string_view>

#include "daemoneye/base/utf8.h"

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

// Strings closed, no bare backslash at their end, braces and brackets in pairs: one object.
void check_json(std::string_view line) {
  std::string open;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (in_text && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      in_text = !in_text;
    } else if (!in_text && (line[i] == '{' || line[i] == '[')) {
      open += line[i] == '{' ? '}' : ']';
    } else if (!in_text && (line[i] == '}' || line[i] == ']')) {
      if (open.empty() || open.back() != line[i]) __builtin_trap();
      open.pop_back();
      if (open.empty() && i + 1 != line.size()) __builtin_trap();
    }
  }
  if (in_text || !open.empty()) __builtin_trap();
}

// Seven bars that nobody escaped, then fields whose equals signs are as many as there are keys.
void check_cef(std::string_view line) {
  std::size_t bars = 0;
  std::size_t at = 0;
  for (; at < line.size() && bars < 7; ++at) {
    if (line[at] == '\\') {
      if (++at == line.size() || (line[at] != '\\' && line[at] != '|')) __builtin_trap();
    } else if (line[at] == '|') {
      ++bars;
    }
  }
  if (bars != 7 || !line.starts_with("CEF:0|DaemonEye|") || line.substr(at, 3) != "rt=") __builtin_trap();
  for (; at < line.size(); ++at) {
    if (line[at] == '\\') {
      if (++at == line.size() || std::string_view("\\=nr").find(line[at]) == std::string_view::npos) __builtin_trap();
    } else if (line[at] == '=') {
      const std::size_t begin = line.find_last_of(" |", at) + 1;
      const std::string_view key = line.substr(begin, at - begin);
      if (key.size() < 2 || key.size() > 10) __builtin_trap();  // "rt" to "externalId".
      for (const char c : key)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) __builtin_trap();
    }
  }
}

void check_line(de::sink::Format format, const de::pb::Alert& alert) {
  const std::string record = de::sink::format_alert(format, alert);
  if (record.empty() || record.back() != '\n') __builtin_trap();
  const std::string_view line = std::string_view(record).substr(0, record.size() - 1);
  check_controls(line, false);
  if (de::to_valid_utf8(line) != line) __builtin_trap();
  if (format == de::sink::Format::Cef) {
    check_cef(line);
  } else {
    check_json(line);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  de::pb::Alert alert;
  if (!alert.ParseFromArray(data, static_cast<int>(size))) return 0;
  using de::sink::Format;
  for (const Format format : {Format::Json, Format::Cef, Format::Ecs, Format::Ocsf, Format::Stix})
    check_line(format, alert);
  const std::string human = de::sink::format_alert(de::sink::Format::Human, alert);
  if (!human.ends_with("\n\n")) __builtin_trap();
  check_controls(human, true);
  const std::string csv = de::sink::format_alert(de::sink::Format::Csv, alert);
  if (!csv.ends_with("\r\n")) __builtin_trap();
  check_controls(std::string_view(csv).substr(0, csv.size() - 2), true);
  check_csv(std::string_view(csv).substr(0, csv.size() - 2));
  return 0;
}
