// The text of a configuration file as lines and characters, for putting something in its place.
//
// Thread: any (values).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace de::console {

class TextLines {
 public:
  // What a column counts: the library for YAML counts bytes, that for TOML characters.
  enum class Columns : bool { Bytes, Characters };
  TextLines(std::string text, Columns columns);

  const std::string& text() const { return text_; }
  std::size_t count() const { return starts_.size(); }
  // NUL behind the end.
  char at(std::size_t offset) const { return offset < text_.size() ? text_[offset] : '\0'; }
  // Of a place as a tree has it, from 1. The end of the text when there is no such place.
  std::size_t offset(int line, int column) const;
  std::size_t skip_blanks(std::size_t offset) const;
  std::size_t indent_of(std::size_t line) const;

  // Where a value that begins at `begin` ends; nothing when that is not plain to see (blocks, several lines, anchors).
  std::optional<std::size_t> end_of_value(std::size_t begin, bool in_braces) const;

  // A line in [from, to) that has `name` as a key behind a '#'.
  std::optional<std::size_t> find_commented(std::string_view name, std::size_t from, std::size_t to) const;
  // "[name]" of TOML; the first of any name when it is empty.
  std::optional<std::size_t> find_header(std::string_view name) const;
  // The first line behind `header` that begins something else.
  std::size_t end_of_section(std::size_t header) const;

  // The text with [begin, end) exchanged, or with a line more.
  std::string with(std::size_t begin, std::size_t end, std::string_view put) const;
  std::string with_line_after(std::size_t line, const std::string& put) const;
  std::string with_line_before(std::size_t line, const std::string& put) const;
  std::string with_lines_at_end(const std::string& put) const;

 private:
  std::string_view line(std::size_t index) const;  // Without its end.
  std::optional<std::size_t> end_of_quotes(std::size_t begin) const;
  std::optional<std::size_t> end_of_brackets(std::size_t begin) const;

  std::string text_;
  Columns columns_;
  std::vector<std::size_t> starts_;
};

}  // namespace de::console
