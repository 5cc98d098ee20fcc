// Writes one result as it arrives: columns once, rows page by page, then the end. Never holds more than the first page.
//
// Thread: any; one owner at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"

namespace de::render {

enum class Format : std::uint8_t { Table, Json, Jsonl, Csv, Markdown, Line };

struct Options {
  Format format = Format::Table;
  bool color = false;
  std::size_t width = 0;  // Columns of the terminal; 0: not a terminal, nothing is cut.
  std::string query;      // What was asked, for JSON.
};

// How an answer ended.
struct Summary {
  std::uint64_t execution_us = 0;
  bool complete = false;
  std::vector<pb::Reason> reasons;  // Why not.
};

// Takes finished text, whole lines at a time. Its error ends the rendering and is passed on.
using Write = std::function<Result<>(std::string_view)>;

class Renderer {
 public:
  Renderer(Options options, Write write);

  // Errc::Corrupt when columns come twice, rows come before them, or a row has another number of values.
  Result<> columns(std::vector<std::string> names);
  Result<> rows(const pb::RowPage& page);
  // Completes the document. Without columns there was no result: only JSON says so, as a document without rows.
  Result<> finish(const Summary& summary);

  bool has_columns() const { return started_; }
  std::uint64_t row_count() const { return row_count_; }

 private:
  struct Layout {
    std::size_t width = 0;
    bool right = false;  // Numbers.
  };

  std::string opening() const;
  std::string closing(const Summary& summary) const;
  void append_row(std::string& out, const pb::Row& row) const;
  void append_json_row(std::string& out, const pb::Row& row) const;
  void append_json_object(std::string& out, const pb::Row& row) const;
  void append_csv_row(std::string& out, const pb::Row& row) const;
  void append_markdown_row(std::string& out, const pb::Row& row) const;
  void append_line_row(std::string& out, const pb::Row& row) const;

  void lay_out(const pb::RowPage* first_page);
  void shrink_to_screen();
  std::string table_head() const;
  void append_table_row(std::string& out, const pb::Row& row) const;
  void append_table_cell(std::string& out, std::size_t column, std::string_view text, std::string_view color) const;

  Options options_;
  Write write_;
  std::vector<std::string> names_;
  std::vector<Layout> layout_;  // Of a table; empty until the first page.
  std::uint64_t row_count_ = 0;
  bool started_ = false;
};

}  // namespace de::render
