// Reads the columns of a block: first the numbers, to see which events are asked for, then the texts of those.
//
// Nothing that is read here is believed: a number may lead nowhere, a column may end early. Both are Corrupt.
//
// Thread: any; an object belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/process.pb.h"
#include "daemoneye/schema/event_columns.h"
#include "store/event_columns.h"
#include "store/store.h"
#include "store/value.h"

namespace de::store {

class EventRows {
 public:
  static_assert(kMaxBlockRows <= UINT16_MAX);  // There are as many texts and lives at most.
  using Texts = std::array<std::uint16_t, kTextCount>;
  // Kept small: a thousand of them are made for a look at one.
  struct Row {
    std::uint64_t position = 0;
    std::uint64_t filed_ms = 0;
    std::uint64_t type = 0;
    std::uint64_t time_ms = 0;
    std::uint64_t sequence = 0;
    std::uint64_t boot_ns = 0;
    std::uint64_t duration_ms = 0;
    std::uint64_t collection_ms = 0;
    std::uint64_t exec_seq = 0;
    std::uint32_t exit_code = 0;
    std::uint32_t exit_signal = 0;
    Texts text{};
    std::uint16_t life = 0;
    std::uint8_t flags = 0;
  };
  struct Image {
    std::string_view name;
    std::string_view hash;
  };

  // Of a whole block or of joined pieces.
  static Result<std::unique_ptr<EventRows>> of(EventColumns columns);
  // Without the texts that no filter asks for: unpack_texts() before event(). Of other parts than `parts` nothing is
  // unpacked at all.
  static Result<std::unique_ptr<EventRows>> of(const PackedColumns& block, Unpacker& unpacker,
                                               schema::EventParts parts);
  Result<> unpack_texts(const PackedColumns& block, Unpacker& unpacker);
  // With kWhoPart, but without all: a process_uid of an odd length is in none of the parts that were read.
  bool has_uids_as_text() const;

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Life>& lives() const { return lives_; }  // Views into this object.
  std::vector<Image> images() const;
  std::size_t bytes() const;

  // Numbers of the rows that a filter wants, with positions in (filter.after, upto].
  std::vector<std::uint32_t> select(const EventFilter& filter, std::uint64_t upto) const;
  // Leaves of `rows` those of which some text passes. After unpack_texts().
  void keep(std::vector<std::uint32_t>& rows, const std::function<bool(std::string_view)>& passes) const;
  // Corrupt when the texts do not parse.
  Result<> event(std::uint32_t row, pb::ProcessEvent& out);
  std::string_view collector(std::uint32_t row) const { return text_of(rows_[row], Text::Collector); }

  EventRows(const EventRows&) = delete;
  EventRows& operator=(const EventRows&) = delete;

 private:
  struct Last {
    Texts text{};
    std::uint64_t exec_seq = 0;
  };
  // Where the columns are read, and what their differences refer to.
  struct Decoding;

  explicit EventRows(schema::EventParts parts) : parts_(parts) {}
  bool has(schema::EventParts parts) const { return (parts_ & parts) == parts; }
  bool is_read(Column column) const;
  bool is_read(Text which) const { return is_read(reference_column(static_cast<std::size_t>(which))); }
  Result<> decode();
  void decode_numbers(Decoding& at, Row& row) const;
  void decode_life(Decoding& at, Row& row);
  void decode_new_life(Decoding& at, const Row& row);
  void decode_parent(Decoding& at, std::uint64_t flags, Life& life) const;
  std::string_view uid_at(std::uint64_t number) const;
  Result<> find_texts(Text which);
  std::string_view text_of(const Row& row, Text which) const {
    if (texts_[static_cast<std::size_t>(which)].empty()) return {};  // Not read.
    return texts_[static_cast<std::size_t>(which)][row.text[static_cast<std::size_t>(which)]];
  }

  const schema::EventParts parts_;
  EventColumns columns_;
  std::vector<Row> rows_;
  std::vector<Life> lives_;
  std::array<std::uint32_t, kTextCount> text_counts_{};
  std::array<std::vector<std::string_view>, kTextCount> texts_;
  std::string process_;
  std::string event_;
};

}  // namespace de::store
