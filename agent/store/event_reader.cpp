#include "store/event_reader.h"

#include <algorithm>
#include <utility>

#include "daemoneye/base/byte_order.h"
#include "store/event_summary.h"
#include "store/event_writer.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxOpenBytes = 8 << 20;    // A block is about half a megabyte, unpacked.
constexpr std::uint64_t kManyBlocks = 64;         // From here on the pages a read touched are given back.
constexpr std::uint64_t kPageBlocks = 64;         // Without an event: then whoever asks looks at the clock.
constexpr std::uint64_t kSummariesPerBlock = 16;  // In memory touched.

// Those that the filter itself is about as well.
schema::EventParts parts_of(const EventFilter& filter) {
  schema::EventParts out = filter.any_text ? schema::kAllParts : filter.parts;
  if (filter.pid || filter.ppid || !filter.process_uid.empty()) out |= schema::kWhoPart;
  if (!filter.name.empty() || !filter.executable_hash.empty()) out |= schema::kImagePart;
  return out;
}

Result<std::uint64_t> position_of(std::string_view key) {
  if (key.size() != sizeof(std::uint64_t)) return fail(Errc::Corrupt, "events: malformed key");
  return load_be<std::uint64_t>(key.data());
}

}  // namespace

EventReader::EventReader(const Day& day, EventFilter filter, std::uint64_t upto)
    : day_(day), filter_(std::move(filter)), upto_(upto), parts_(parts_of(filter_)) {}

EventReader::~EventReader() { give_pages_back(); }

void EventReader::give_pages_back() {
  if (touched_ >= kManyBlocks) day_.env().forget_pages();
  touched_ = 0;
}

Result<bool> EventReader::page(const EventFn& fn, ReadOutcome& outcome) {
  if (!is_collected_) DE_CHECK(collect());
  is_collected_ = true;
  opened_ = 0;
  passed_over_ = 0;
  OpenBlock* block = nullptr;
  for (;;) {
    DE_TRY(next, next_block());
    block = next;
    if (block == nullptr) break;
    const std::uint32_t row = block->matches[block->next].row;
    DE_CHECK(block->rows->event(row, event_));
    ++outcome.rows;
    outcome.stopped = !fn(block->rows->collector(row), event_);
    if (outcome.stopped) break;
    if (++block->next == block->matches.size()) close(*block);
  }
  outcome.passed_over += passed_over_;
  while (open_.size() > 1) close_the_last();
  if (touched_ >= kManyBlocks) give_pages_back();
  return open_.empty() && candidates_.empty();
}

Result<> EventReader::collect() {
  std::uint64_t summaries = 0;
  const SummaryTest test(filter_);
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, day_.table(DayTable::EventSummaries)));
  // The block before may reach beyond the position too.
  DE_TRY(found, cursor.seek(view(be64(filter_.after + 1))));
  DE_TRY(before, found ? cursor.previous() : cursor.last());
  DE_TRY(more, before ? Result<bool>(true) : cursor.first());
  while (more) {
    DE_TRY(key, position_of(cursor.key()));
    if (key > upto_) break;
    ++summaries;
    DE_TRY(payload, unseal(cursor.value(), "event summary"));
    DE_TRY(summary, decode_summary(payload));
    if (test.may_hold(summary))
      candidates_.push({{filter_.newest_first ? ~summary.last_ms : summary.first_ms, 0}, key});
    DE_TRY(next, cursor.next());
    more = next;
  }
  touched_ += summaries / kSummariesPerBlock;
  DE_TRY(tail, Cursor::open(txn, day_.table(DayTable::EventTail)));
  DE_TRY(some, tail.first());
  if (!some) return {};
  DE_TRY(key, position_of(tail.key()));
  if (key <= upto_) candidates_.push({{}, key});
  return {};
}

// A tail that was seen may be a block by now, with more events behind the ones that were seen.
Result<std::unique_ptr<EventRows>> EventReader::read(const Candidate& candidate, std::vector<std::uint32_t>& wanted) {
  const std::uint64_t key = candidate.key;
  ++opened_;
  ++touched_;
  DE_TRY(txn, Txn::begin(day_.env(), Txn::Kind::Read));
  DE_TRY(value, txn.get(day_.table(DayTable::EventBlocks), view(be64(key))));
  if (!value) {
    EventColumns columns;
    DE_TRY(first, read_tail(day_, txn, columns));
    if (first != key) return fail(Errc::Corrupt, "event block: missing");
    DE_TRY(rows, EventRows::of(std::move(columns)));
    wanted = rows->select(filter_, upto_);
    keep(*rows, candidate, wanted);
    return std::move(rows);
  }
  DE_TRY(payload, unseal(*value, "event block"));
  DE_TRY(packed, PackedColumns::parse(payload));
  DE_TRY(rows, EventRows::of(packed, unpacker_, parts_));
  if (parts_ != schema::kAllParts && rows->has_uids_as_text()) {
    parts_ = schema::kAllParts;
    DE_TRY(whole, EventRows::of(packed, unpacker_, parts_));
    rows = std::move(whole);
  }
  wanted = rows->select(filter_, upto_);
  if (!wanted.empty()) DE_CHECK(rows->unpack_texts(packed, unpacker_));
  keep(*rows, candidate, wanted);
  return std::move(rows);
}

void EventReader::keep(const EventRows& rows, const Candidate& candidate, std::vector<std::uint32_t>& wanted) {
  if (!filter_.any_text || wanted.empty()) return;
  const std::size_t before = wanted.size();
  rows.keep(wanted, filter_.any_text);
  const bool is_opened_again = candidate.from.position != 0;
  if (!is_opened_again) passed_over_ += before - wanted.size();
}

Result<> EventReader::open(const Candidate& candidate) {
  OpenBlock block;
  block.key = candidate.key;
  std::vector<std::uint32_t> wanted;
  DE_TRY(rows, read(candidate, wanted));
  block.matches.reserve(wanted.size());
  for (const std::uint32_t row : wanted) {
    const EventRows::Row& numbers = rows->rows()[row];
    const Place place{mirrored(numbers.filed_ms), mirrored(numbers.position)};
    if (place >= candidate.from) block.matches.push_back({place, row});
  }
  if (block.matches.empty()) return {};
  std::sort(block.matches.begin(), block.matches.end(),
            [](const Match& a, const Match& b) { return a.place < b.place; });
  block.bytes = rows->bytes();
  block.rows = std::move(rows);
  open_bytes_ += block.bytes;
  open_.push_back(std::move(block));
  return {};
}

void EventReader::close(OpenBlock& block) {
  open_bytes_ -= block.bytes;
  if (&block != &open_.back()) block = std::move(open_.back());
  open_.pop_back();
}

// To be opened again behind what is handed out before it.
void EventReader::close_the_last() {
  const auto last = std::max_element(open_.begin(), open_.end(),
                                     [](const OpenBlock& a, const OpenBlock& b) { return a.place() < b.place(); });
  candidates_.push({last->place(), last->key});
  close(*last);
}

EventReader::OpenBlock* EventReader::first_open() {
  const auto first = std::min_element(open_.begin(), open_.end(),
                                      [](const OpenBlock& a, const OpenBlock& b) { return a.place() < b.place(); });
  return first == open_.end() ? nullptr : &*first;
}

Result<EventReader::OpenBlock*> EventReader::next_block() {
  OpenBlock* first = first_open();
  while (!candidates_.empty() && (first == nullptr || candidates_.top().from < first->place())) {
    if (first == nullptr && opened_ >= kPageBlocks) break;
    const Candidate candidate = candidates_.top();
    candidates_.pop();
    DE_CHECK(open(candidate));
    while (open_bytes_ > kMaxOpenBytes && open_.size() > 1) close_the_last();
    first = first_open();
  }
  return first;
}

}  // namespace de::store
