#include "daemoneye/ledger/entry.h"

#include <algorithm>

#include "daemoneye/base/byte_order.h"

namespace de::ledger {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kActorLengthAt = 1 + 8 + 8;

// One hasher per thread and purpose: deriving the context key costs as much as hashing a short entry.
Digest hash_payload(std::string_view bytes) {
  thread_local crypto::Blake3 hash(kPayloadContext);
  hash.update(bytes);
  return hash.finish();
}

Digest hash_entry(std::string_view bytes) {
  thread_local crypto::Blake3 hash(kEntryContext);
  hash.update(bytes);
  return hash.finish();
}

void append_digest(std::string& out, const Digest& digest) { out.append(crypto::as_bytes(digest)); }

Digest load_digest(std::string_view bytes) {
  Digest digest;
  std::copy_n(bytes.begin(), digest.size(), reinterpret_cast<char*>(digest.data()));
  return digest;
}

// Where each field of an entry lies. Filled front to back; `total` is 0 while the bytes do not reach far enough.
struct Shape {
  std::size_t actor_at = 0;
  std::size_t actor_bytes = 0;
  std::size_t action_at = 0;
  std::size_t action_bytes = 0;
  std::size_t payload_at = 0;
  std::size_t payload_bytes = 0;
  std::size_t total = 0;
};

// Errors: Unsupported, TooLarge, Corrupt.
Result<Shape> measure(std::string_view bytes) {
  Shape shape;
  if (bytes.empty()) return shape;
  if (static_cast<std::uint8_t>(bytes[0]) != kEntryVersion)
    return fail(Errc::Unsupported, "entry version " + std::to_string(static_cast<std::uint8_t>(bytes[0])) +
                                       " (this program reads version 1)");
  if (bytes.size() < kActorLengthAt + 2) return shape;
  shape.actor_at = kActorLengthAt + 2;
  shape.actor_bytes = load_le<std::uint16_t>(bytes.data() + kActorLengthAt);
  if (shape.actor_bytes > kMaxActorBytes) return fail(Errc::TooLarge, "actor longer than 256 bytes");
  if (shape.actor_bytes == 0) return fail(Errc::Corrupt, "empty actor");

  const std::size_t action_length_at = shape.actor_at + shape.actor_bytes;
  if (bytes.size() < action_length_at + 2) return shape;
  shape.action_at = action_length_at + 2;
  shape.action_bytes = load_le<std::uint16_t>(bytes.data() + action_length_at);
  if (shape.action_bytes > kMaxActionBytes) return fail(Errc::TooLarge, "action longer than 64 bytes");
  if (shape.action_bytes == 0) return fail(Errc::Corrupt, "empty action");

  const std::size_t payload_length_at = shape.action_at + shape.action_bytes;
  if (bytes.size() < payload_length_at + 4) return shape;
  shape.payload_at = payload_length_at + 4;
  shape.payload_bytes = load_le<std::uint32_t>(bytes.data() + payload_length_at);
  if (shape.payload_bytes > kMaxPayloadBytes) return fail(Errc::TooLarge, "payload longer than 16384 bytes");
  shape.total = shape.payload_at + shape.payload_bytes + 3 * kHashBytes;
  return shape;
}

}  // namespace

Result<std::string> encode(Entry& entry) {
  if (entry.actor.empty()) return fail(Errc::Invalid, "ledger entry without an actor");
  if (entry.action.empty()) return fail(Errc::Invalid, "ledger entry without an action");
  if (entry.actor.size() > kMaxActorBytes) return fail(Errc::TooLarge, "actor longer than 256 bytes");
  if (entry.action.size() > kMaxActionBytes) return fail(Errc::TooLarge, "action longer than 64 bytes");
  if (entry.payload.size() > kMaxPayloadBytes) return fail(Errc::TooLarge, "payload longer than 16384 bytes");

  entry.payload_hash = hash_payload(entry.payload);
  std::string bytes;
  bytes.reserve(kMinEntryBytes + entry.actor.size() + entry.action.size() + entry.payload.size());
  bytes += static_cast<char>(kEntryVersion);
  append_le(bytes, entry.sequence);
  append_le(bytes, static_cast<std::uint64_t>(entry.time_ms));
  append_le(bytes, static_cast<std::uint16_t>(entry.actor.size()));
  bytes += entry.actor;
  append_le(bytes, static_cast<std::uint16_t>(entry.action.size()));
  bytes += entry.action;
  append_le(bytes, static_cast<std::uint32_t>(entry.payload.size()));
  bytes += entry.payload;
  append_digest(bytes, entry.payload_hash);
  append_digest(bytes, entry.previous_hash);
  entry.entry_hash = hash_entry(bytes);
  append_digest(bytes, entry.entry_hash);
  return bytes;
}

Result<Entry> decode(std::string_view bytes) {
  if (bytes.size() > kMaxEntryBytes) return fail(Errc::TooLarge, "entry longer than its limit");
  DE_TRY(shape, measure(bytes));
  if (shape.total == 0 || shape.total != bytes.size())
    return fail(Errc::Corrupt, "the entry's fields do not add up to its length");

  Entry entry;
  entry.sequence = load_le<std::uint64_t>(bytes.data() + 1);
  entry.time_ms = static_cast<std::int64_t>(load_le<std::uint64_t>(bytes.data() + 9));
  entry.actor = bytes.substr(shape.actor_at, shape.actor_bytes);
  entry.action = bytes.substr(shape.action_at, shape.action_bytes);
  entry.payload = bytes.substr(shape.payload_at, shape.payload_bytes);
  const std::size_t hashes_at = shape.payload_at + shape.payload_bytes;
  entry.payload_hash = load_digest(bytes.substr(hashes_at, kHashBytes));
  entry.previous_hash = load_digest(bytes.substr(hashes_at + kHashBytes, kHashBytes));
  entry.entry_hash = load_digest(bytes.substr(hashes_at + 2 * kHashBytes, kHashBytes));
  if (entry.payload_hash != hash_payload(entry.payload))
    return fail(Errc::Corrupt, "the payload does not match its hash");
  if (entry.entry_hash != hash_entry(bytes.substr(0, hashes_at + 2 * kHashBytes)))
    return fail(Errc::Corrupt, "the entry does not match its hash");
  return entry;
}

Result<std::size_t> stated_bytes(std::string_view partial) {
  DE_TRY(shape, measure(partial));
  return shape.total;
}

}  // namespace de::ledger
