// What Spool::open does: finds the segments of an earlier run and makes sense of whatever state they are in.
#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>

#include "daemoneye/base/format_mark.h"
#include "daemoneye/base/text.h"
#include "spool/disk.h"
#include "spool/spool.h"

namespace de::spool {
namespace {

constexpr std::size_t kMaxSegments = 100'000;
// A segment may exceed its limit by one event; beyond that it is not ours.
constexpr std::size_t kReadLimit = kMaxSegmentBytes + kMaxEventBytes + 1024;

Result<std::string> random_id() {
  char raw[kSpoolIdBytes / 2];
  if (::getrandom(raw, sizeof(raw), 0) != static_cast<ssize_t>(sizeof(raw))) return disk_failure("make a spool id");
  return to_hex({raw, sizeof(raw)});
}

Result<std::vector<std::uint32_t>> segment_numbers(int dir_fd) {
  // Opened anew: a duplicated descriptor would share its read position.
  UniqueFd fd(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return disk_failure("list spool");
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
  if (!dir) return disk_failure("list spool");
  (void)fd.release();  // The DIR owns it now.
  std::vector<std::uint32_t> numbers;
  while (const dirent* item = ::readdir(dir.get())) {
    const std::uint32_t number = segment_number(item->d_name);
    if (number == 0) continue;
    if (numbers.size() == kMaxSegments) return fail(Errc::Exhausted, "the spool has more than 100000 segments");
    numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<UniqueFd> open_segment(int dir_fd, std::uint32_t number, int flags) {
  const std::string name = segment_name(number);
  UniqueFd fd(::openat(dir_fd, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return disk_failure("open " + name);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return disk_failure("stat " + name);
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, name + " is not a regular file");
  return fd;
}

std::int64_t time_of(std::string_view bytes, const RecordRef& ref, std::uint32_t seed) {
  pb::ProcessEvent event;
  const auto record = read_record(bytes.substr(ref.offset, ref.bytes), seed);
  if (!record || !event.ParseFromArray(record->payload.data(), static_cast<int>(record->payload.size()))) return 0;
  return event.event_time_ms();
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(const SpoolOptions& options, const Clock& clock) {
  if (options.segment_bytes < kMinSegmentBytes || options.segment_bytes > kMaxSegmentBytes)
    return fail(Errc::Invalid, "spool segments must have 4096 to 16777216 bytes");
  if (options.max_bytes < 2 * options.segment_bytes)
    return fail(Errc::Invalid, "the spool must have room for two segments");
  if (::mkdir(options.dir.c_str(), 0700) != 0 && errno != EEXIST) return disk_failure("create " + options.dir);
  UniqueFd dir(::open(options.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return disk_failure("open " + options.dir);
  // First of all: what a newer version wrote would look damaged, and its events would count as lost.
  DE_CHECK(check_format(options.dir, kSpoolFormat));
  DE_TRY(state_file, StateFile::open(dir.get()));
  std::unique_ptr<Spool> spool(new Spool(options, clock, std::move(dir), std::move(state_file)));
  if (auto recovered = spool->recover(); !recovered) {
    spool->state_.spool_id.clear();  // Half a recovery must not be saved as the truth.
    spool->active_.reset();
    return fail(std::move(recovered).error().during("recover spool"));
  }
  return spool;
}

Result<> Spool::recover() {
  remove_spare();
  DE_TRY(numbers, segment_numbers(dir_.get()));
  DE_CHECK(adopt_id(numbers));
  for (const std::uint32_t number : numbers) DE_CHECK(load_segment(number, number == numbers.back()));
  // A crash between recording a shed segment and removing it leaves it behind: its events were given up.
  const auto given_up = [this](const Segment& segment) {
    if (segment.last_sequence() <= state_.acked) return true;
    const LostRange* range = state_.lost.find(segment.last_sequence());
    return range != nullptr && range->reason == LossReason::SizeCap;
  };
  while (segments_.size() > 1 && given_up(segments_.front())) remove_front();
  skip_what_is_in_doubt();
  DE_CHECK(resume());
  return save(true);
}

// What the page cache held is there unless the machine itself has stopped. Numbers that may have been published then
// are never given out again, or the agent would take what they stand for as known.
void Spool::skip_what_is_in_doubt() {
  const auto& before = state_file_.loaded();
  const bool same_boot = before && !options_.boot_id.empty() && before->boot_id == options_.boot_id;
  const std::uint64_t known = std::max(state_.last_sequence, state_.acked);
  const bool no_state = !before && !segments_.empty();
  const std::uint64_t reached = no_state ? known + kReservedNumbers : state_.reserved;
  if (!same_boot && reached > known) {
    const std::int64_t from_ms = segments_.empty() ? clock_.unix_ms() : segments_.back().to_ms;
    lose(known + 1, reached, std::min(from_ms, clock_.unix_ms()), clock_.unix_ms(), LossReason::PowerCut);
    state_.last_sequence = reached;
  }
  state_.boot_id = options_.boot_id;
  state_.reserved = std::max(state_.last_sequence, state_.acked);
}

// The id of this spool: the state file's, else the newest segment's, else a new one. A state file whose segments are
// all gone starts over as well, because numbers beyond its last entry may have been given out since.
Result<> Spool::adopt_id(const std::vector<std::uint32_t>& numbers) {
  if (state_file_.loaded() && !numbers.empty()) {
    state_ = *state_file_.loaded();
  } else {
    for (auto number = numbers.rbegin(); number != numbers.rend() && state_.spool_id.empty(); ++number) {
      DE_TRY(fd, open_segment(dir_.get(), *number, O_RDONLY));
      DE_TRY(bytes, read_range(fd.get(), 0, kSegmentHeaderBytes));
      if (const auto header = decode_header(bytes)) state_.spool_id = header->spool_id;
    }
    if (state_.spool_id.empty()) {
      DE_TRY(id, random_id());
      state_.spool_id = id;
    }
    if (!numbers.empty()) ++counts_.damaged_regions;  // The state is missing or beyond reading.
  }
  seed_ = record_seed(state_.spool_id);
  return {};
}

Result<> Spool::load_segment(std::uint32_t number, bool is_newest) {
  DE_TRY(fd, open_segment(dir_.get(), number, O_RDWR));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return disk_failure("stat " + segment_name(number));
  DE_TRY(bytes, read_range(fd.get(), 0, std::min(kReadLimit, static_cast<std::size_t>(info.st_size))));
  const auto header = decode_header(bytes);
  const std::string name = segment_name(number);
  if (header && header->spool_id == state_.spool_id && header->number != number && is_newest) {
    ::unlinkat(dir_.get(), name.c_str(), 0);  // A crash while it was being used again: nothing is in it yet.
    return {};
  }
  if (header && header->used_bytes < bytes.size()) bytes.resize(header->used_bytes);
  if (header && header->spool_id != state_.spool_id) {
    // Not ours to delete and not ours to read: somebody mixed two spools.
    ++counts_.damaged_regions;
    if (::renameat(dir_.get(), name.c_str(), dir_.get(), (name + ".foreign").c_str()) != 0)
      return disk_failure("move " + name + " aside");
    return {};
  }
  std::uint64_t expected = segments_.empty() ? 1 : segments_.back().last_sequence() + 1;
  if (header) {
    expected = std::max(expected, header->first_sequence);
    // Without a watermark everything before the oldest segment counts as acknowledged.
    if (segments_.empty() && !state_file_.loaded()) state_.acked = expected - 1;
  }
  SegmentScan scan = scan_segment(bytes, seed_, expected);
  if (!header && scan.records.empty() && is_newest && bytes.size() < kSegmentHeaderBytes) {
    ::unlinkat(dir_.get(), name.c_str(), 0);  // A crash while it was being created: nothing was ever in it.
    return {};
  }
  if (!header || (scan.torn_bytes > 0 && !is_newest)) ++counts_.damaged_regions;
  counts_.damaged_regions += scan.damaged_regions;
  Segment segment;
  segment.number = number;
  segment.bytes = bytes.size();
  segment.first_sequence = expected;
  segment.created_ms = segment.from_ms = segment.to_ms = header ? header->created_ms : clock_.unix_ms();
  if (!scan.records.empty()) {
    segment.from_ms = time_of(bytes, scan.records.front(), seed_);
    segment.to_ms = std::max(segment.from_ms, time_of(bytes, scan.records.back(), seed_));
  }
  if (is_newest && scan.torn_bytes > 0) {
    segment.bytes = scan.good_bytes;
    if (header) DE_CHECK(write_all(fd.get(), 0, encode_header(header_of(segment))));
    counts_.torn_bytes += scan.torn_bytes;
  }
  for (const RecordRef& ref : scan.records) segment.records.add(ref);
  // Numbers hidden in damage at the very end may have been published: they are not given out again.
  std::uint64_t reached = segment.last_sequence() + (is_newest ? scan.lost_at_end : 0);
  if (state_.reserved > 0) reached = std::min(reached, std::max(state_.reserved, segment.last_sequence()));
  if (is_newest && scan.lost_at_end > 0 && reached > state_.acked)
    lose(std::max(segment.last_sequence(), state_.acked) + 1, reached, segment.to_ms, clock_.unix_ms(),
         LossReason::Damaged);
  state_.last_sequence = std::max(state_.last_sequence, reached);
  sealed_ = !header || scan.lost_at_end > 0 || (scan.torn_bytes > 0 && !is_newest);
  counts_.bytes += segment.bytes;
  active_ = std::move(fd);
  segments_.push_back(std::move(segment));
  return {};
}

// Goes on with the newest segment. If that is full or not in order, the next append starts another one: a disk that
// is full right now must not keep procmond from starting.
Result<> Spool::resume() {
  state_.last_sequence = std::max(state_.last_sequence, state_.acked);
  if (segments_.empty()) return rotate();
  // Nothing says whether the last run got as far as a sync, and from now on everything here counts as durable.
  if (segments_.size() > 1) {
    const std::uint32_t before = segments_[segments_.size() - 2].number;
    DE_TRY(fd, open_segment(dir_.get(), before, O_RDWR));
    if (::fdatasync(fd.get()) != 0) return disk_failure("sync " + segment_name(before));
  }
  if (::fdatasync(active_.get()) != 0) return disk_failure("sync newest segment");
  synced_bytes_ = segments_.back().bytes;
  return {};
}

}  // namespace de::spool
