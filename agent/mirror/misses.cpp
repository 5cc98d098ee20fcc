#include "mirror/misses.h"

#include <algorithm>
#include <bit>
#include <variant>

#include "daemoneye/schema/event_columns.h"

namespace de::mirror {
namespace {

constexpr std::size_t kWordBits = 64;

EventColumns find_columns(std::span<const std::string_view> names) {
  const auto columns = schema::event_columns();
  EventColumns found;
  for (std::size_t i = 0; i < columns.size() && i < kMaxEventColumns; ++i)
    found.set(i, std::ranges::find(names, columns[i].name) != names.end());
  return found;
}

// With its length, so that no two lists of values look alike.
void append_text(std::string& out, char type, std::string_view text) {
  const std::uint64_t size = text.size();
  out += type;
  out.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
}

}  // namespace

std::size_t command_line_column() {
  static const auto column = static_cast<std::size_t>(
      std::ranges::find(schema::event_columns(), "command_line", [](const auto& c) { return c.name; }) -
      schema::event_columns().begin());
  return column;
}

Misses::Misses() : own_(find_columns(kOwn)), arguments_(find_columns(kArguments)) { own_.set(kNoEventColumn); }

void Misses::Table::reset(std::size_t words) {
  words_ = words;
  const std::size_t entry_bytes = sizeof(Key) + words * sizeof(std::uint64_t);
  sets_ = std::bit_floor(std::clamp<std::size_t>(kMaxBytes / entry_bytes / kWays, 1, 1'024));
  keys_.assign(sets_ * kWays, Key());
  bits_.assign(sets_ * kWays * words, 0);
  next_.assign(sets_, 0);
}

const std::uint64_t* Misses::Table::find(const Key& key) const {
  const std::size_t first = (key.low & (sets_ - 1)) * kWays;
  for (std::size_t i = first; i < first + kWays; ++i)
    if (keys_[i] == key) return bits_.data() + i * words_;
  return nullptr;
}

std::uint64_t* Misses::Table::find_or_add(const Key& key) {
  const std::size_t set = key.low & (sets_ - 1);
  for (std::size_t i = set * kWays; i < (set + 1) * kWays; ++i)
    if (keys_[i] == key) return bits_.data() + i * words_;
  const std::size_t at = set * kWays + next_[set];
  next_[set] = (next_[set] + 1) % kWays;
  keys_[at] = key;
  std::uint64_t* bits = bits_.data() + at * words_;
  std::fill_n(bits, words_, 0);
  return bits;
}

void Misses::reset(std::size_t statements) {
  statements_ = statements;
  words_ = (statements + kWordBits - 1) / kWordBits;
  use({});
  kinds_.reset(words_);
  wholes_.reset(words_);
  keys_.clear();
  known_.clear();
}

Misses::Key Misses::hash(std::string_view bytes) const { return {high_(bytes), low_(bytes)}; }

void Misses::use(const EventColumns& columns) {
  used_ = columns;
  kind_columns_.clear();
  argument_columns_.clear();
  for (std::size_t i = 0; i < kMaxEventColumns; ++i)
    if (used_[i]) (arguments_[i] ? argument_columns_ : kind_columns_).push_back(i);
}

void Misses::append(std::span<const std::size_t> columns, const pb::ProcessEvent& event,
                    std::string_view command_line) {
  const auto all = schema::event_columns();
  for (const std::size_t i : columns) {
    if (i == command_line_column()) {
      append_text(text_, event.process().command_line_size() > 0 ? 't' : 'n', command_line);
      continue;
    }
    const schema::Cell cell = all[i].read(event);
    if (const auto* view = std::get_if<std::string_view>(&cell)) append_text(text_, 't', *view);
    if (const auto* text = std::get_if<std::string>(&cell)) append_text(text_, 't', *text);
    if (const auto* integer = std::get_if<std::int64_t>(&cell))
      append_text(text_, 'i', {reinterpret_cast<const char*>(integer), sizeof *integer});
    if (const auto* real = std::get_if<double>(&cell))
      append_text(text_, 'r', {reinterpret_cast<const char*>(real), sizeof *real});
    if (std::holds_alternative<std::monostate>(cell)) text_ += 'n';
  }
}

Misses::Keys Misses::keys_of(const EventRow& event, std::string_view command_line) {
  Keys keys;
  text_.clear();
  append(kind_columns_, *event.event, {});
  keys.kind = hash(text_);
  append(argument_columns_, *event.event, command_line);
  keys.whole = hash(text_);
  return keys;
}

void Misses::load(std::span<const EventRow> events, const CommandLine& command_line) {
  keys_.clear();
  known_.assign(events.size() * words_, 0);
  if (words_ == 0) return;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto line = command_line(i);
    const Keys& keys = keys_.emplace_back(line ? keys_of(events[i], *line) : Keys());
    if (!line) continue;
    for (const std::uint64_t* bits : {kinds_.find(keys.kind), wholes_.find(keys.whole)})
      for (std::size_t word = 0; bits != nullptr && word < words_; ++word) known_[i * words_ + word] |= bits[word];
  }
}

bool Misses::knows(std::size_t statement, std::size_t event) const {
  if (statement >= statements_ || event >= keys_.size()) return false;
  return (known_[event * words_ + statement / kWordBits] >> (statement % kWordBits) & 1) != 0;
}

void Misses::note(std::size_t statement, std::size_t event, const EventColumns& read) {
  if (statement >= statements_ || (read & own_).any()) return;
  if ((read & ~used_).any()) {
    // Keys of more columns from the next events on; under the ones there are nothing can be found any more.
    const EventColumns more = used_ | read;
    reset(statements_);
    use(more);
    return;
  }
  if (event >= keys_.size()) return;
  const Keys& keys = keys_[event];
  std::uint64_t* bits = (read & arguments_).none() ? kinds_.find_or_add(keys.kind) : wholes_.find_or_add(keys.whole);
  bits[statement / kWordBits] |= std::uint64_t{1} << (statement % kWordBits);
}

}  // namespace de::mirror
