// Writes events into columns, one after the other.
//
// A text or a life that the block has already seen is a number; event_rows.cpp reads them in the same order and knows
// what each number meant.
//
// Thread: writer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemoneye/crypto/siphash.h"
#include "daemoneye/process.pb.h"
#include "store/event_columns.h"

namespace de::store {

class EventBuilder {
 public:
  // TooLarge; Invalid when a text is not UTF-8 where it must be: what does not parse again would be lost. The block is
  // of no use after an error: clear() it.
  Result<> add(std::string_view collector, const pb::ProcessEvent& event, std::uint64_t position,
               std::uint64_t filed_ms);

  const EventColumns& columns() const { return columns_; }
  bool is_full() const { return columns_.rows >= kMaxBlockRows || bytes_ >= kFullBlockBytes; }
  void clear();

 private:
  // What the last event said: of a process, or of all.
  struct Last {
    std::array<std::uint32_t, kTextCount> text{};
    std::uint64_t exec_seq = 0;
  };
  struct Texts {
    std::unordered_map<std::uint64_t, std::uint32_t> numbers;  // By the hash of the bytes.
    std::vector<std::pair<std::size_t, std::size_t>> places;   // Offset and length within the column.
  };
  struct Uid {
    std::optional<std::uint64_t> pid;
  };

  void put(Column column, std::uint64_t value);
  void put_difference(Column column, std::uint64_t value, std::uint64_t expected);
  void put_numbers(std::uint64_t position, std::uint64_t filed_ms);
  Result<> put_text(std::size_t which, std::uint32_t& last);
  Last& put_life();
  void put_new_life();
  void put_parent();
  std::uint32_t uid_number(std::string_view uid, bool& is_new);
  bool parses(Text which);

  crypto::SipHash hash_;
  EventColumns columns_;
  std::size_t bytes_ = 0;  // Of the texts: what can make a block large.
  EventParts parts_;
  std::string serialized_;
  std::string life_key_;
  pb::ProcessEvent event_check_;
  pb::ProcessRecord record_check_;

  std::array<Texts, kTextCount> texts_;
  std::unordered_map<std::uint64_t, std::uint32_t> life_numbers_;  // Hash of all its fields.
  std::vector<Last> lives_;
  std::unordered_map<std::uint64_t, std::uint32_t> uid_numbers_;
  std::vector<Uid> uids_;
  Last last_;
  std::uint64_t position_ = 0;
  std::uint64_t boot_ns_ = 0;
  std::uint64_t boot_offset_ms_ = 0;
  std::uint64_t time_ms_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t pid_ = 0;
  std::uint64_t pidfs_ = 0;
  std::optional<std::uint32_t> parent_;  // Of the last new life.
};

}  // namespace de::store
