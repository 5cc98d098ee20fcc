#include "store/event_summary.h"

#include <algorithm>

#include "daemoneye/crypto/siphash.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr unsigned kProbes = 6;
constexpr std::size_t kBitsPerKey = 10;
// Five values of each row at most.
constexpr std::size_t kMaxBloomBytes = kMaxBlockRows * 5 * kBitsPerKey / 8 + 8;

// Part of the format: what the number is of keeps a pid from being found as a ppid.
enum class Kind : std::uint64_t { Pid = 1, Ppid = 2, Uid = 3, Name = 4, Hash = 5 };

std::uint64_t hash_of(Kind kind, std::string_view bytes) {
  // With a fixed key: the hash is written to disk. Whoever crafts collisions makes a reader open a block in vain.
  return crypto::SipHash(0x6461656d6f6e6579, static_cast<std::uint64_t>(kind))(bytes);
}

std::uint64_t hash_of(Kind kind, std::uint64_t number) {
  std::string bytes;
  put_varint(bytes, number);
  return hash_of(kind, bytes);
}

std::uint64_t type_bit(std::uint64_t type) { return 1ULL << std::min<std::uint64_t>(type, 31); }

std::size_t bit_of(std::uint64_t hash, unsigned probe, std::size_t bits) {
  return static_cast<std::size_t>((hash & 0xFFFFFFFF) + probe * (hash >> 32 | 1)) % bits;
}

std::string bloom_of(std::vector<std::uint64_t>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::string bloom((keys.size() * kBitsPerKey + 7) / 8, '\0');
  for (const std::uint64_t key : keys) {
    for (unsigned probe = 0; probe < kProbes; ++probe) {
      const std::size_t bit = bit_of(key, probe, bloom.size() * 8);
      bloom[bit / 8] = static_cast<char>(bloom[bit / 8] | 1 << (bit % 8));
    }
  }
  return bloom;
}

bool may_contain(std::string_view bloom, std::uint64_t key) {
  if (bloom.empty()) return false;
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const std::size_t bit = bit_of(key, probe, bloom.size() * 8);
    if ((static_cast<unsigned char>(bloom[bit / 8]) >> (bit % 8) & 1) == 0) return false;
  }
  return true;
}

}  // namespace

EventSummary summarize(const EventRows& rows) {
  EventSummary out;
  out.rows = rows.rows().size();
  out.first_ms = UINT64_MAX;
  for (const EventRows::Row& row : rows.rows()) {
    out.last_position = std::max(out.last_position, row.position);
    out.first_ms = std::min(out.first_ms, row.filed_ms);
    out.last_ms = std::max(out.last_ms, row.filed_ms);
    out.types |= type_bit(row.type);
  }
  std::vector<std::uint64_t> keys;
  for (const Life& life : rows.lives()) {
    keys.push_back(hash_of(Kind::Pid, life.pid));
    if (life.ppid) keys.push_back(hash_of(Kind::Ppid, *life.ppid));
    if (!life.uid.empty()) keys.push_back(hash_of(Kind::Uid, life.uid));
  }
  for (const EventRows::Image& image : rows.images()) {
    if (!image.name.empty()) keys.push_back(hash_of(Kind::Name, image.name));
    if (!image.hash.empty()) keys.push_back(hash_of(Kind::Hash, image.hash));
  }
  out.bloom = bloom_of(keys);
  return out;
}

std::string encode_summary(const EventSummary& summary) {
  std::string out;
  for (const std::uint64_t n : {summary.rows, summary.last_position, summary.first_ms, summary.last_ms, summary.types})
    put_varint(out, n);
  put_bytes(out, summary.bloom);
  return out;
}

Result<EventSummary> decode_summary(std::string_view payload) {
  Reader reader(payload);
  EventSummary out;
  out.rows = reader.varint();
  out.last_position = reader.varint();
  out.first_ms = reader.varint();
  out.last_ms = reader.varint();
  out.types = reader.varint();
  const std::string_view bloom = reader.bytes();
  if (!reader.finished() || out.rows > kMaxBlockRows || bloom.size() > kMaxBloomBytes)
    return fail(Errc::Corrupt, "event summary: malformed");
  out.bloom = bloom;
  return out;
}

SummaryTest::SummaryTest(const EventFilter& filter)
    : from_ms_(static_cast<std::uint64_t>(filter.from_ms)),
      to_ms_(static_cast<std::uint64_t>(filter.to_ms)),
      after_(filter.after),
      types_(filter.type ? type_bit(static_cast<std::uint64_t>(static_cast<std::int64_t>(*filter.type))) : ~0ULL) {
  if (filter.pid) keys_.push_back(hash_of(Kind::Pid, *filter.pid));
  if (filter.ppid) keys_.push_back(hash_of(Kind::Ppid, *filter.ppid));
  if (!filter.process_uid.empty()) keys_.push_back(hash_of(Kind::Uid, filter.process_uid));
  if (!filter.name.empty()) keys_.push_back(hash_of(Kind::Name, filter.name));
  if (!filter.executable_hash.empty()) keys_.push_back(hash_of(Kind::Hash, filter.executable_hash));
}

bool SummaryTest::may_hold(const EventSummary& summary) const {
  if (summary.last_ms < from_ms_ || summary.first_ms >= to_ms_) return false;
  if (summary.last_position <= after_ || (summary.types & types_) == 0) return false;
  return std::all_of(keys_.begin(), keys_.end(),
                     [&summary](std::uint64_t key) { return may_contain(summary.bloom, key); });
}

}  // namespace de::store
