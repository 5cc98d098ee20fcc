#include "console/text_lines.h"

#include <algorithm>

namespace de::console {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

}  // namespace

TextLines::TextLines(std::string text, Columns columns) : text_(std::move(text)), columns_(columns) {
  for (std::size_t start = 0; start < text_.size();) {
    starts_.push_back(start);
    const std::size_t end = text_.find('\n', start);
    start = end == std::string::npos ? text_.size() : end + 1;
  }
}

std::string_view TextLines::line(std::size_t index) const {
  const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] : text_.size();
  std::string_view out = std::string_view(text_).substr(starts_[index], end - starts_[index]);
  while (out.ends_with('\n') || out.ends_with('\r')) out.remove_suffix(1);
  return out;
}

std::size_t TextLines::offset(int line, int column) const {
  if (line < 1 || column < 1 || static_cast<std::size_t>(line) > starts_.size()) return text_.size();
  std::size_t at = starts_[static_cast<std::size_t>(line - 1)];
  // Characters beyond ASCII are several bytes.
  for (int skipped = 1; skipped < column && at < text_.size(); ++skipped) {
    ++at;
    while (columns_ == Columns::Characters && at < text_.size() &&
           (static_cast<unsigned char>(text_[at]) & 0xC0U) == 0x80U)
      ++at;
  }
  return at;
}

std::size_t TextLines::skip_blanks(std::size_t offset) const {
  while (is_blank(at(offset))) ++offset;
  return offset;
}

std::size_t TextLines::indent_of(std::size_t index) const {
  const std::string_view text = line(index);
  return std::min(text.find_first_not_of(' '), text.size());
}

std::optional<std::size_t> TextLines::end_of_quotes(std::size_t begin) const {
  const char quote = at(begin);
  for (std::size_t i = begin + 1; i < text_.size() && text_[i] != '\n'; ++i) {
    if (text_[i] == '\\' && quote == '"') {
      ++i;
    } else if (text_[i] == quote) {
      // Doubled, it is part of a text in single quotes, or the begin of one with many lines.
      if (at(i + 1) == quote) return std::nullopt;
      return i + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> TextLines::end_of_brackets(std::size_t begin) const {
  std::size_t open = 0;
  for (std::size_t i = begin; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '#') return std::nullopt;  // A comment inside is somebody's, too.
    if (c == '"' || c == '\'') {
      const auto end = end_of_quotes(i);
      if (!end) return std::nullopt;
      i = *end - 1;
    } else if (c == '[' || c == '{') {
      ++open;
    } else if ((c == ']' || c == '}') && --open == 0) {
      return i + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> TextLines::end_of_value(std::size_t begin, bool in_braces) const {
  const char first = at(begin);
  if (first == '"' || first == '\'') return end_of_quotes(begin);
  if (first == '[' || first == '{') return end_of_brackets(begin);
  if (std::string_view("|>&*!-\n#").find(first) != std::string_view::npos || first == '\0') return std::nullopt;
  std::size_t end = begin;
  for (std::size_t i = begin; i < text_.size() && text_[i] != '\n' && text_[i] != '\r'; ++i) {
    if (text_[i] == '#' && is_blank(text_[i - 1])) break;
    if (in_braces && (text_[i] == ',' || text_[i] == '}' || text_[i] == ']')) break;
    if (!is_blank(text_[i])) end = i + 1;
  }
  return end;
}

std::optional<std::size_t> TextLines::find_commented(std::string_view name, std::size_t from, std::size_t to) const {
  for (std::size_t i = from; i < std::min(to, starts_.size()); ++i) {
    std::string_view rest = without_blanks(line(i));
    if (!rest.starts_with('#')) continue;
    rest = without_blanks(rest.substr(1));
    if (!rest.starts_with(name)) continue;
    rest = without_blanks(rest.substr(name.size()));
    if (rest.starts_with(':') || rest.starts_with('=')) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> TextLines::find_header(std::string_view name) const {
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    std::string_view rest = without_blanks(line(i));
    if (!rest.starts_with('[')) continue;
    if (name.empty()) return i;
    rest = without_blanks(rest.substr(1));
    if (!rest.starts_with(name)) continue;
    if (without_blanks(rest.substr(name.size())).starts_with(']')) return i;
  }
  return std::nullopt;
}

std::size_t TextLines::end_of_section(std::size_t header) const {
  // In TOML what belongs to a section is not indented; only the next header ends it.
  const bool is_header = without_blanks(line(header)).starts_with('[');
  for (std::size_t i = header + 1; i < starts_.size(); ++i) {
    const std::string_view text = line(i);
    if (text.empty() || text[0] == '#' || is_blank(text[0])) continue;
    if (!is_header || text[0] == '[') return i;
  }
  return starts_.size();
}

std::string TextLines::with(std::size_t begin, std::size_t end, std::string_view put) const {
  return text_.substr(0, begin) + std::string(put) + text_.substr(std::min(end, text_.size()));
}

std::string TextLines::with_line_before(std::size_t index, const std::string& put) const {
  return with(starts_[index], starts_[index], put + "\n");
}

std::string TextLines::with_line_after(std::size_t index, const std::string& put) const {
  return index + 1 < starts_.size() ? with_line_before(index + 1, put) : with_lines_at_end(put);
}

std::string TextLines::with_lines_at_end(const std::string& put) const {
  return text_ + (text_.empty() || text_.ends_with('\n') ? "" : "\n") + put + "\n";
}

}  // namespace de::console
