// The table format: columns as wide as the first page needs, cut only where a terminal would wrap.
#include <algorithm>

#include "render/cell.h"
#include "render/renderer.h"

namespace de::render {
namespace {

constexpr std::size_t kGap = 2;                    // Between two columns.
constexpr std::size_t kNarrowest = 8;              // A column is not cut below this.
constexpr std::size_t kWidestPadding = 80;         // Without a terminal: one long cell must not blow up every row.
constexpr std::string_view kCut = "\xE2\x80\xA6";  // One column wide.

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kReset = "\x1b[0m";

struct ColorOf {
  std::string_view text;
  std::string_view color;
};
constexpr ColorOf kSeverityColors[] = {
    {"critical", "\x1b[1;31m"}, {"high", "\x1b[31m"}, {"medium", "\x1b[33m"}, {"low", "\x1b[36m"}};

bool is_number(const pb::Value& value) {
  return value.kind_case() == pb::Value::kInteger || value.kind_case() == pb::Value::kReal;
}

std::string_view color_of(std::string_view column, const pb::Value& value) {
  if (value.kind_case() == pb::Value::KIND_NOT_SET) return kDim;
  if (column != "severity") return {};
  for (const ColorOf& row : kSeverityColors)
    if (value.text() == row.text) return row.color;
  return {};
}

}  // namespace

void Renderer::lay_out(const pb::RowPage* first_page) {
  layout_.assign(names_.size(), {});
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Layout& column = layout_[i];
    column.width = columns_of(visible(names_[i]));
    if (first_page == nullptr) continue;
    bool any = false;
    bool numbers = true;
    for (const pb::Row& row : first_page->rows()) {
      const pb::Value& value = row.values(static_cast<int>(i));
      column.width = std::max(column.width, columns_of(plain(value)));
      if (value.kind_case() == pb::Value::KIND_NOT_SET) continue;
      any = true;
      numbers = numbers && is_number(value);
    }
    column.right = any && numbers;
  }
  if (options_.width > 0) return shrink_to_screen();
  for (Layout& column : layout_) column.width = std::min(column.width, kWidestPadding);
}

// Takes columns away from the widest until the row fits. Many columns on a narrow screen do not; then lines wrap.
void Renderer::shrink_to_screen() {
  std::size_t total = (layout_.size() - 1) * kGap;
  for (const Layout& column : layout_) total += column.width;
  while (total > options_.width) {
    const auto widest = std::ranges::max_element(layout_, {}, &Layout::width);
    if (widest->width <= kNarrowest) return;
    // Down to the next narrower one in a single step: a cell may be 64 KiB wide.
    std::size_t next = kNarrowest;
    std::size_t equals = 0;
    for (const Layout& column : layout_) {
      if (column.width == widest->width) ++equals;
      if (column.width < widest->width) next = std::max(next, column.width);
    }
    const std::size_t excess = total - options_.width;
    const std::size_t step = std::max<std::size_t>(1, std::min(widest->width - next, excess / equals));
    widest->width -= step;
    total -= step;
  }
}

std::string Renderer::table_head() const {
  std::string out;
  for (std::size_t i = 0; i < names_.size(); ++i) append_table_cell(out, i, visible(names_[i]), kBold);
  out += '\n';
  for (std::size_t i = 0; i < names_.size(); ++i) {
    out += std::string(layout_[i].width, '-');
    if (i + 1 < names_.size()) out += std::string(kGap, ' ');
  }
  return out + "\n";
}

void Renderer::append_table_row(std::string& out, const pb::Row& row) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const pb::Value& value = row.values(static_cast<int>(i));
    append_table_cell(out, i, plain(value), color_of(names_[i], value));
  }
  out += '\n';
}

void Renderer::append_table_cell(std::string& out, std::size_t column, std::string_view text,
                                 std::string_view color) const {
  const Layout& layout = layout_[column];
  const bool last = column + 1 == names_.size();
  std::size_t columns = columns_of(text);
  const bool cut = options_.width > 0 && columns > layout.width;
  if (cut) {
    text = fit(text, layout.width - 1);
    columns = columns_of(text) + 1;
  }
  const std::string padding(layout.width > columns ? layout.width - columns : 0, ' ');
  if (layout.right) out += padding;
  const bool colored = options_.color && !color.empty();
  if (colored) out += color;
  out += text;
  if (cut) out += kCut;
  if (colored) out += kReset;
  if (last) return;
  if (!layout.right) out += padding;
  out += std::string(kGap, ' ');
}

}  // namespace de::render
