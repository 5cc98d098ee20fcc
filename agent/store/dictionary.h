// The writer's side of a day's dictionary: which byte strings have an id, and which are worth one.
//
// A string gets an id at its second sight; until then it is written in place. Most command lines come once, and an
// entry of its own costs more than it saves. Ids are never reused.
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

#include "daemoneye/crypto/siphash.h"

namespace de::store {

class Dictionary {
 public:
  explicit Dictionary(std::uint64_t next_id) : next_id_(next_id) {}

  // The id to write instead of `bytes`, or nothing: write them in place.
  std::optional<std::uint64_t> id_of(std::string_view bytes);

  // Entries to be written by the next transaction. They stay until one is committed: what was encoded with their ids
  // may be written later than the transaction that failed.
  const std::vector<std::pair<std::uint64_t, std::string>>& staged() const { return staged_; }
  void committed();
  std::uint64_t next_id() const { return next_id_; }

 private:
  crypto::SipHash hash_;
  std::uint64_t next_id_;
  std::unordered_map<std::uint64_t, std::uint64_t> ids_;  // Hash of the bytes to id; at most kMaxIds.
  std::unordered_set<std::uint64_t> seen_once_;           // At most kMaxIds, then it starts over.
  std::vector<std::pair<std::uint64_t, std::string>> staged_;
  std::size_t staged_bytes_ = 0;
};

}  // namespace de::store
