#include "store/event_reader.h"

#include <algorithm>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "daemoneye/base/byte_order.h"
#include "store/event_rows.h"
#include "store/event_summary.h"
#include "store/event_writer.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxOpenBytes = 8 << 20;  // A block is about half a megabyte, unpacked.
constexpr std::uint64_t kManyBlocks = 64;       // From here on the pages a read touched are given back.

// When and in which order it came; mirrored when the newest are wanted first, so that the next is always the least.
struct Place {
  std::uint64_t ms = 0;
  std::uint64_t position = 0;
  auto operator<=>(const Place&) const = default;
};

struct Match {
  Place place;
  std::uint32_t row = 0;
};

struct Candidate {
  Place from;  // Nothing before it is wanted any more.
  std::uint64_t key = 0;
  bool operator>(const Candidate& other) const { return from > other.from; }
};

struct OpenBlock {
  std::uint64_t key = 0;
  std::unique_ptr<EventRows> rows;
  std::vector<Match> matches;
  std::size_t next = 0;
  std::size_t bytes = 0;
  const Place& place() const { return matches[next].place; }
};

class Finder {
 public:
  Finder(const Day& day, const EventFilter& filter, std::uint64_t upto) : day_(day), filter_(filter), upto_(upto) {}

  Result<> run(const EventFn& fn, ReadOutcome& outcome) {
    DE_CHECK(collect());
    pb::ProcessEvent event;
    for (;;) {
      DE_TRY(block, next_block());
      if (block == nullptr) break;
      const std::uint32_t row = block->matches[block->next].row;
      DE_CHECK(block->rows->event(row, event));
      ++outcome.rows;
      outcome.stopped = !fn(block->rows->collector(row), event);
      if (outcome.stopped) break;
      if (++block->next == block->matches.size()) close(*block);
    }
    outcome.passed_over += passed_over_;
    if (opened_ >= kManyBlocks) day_.env().forget_pages();
    return {};
  }

 private:
  std::uint64_t mirrored(std::uint64_t value) const { return filter_.newest_first ? ~value : value; }

  Result<> collect() {
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
      DE_TRY(payload, unseal(cursor.value(), "event summary"));
      DE_TRY(summary, decode_summary(payload));
      if (test.may_hold(summary))
        candidates_.push({{filter_.newest_first ? ~summary.last_ms : summary.first_ms, 0}, key});
      DE_TRY(next, cursor.next());
      more = next;
    }
    DE_TRY(tail, Cursor::open(txn, day_.table(DayTable::EventTail)));
    DE_TRY(some, tail.first());
    if (!some) return {};
    DE_TRY(key, position_of(tail.key()));
    if (key <= upto_) candidates_.push({{}, key});
    return {};
  }

  static Result<std::uint64_t> position_of(std::string_view key) {
    if (key.size() != sizeof(std::uint64_t)) return fail(Errc::Corrupt, "events: malformed key");
    return load_be<std::uint64_t>(key.data());
  }

  // A tail that was seen may be a block by now, with more events behind the ones that were seen.
  Result<std::unique_ptr<EventRows>> read(const Candidate& candidate, std::vector<std::uint32_t>& wanted) {
    const std::uint64_t key = candidate.key;
    ++opened_;
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
    DE_TRY(rows, EventRows::of(packed, unpacker_));
    wanted = rows->select(filter_, upto_);
    if (!wanted.empty()) DE_CHECK(rows->unpack_texts(packed, unpacker_));
    keep(*rows, candidate, wanted);
    return std::move(rows);
  }

  void keep(const EventRows& rows, const Candidate& candidate, std::vector<std::uint32_t>& wanted) {
    if (!filter_.any_text || wanted.empty()) return;
    const std::size_t before = wanted.size();
    rows.keep(wanted, filter_.any_text);
    const bool is_opened_again = candidate.from.position != 0;
    if (!is_opened_again) passed_over_ += before - wanted.size();
  }

  Result<> open(const Candidate& candidate) {
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

  void close(OpenBlock& block) {
    open_bytes_ -= block.bytes;
    if (&block != &open_.back()) block = std::move(open_.back());
    open_.pop_back();
  }

  OpenBlock* first_open() {
    const auto first = std::min_element(open_.begin(), open_.end(),
                                        [](const OpenBlock& a, const OpenBlock& b) { return a.place() < b.place(); });
    return first == open_.end() ? nullptr : &*first;
  }

  Result<OpenBlock*> next_block() {
    OpenBlock* first = first_open();
    while (!candidates_.empty() && (first == nullptr || candidates_.top().from < first->place())) {
      const Candidate candidate = candidates_.top();
      candidates_.pop();
      DE_CHECK(open(candidate));
      while (open_bytes_ > kMaxOpenBytes && open_.size() > 1) {
        const auto last = std::max_element(
            open_.begin(), open_.end(), [](const OpenBlock& a, const OpenBlock& b) { return a.place() < b.place(); });
        candidates_.push({last->place(), last->key});  // Behind the first: it is not opened before that one moved.
        close(*last);
      }
      first = first_open();
    }
    return first;
  }

  const Day& day_;
  const EventFilter& filter_;
  const std::uint64_t upto_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;  // 24 bytes for 1,024 events.
  std::vector<OpenBlock> open_;
  std::size_t open_bytes_ = 0;
  std::uint64_t opened_ = 0;
  std::uint64_t passed_over_ = 0;
  Unpacker unpacker_;
};

}  // namespace

Result<> find_events(const Day& day, const EventFilter& filter, std::uint64_t upto, const EventFn& fn,
                     ReadOutcome& outcome) {
  return Finder(day, filter, upto).run(fn, outcome);
}

}  // namespace de::store
