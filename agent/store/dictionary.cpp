#include "store/dictionary.h"

namespace de::store {
namespace {

constexpr std::size_t kMinBytes = 6;      // Below, an id and its entry are longer than the bytes.
constexpr std::size_t kMaxBytes = 16384;  // A huge command line twice is cheaper than a huge entry kept in memory.
constexpr std::size_t kMaxIds = 32768;    // 2 MiB of memory in each of the two tables.
constexpr std::size_t kMaxStagedBytes = 4 << 20;  // While no transaction succeeds.

}  // namespace

std::optional<std::uint64_t> Dictionary::id_of(std::string_view bytes) {
  if (bytes.size() < kMinBytes || bytes.size() > kMaxBytes) return std::nullopt;
  const std::uint64_t hash = hash_(bytes);
  if (const auto known = ids_.find(hash); known != ids_.end()) return known->second;
  if (ids_.size() >= kMaxIds || staged_bytes_ >= kMaxStagedBytes) return std::nullopt;
  if (seen_once_.erase(hash) == 0) {
    if (seen_once_.size() >= kMaxIds) seen_once_.clear();
    seen_once_.insert(hash);
    return std::nullopt;
  }
  const std::uint64_t id = next_id_++;
  ids_.emplace(hash, id);
  staged_.emplace_back(id, std::string(bytes));
  staged_bytes_ += bytes.size();
  return id;
}

void Dictionary::committed() {
  staged_.clear();
  staged_bytes_ = 0;
}

}  // namespace de::store
