#include "spool/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/frame/crc32c.h"
#include "spool/disk.h"
#include "spool/segment.h"

namespace de::spool {
namespace {

constexpr std::size_t kSlotBytes = 32UL << 10;
constexpr char kName[] = "spool.state";
constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kFixedBytes = 1 + 8 + kSpoolIdBytes + 8 + 8 + 8 + kBootIdBytes + 2;
constexpr std::size_t kRangeBytes = 4 * 8 + 1;
static_assert(8 + kFixedBytes + LossList::kMaxRanges * kRangeBytes <= kSlotBytes);

bool is_spool_id(std::string_view id) { return id.find_first_not_of("0123456789abcdef") == id.npos; }

}  // namespace

std::string encode_state(const SpoolState& state, std::uint64_t generation) {
  std::string body;
  body += static_cast<char>(kVersion);
  append_le(body, generation);
  body += state.spool_id;
  append_le(body, state.acked);
  append_le(body, state.last_sequence);
  append_le(body, state.reserved);
  body += state.boot_id;
  body.append(kBootIdBytes - std::min(kBootIdBytes, state.boot_id.size()), '\0');
  append_le(body, static_cast<std::uint16_t>(state.lost.ranges().size()));
  for (const LostRange& range : state.lost.ranges()) {
    append_le(body, range.first);
    append_le(body, range.last);
    append_le(body, static_cast<std::uint64_t>(range.from_ms));
    append_le(body, static_cast<std::uint64_t>(range.to_ms));
    body += static_cast<char>(range.reason);
  }
  std::string slot;
  append_le(slot, static_cast<std::uint32_t>(body.size()));
  append_le(slot, frame::crc32c(body));
  return slot + body;
}

Result<SpoolState> decode_state(std::string_view slot, std::uint64_t& generation) {
  if (slot.size() < 8 + kFixedBytes) return fail(Errc::Corrupt, "state slot is incomplete");
  const std::size_t bytes = load_le<std::uint32_t>(slot.data());
  if (bytes < kFixedBytes || bytes > slot.size() - 8) return fail(Errc::Corrupt, "state slot has a wrong length");
  const std::string_view body = slot.substr(8, bytes);
  if (frame::crc32c(body) != load_le<std::uint32_t>(slot.data() + 4))
    return fail(Errc::Corrupt, "state slot does not match its checksum");
  if (static_cast<std::uint8_t>(body[0]) != kVersion) return fail(Errc::Unsupported, "state of another version");

  SpoolState state;
  generation = load_le<std::uint64_t>(body.data() + 1);
  state.spool_id = body.substr(9, kSpoolIdBytes);
  const char* at = body.data() + 9 + kSpoolIdBytes;
  state.acked = load_le<std::uint64_t>(at);
  state.last_sequence = load_le<std::uint64_t>(at + 8);
  state.reserved = load_le<std::uint64_t>(at + 16);
  state.boot_id.assign(at + 24, kBootIdBytes);
  state.boot_id.resize(std::min(state.boot_id.find('\0'), kBootIdBytes));
  at += 24 + kBootIdBytes;
  const std::size_t ranges = load_le<std::uint16_t>(at);
  if (!is_spool_id(state.spool_id) || state.acked > state.last_sequence || state.last_sequence > state.reserved ||
      state.reserved > kMaxSequence || ranges > LossList::kMaxRanges || bytes != kFixedBytes + ranges * kRangeBytes)
    return fail(Errc::Corrupt, "state slot contradicts itself");
  at += 2;
  for (std::size_t i = 0; i < ranges; ++i, at += kRangeBytes) {
    const LostRange range{load_le<std::uint64_t>(at), load_le<std::uint64_t>(at + 8),
                          static_cast<std::int64_t>(load_le<std::uint64_t>(at + 16)),
                          static_cast<std::int64_t>(load_le<std::uint64_t>(at + 24)), static_cast<LossReason>(at[32])};
    if (range.first == 0 || range.first > range.last || range.last > state.last_sequence || at[32] < 1 || at[32] > 7)
      return fail(Errc::Corrupt, "state slot has an impossible range");
    state.lost.add(range);
  }
  return state;
}

Result<StateFile> StateFile::open(int dir_fd) {
  UniqueFd fd(::openat(dir_fd, kName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd) return disk_failure("open spool.state");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return disk_failure("stat spool.state");
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, "spool.state is not a regular file");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Errc::Conflict, "another procmond is using this spool");
    return disk_failure("lock spool.state");
  }
  // Takes the blocks now, while there are some. The size changes too, so a new file reads as zeros.
  const int refused = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(2 * kSlotBytes));
  if (refused != 0) return disk_failure("reserve spool.state", std::error_code(refused, std::generic_category()));
  StateFile file(std::move(fd));
  DE_CHECK(file.load());
  // The newest copy may be one that was written without a sync; before the other slot is reused it must be durable.
  if (::fdatasync(file.fd_.get()) != 0) return disk_failure("sync spool.state");
  return file;
}

Result<> StateFile::load() {
  for (unsigned slot = 0; slot < 2; ++slot) {
    DE_TRY(bytes, read_range(fd_.get(), slot * kSlotBytes, kSlotBytes));
    std::uint64_t generation = 0;
    auto state = decode_state(bytes, generation);
    if (!state || (loaded_ && generation <= generation_)) continue;
    loaded_ = std::move(*state);
    generation_ = generation;
    scratch_ = 1 - slot;
  }
  return {};
}

Result<> StateFile::write(const SpoolState& state, bool durable) {
  const std::string slot = encode_state(state, generation_ + 1);
  DE_CHECK(write_all(fd_.get(), scratch_ * kSlotBytes, slot));
  ++generation_;
  if (!durable) return {};
  if (::fdatasync(fd_.get()) != 0) return disk_failure("sync spool.state");
  scratch_ = 1 - scratch_;
  return {};
}

}  // namespace de::spool
