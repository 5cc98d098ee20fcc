// The writer's side of a day's dictionary: which byte strings have an id, and which are worth one.
//
// A string gets an id at its second sight; until then it is written in place. Most command lines come once, and an
// entry of its own costs more than it saves. Ids are never reused, also not after a failed transaction.
//
// Thread: writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "store/siphash.h"

namespace de::store {

class Dictionary {
 public:
  explicit Dictionary(std::uint64_t next_id) : next_id_(next_id) {}

  // The id to write instead of `bytes`, or nothing: write them in place.
  std::optional<std::uint64_t> id_of(std::string_view bytes);

  // Entries to be written in the transaction that first uses their ids.
  const std::vector<std::pair<std::uint64_t, std::string>>& staged() const { return staged_; }
  void committed() { staged_.clear(); }
  void rolled_back();
  std::uint64_t next_id() const { return next_id_; }

 private:
  SipHash hash_;
  std::uint64_t next_id_;
  std::unordered_map<std::uint64_t, std::uint64_t> ids_;  // Hash of the bytes to id; at most kMaxIds.
  std::unordered_set<std::uint64_t> seen_once_;           // At most kMaxIds, then it starts over.
  std::vector<std::pair<std::uint64_t, std::string>> staged_;
};

}  // namespace de::store
