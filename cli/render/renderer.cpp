#include "render/renderer.h"

#include <algorithm>

#include "daemoneye/base/text.h"
#include "render/cell.h"

namespace de::render {
namespace {

constexpr std::size_t kMaxColumns = 2000;  // SQLite's own limit.

// Two columns of one name (SELECT a.pid, b.pid) would lose one of them in a JSON object.
std::vector<std::string> made_unique(std::vector<std::string> names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string base = names[i];
    for (int copy = 2; std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                       names.begin() + static_cast<std::ptrdiff_t>(i);
         ++copy)
      names[i] = base + ":" + std::to_string(copy);
  }
  return names;
}

}  // namespace

Renderer::Renderer(Options options, Write write) : options_(std::move(options)), write_(std::move(write)) {}

Result<> Renderer::columns(std::vector<std::string> names) {
  if (started_) return fail(Errc::Corrupt, "columns came twice");
  if (names.empty() || names.size() > kMaxColumns)
    return fail(Errc::Corrupt, "a result of " + std::to_string(names.size()) + " columns");
  started_ = true;
  names_ = options_.format == Format::Jsonl ? made_unique(std::move(names)) : std::move(names);
  return write_(opening());
}

Result<> Renderer::rows(const pb::RowPage& page) {
  if (!started_) return fail(Errc::Corrupt, "rows came before columns");
  for (const pb::Row& row : page.rows()) {
    if (static_cast<std::size_t>(row.values_size()) != names_.size())
      return fail(Errc::Corrupt, "a row of " + std::to_string(row.values_size()) + " values under " +
                                     std::to_string(names_.size()) + " columns");
  }
  if (page.rows_size() == 0) return {};
  std::string out;
  if (options_.format == Format::Table && layout_.empty()) {
    lay_out(&page);
    out = table_head();
  }
  for (const pb::Row& row : page.rows()) {
    append_row(out, row);
    ++row_count_;
  }
  return write_(out);
}

Result<> Renderer::finish(const Summary& summary) {
  std::string out;
  if (!started_) {
    if (options_.format != Format::Json) return {};
    out = opening();
  } else if (options_.format == Format::Table && layout_.empty()) {
    lay_out(nullptr);
    out = table_head();
  }
  out += closing(summary);
  if (out.empty()) return {};
  return write_(out);
}

std::string Renderer::opening() const {
  std::string out;
  switch (options_.format) {
    case Format::Json:
      out = "{\"query\":";
      append_json(out, options_.query);
      out += ",\"columns\":[";
      for (const std::string& name : names_) {
        if (&name != names_.data()) out += ',';
        append_json(out, name);
      }
      out += "],\"rows\":[";
      break;
    case Format::Csv:
      for (const std::string& name : names_) {
        if (&name != names_.data()) out += ',';
        append_csv(out, name);
      }
      out += "\r\n";
      break;
    case Format::Markdown:
      out = "|";
      for (const std::string& name : names_) out += " " + markdown(visible(name)) + " |";
      out += "\n|";
      for (std::size_t i = 0; i < names_.size(); ++i) out += " --- |";
      out += "\n";
      break;
    case Format::Table:
    case Format::Jsonl:
    case Format::Line:
      break;
  }
  return out;
}

std::string Renderer::closing(const Summary& summary) const {
  if (options_.format != Format::Json) return {};
  std::string out = row_count_ == 0 ? "]" : "\n]";
  out += ",\"row_count\":" + std::to_string(row_count_) + ",\"execution_time_ms\":";
  append_json_number(out, static_cast<double>(summary.execution_us) / 1000.0);
  out += ",\"completeness\":{\"status\":";
  out += summary.complete ? "\"complete\"" : "\"degraded\"";
  out += ",\"reasons\":[";
  bool first = true;
  for (const pb::Reason& reason : summary.reasons) {
    if (!first) out += ',';
    first = false;
    out += "{\"reason\":";
    append_json(out, reason.reason());
    out += ",\"collector\":";
    append_json(out, reason.collector());
    out += ",\"detail\":";
    append_json(out, reason.detail());
    out += '}';
  }
  return out + "]}}\n";
}

void Renderer::append_row(std::string& out, const pb::Row& row) const {
  switch (options_.format) {
    case Format::Table:
      return append_table_row(out, row);
    case Format::Json:
      return append_json_row(out, row);
    case Format::Jsonl:
      return append_json_object(out, row);
    case Format::Csv:
      return append_csv_row(out, row);
    case Format::Markdown:
      return append_markdown_row(out, row);
    case Format::Line:
      return append_line_row(out, row);
  }
}

void Renderer::append_json_row(std::string& out, const pb::Row& row) const {
  out += row_count_ == 0 ? "\n[" : ",\n[";
  for (int i = 0; i < row.values_size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, row.values(i));
  }
  out += ']';
}

void Renderer::append_json_object(std::string& out, const pb::Row& row) const {
  out += '{';
  for (int i = 0; i < row.values_size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, names_[static_cast<std::size_t>(i)]);
    out += ':';
    append_json(out, row.values(i));
  }
  out += "}\n";
}

void Renderer::append_csv_row(std::string& out, const pb::Row& row) const {
  for (int i = 0; i < row.values_size(); ++i) {
    if (i > 0) out += ',';
    append_csv(out, row.values(i));
  }
  out += "\r\n";
}

void Renderer::append_markdown_row(std::string& out, const pb::Row& row) const {
  out += '|';
  for (const pb::Value& value : row.values()) out += " " + markdown(plain(value)) + " |";
  out += '\n';
}

void Renderer::append_line_row(std::string& out, const pb::Row& row) const {
  std::size_t widest = 0;
  std::vector<std::string> shown;
  for (const std::string& name : names_) {
    shown.push_back(visible(name));
    widest = std::max(widest, columns_of(shown.back()));
  }
  if (row_count_ > 0) out += '\n';
  for (int i = 0; i < row.values_size(); ++i) {
    const std::string& name = shown[static_cast<std::size_t>(i)];
    out += std::string(widest - columns_of(name), ' ') + name + " = " + plain(row.values(i)) + "\n";
  }
}

}  // namespace de::render
