// Events in blocks: nothing is lost at a boundary, by a kill, or to a size; what is damaged is named.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "random_event.h"
#include "store/day.h"
#include "store/event_builder.h"
#include "store/event_rows.h"
#include "store/value.h"
#include "store_fixture.h"

namespace de::store {
namespace {

class Blocks : public StoreTest {
 protected:
  struct Layout {
    std::uint64_t blocks = 0;
    std::uint64_t summaries = 0;
    std::uint64_t pieces = 0;
  };
  // Closes the store.
  Layout layout() {
    store_.reset();
    Layout out;
    auto day = Day::open(dir_ / ("store/" + kToday), kToday, 64ULL << 30);
    EXPECT_TRUE(day);
    auto txn = Txn::begin((*day)->env(), Txn::Kind::Read);
    out.blocks = *txn->entries((*day)->table(DayTable::EventBlocks));
    out.summaries = *txn->entries((*day)->table(DayTable::EventSummaries));
    out.pieces = *txn->entries((*day)->table(DayTable::EventTail));
    EXPECT_EQ(out.blocks, out.summaries);
    return out;
  }
  void append(const pb::EventBatch& batch) {
    const auto appended = store_->append_events("c", "s", batch);
    ASSERT_TRUE(appended) << appended.error().message();
    for (const pb::ProcessEvent& event : batch.events()) given_[event.sequence()] = event.SerializeAsString();
  }
  void append(std::uint64_t count) { append(events(given_.size() + 1, given_.size() + count, kNoon)); }

  std::map<std::uint64_t, std::string> given_;
};

TEST_F(Blocks, EveryFieldComesBack) {
  RandomEvents random(7);
  EventBuilder builder;
  std::vector<pb::ProcessEvent> given;
  for (std::uint64_t n = 0; n < 700; ++n) {
    given.push_back(random.any());
    if (n % 3 == 2) given.back() = given[random.below(n)];
    ASSERT_TRUE(builder.add("c" + std::to_string(n % 3), given.back(), 10 + n * 2, n * 77));
  }
  Packer packer;
  Unpacker unpacker;
  std::string block;
  ASSERT_TRUE(encode_block(builder.columns(), packer, block));
  const auto packed = PackedColumns::parse(block);
  ASSERT_TRUE(packed);
  auto rows = EventRows::of(*packed, unpacker, schema::kAllParts);
  ASSERT_TRUE(rows) << rows.error().message();
  ASSERT_TRUE((*rows)->unpack_texts(*packed, unpacker));
  ASSERT_EQ((*rows)->rows().size(), given.size());
  pb::ProcessEvent event;
  for (std::uint32_t n = 0; n < given.size(); ++n) {
    ASSERT_TRUE((*rows)->event(n, event));
    EXPECT_EQ(event.SerializeAsString(), given[n].SerializeAsString());
    EXPECT_EQ((*rows)->collector(n), "c" + std::to_string(n % 3));
    EXPECT_EQ((*rows)->rows()[n].position, 10 + n * 2);
    EXPECT_EQ((*rows)->rows()[n].filed_ms, n * 77);
  }
}

// What was not asked for may be missing; what was asked for is as in the whole.
TEST_F(Blocks, PartsAgreeWithTheWhole) {
  RandomEvents random(17);
  EventBuilder builder;
  std::vector<pb::ProcessEvent> given;
  for (std::uint64_t n = 0; n < 600; ++n) {
    given.push_back(n % 2 == 0 ? random.any() : random.common(n, kNoon, 5'000));
    ASSERT_TRUE(builder.add("c", given.back(), 10 + n, n));
  }
  Packer packer;
  Unpacker unpacker;
  std::string block;
  ASSERT_TRUE(encode_block(builder.columns(), packer, block));
  const auto packed = PackedColumns::parse(block);
  ASSERT_TRUE(packed);
  EventFilter named;
  named.name = "name-3";
  const auto whole = EventRows::of(*packed, unpacker, schema::kAllParts);
  ASSERT_TRUE(whole);
  const std::vector<std::uint32_t> of_that_name = (*whole)->select(named, ~0ULL);
  ASSERT_GT(of_that_name.size(), 10u);
  for (schema::EventParts parts = 0; parts <= schema::kAllParts; ++parts) {
    SCOPED_TRACE(int{parts});
    auto rows = EventRows::of(*packed, unpacker, parts);
    ASSERT_TRUE(rows) << rows.error().message();
    ASSERT_TRUE((*rows)->unpack_texts(*packed, unpacker));
    ASSERT_EQ((*rows)->rows().size(), given.size());
    if ((parts & schema::kImagePart) != 0) {
      EXPECT_EQ((*rows)->select(named, ~0ULL), of_that_name);
    }
    pb::ProcessEvent event;
    for (std::uint32_t n = 0; n < given.size(); ++n) {
      ASSERT_TRUE((*rows)->event(n, event));
      for (const auto& column : schema::event_columns()) {
        if ((schema::parts_of(column.name) & ~parts) != 0) continue;
        if (column.name == "process_uid" && (*rows)->has_uids_as_text()) continue;
        EXPECT_EQ(column.read(event), column.read(given[n])) << column.name << " of " << n;
      }
      EXPECT_EQ((*rows)->collector(n), "c");
      EXPECT_EQ((*rows)->rows()[n].position, 10 + n);
    }
  }
}

TEST_F(Blocks, CommitsOfEverySizeBecomeFullBlocks) {
  for (const std::uint64_t count : {1023U, 1U, 1U, 1024U, 1025U, 1023U, 1U, 2000U, 5000U, 3U}) append(count);
  EXPECT_EQ(stored_events(*store_), given_);
  while (given_.size() < 13'000) append(1 + given_.size() % 37);
  EXPECT_EQ(stored_events(*store_), given_);
  EXPECT_EQ(store_->stats()->events, given_.size());
  EXPECT_EQ(layout().blocks, given_.size() / 1024);
  open();
  EXPECT_EQ(stored_events(*store_), given_);
}

TEST_F(Blocks, AFoundTailBecomesABlockOnce) {
  append(100);
  EXPECT_EQ(layout().blocks, 0u);
  open();
  EXPECT_EQ(stored_events(*store_), given_);
  append(1);
  append(2);
  EXPECT_EQ(stored_events(*store_), given_);
  const Layout after = layout();
  EXPECT_EQ(after.blocks, 1u);
  EXPECT_EQ(after.pieces, 2u);
}

TEST_F(Blocks, AGiantEventHasABlockOfItsOwn) {
  pb::EventBatch batch = events(1, 12, kNoon);
  for (const int n : {3, 4, 9}) batch.mutable_events(n)->mutable_process()->add_command_line(std::string(2 << 20, 'x'));
  std::mt19937_64 random(3);  // One that does not compress.
  for (char& c : *batch.mutable_events(9)->mutable_process()->mutable_command_line(2)) c = static_cast<char>(random());
  append(batch);
  append(5);
  EXPECT_EQ(stored_events(*store_), given_);
  EXPECT_EQ(layout().blocks, 5u);  // 0-2, 3, 4, 5-8, 9; what follows is the tail.
  open();
  EXPECT_EQ(stored_events(*store_), given_);
  pb::EventBatch too_large = events(18, 19, kNoon);
  too_large.mutable_events(1)->mutable_process()->add_command_line(std::string(5 << 20, 'x'));
  EXPECT_EQ(store_->append_events("c", "s", too_large).error().code(), Errc::TooLarge);
  too_large.mutable_events(1)->mutable_process()->clear_command_line();
  too_large.mutable_events(1)->set_reason("\xff");
  EXPECT_EQ(store_->append_events("c", "s", too_large).error().code(), Errc::Invalid);
  EXPECT_EQ(stored_events(*store_), given_);
  append(3);  // As if nothing had happened.
  EXPECT_EQ(stored_events(*store_), given_);
}

TEST_F(Blocks, LargeEventsMakeShortBlocks) {
  pb::EventBatch batch = events(1, 100, kNoon);
  for (pb::ProcessEvent& event : *batch.mutable_events())
    event.mutable_process()->add_command_line(std::string(60 << 10, static_cast<char>(event.sequence())));
  append(batch);
  EXPECT_EQ(stored_events(*store_), given_);
  EXPECT_EQ(layout().blocks, 7u);  // 13 make up 768 KiB.
}

TEST_F(Blocks, DamageTakesTheDayOutAndIsNamed) {
  for (const DayTable table : {DayTable::EventBlocks, DayTable::EventSummaries, DayTable::EventTail}) {
    for (const bool sealed : {false, true}) {  // Sealed again: the checksum is right, what it covers is not.
      SCOPED_TRACE(static_cast<int>(table) * 10 + (sealed ? 1 : 0));
      store_.reset();
      std::filesystem::remove_all(dir_ / "store");
      given_.clear();
      open();
      append(1500);
      store_.reset();
      {
        auto day = Day::open(dir_ / ("store/" + kToday), kToday, 64ULL << 30);
        ASSERT_TRUE(day);
        auto txn = Txn::begin((*day)->env(), Txn::Kind::Write);
        std::string key, value;
        {
          auto cursor = Cursor::open(*txn, (*day)->table(table));
          ASSERT_TRUE(*cursor->first());
          key = cursor->key();
          value = cursor->value();
        }
        value.pop_back();
        if (sealed) finish_value(value);
        ASSERT_TRUE(txn->put((*day)->table(table), key, value));
        ASSERT_TRUE(txn->commit());
      }
      open();
      ASSERT_TRUE(store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; }));
      const auto again = store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; });
      ASSERT_TRUE(again);
      EXPECT_EQ(again->rows, 0u);
      ASSERT_EQ(again->excluded.size(), 1u);
      EXPECT_EQ(again->excluded[0].day, kToday);
      EXPECT_NE(again->excluded[0].reason.find(sealed ? "event" : "checksum"), std::string::npos)
          << again->excluded[0].reason;
      given_.clear();
      append(events(1501, 1510, kNoon));
      EXPECT_EQ(stored_events(*store_), given_);
    }
  }
}

TEST_F(Blocks, ADayOfTheVersionWithoutBlocksIsNamed) {
  append(10);
  store_.reset();
  {
    auto day = Day::open(dir_ / ("store/" + kToday), kToday, 64ULL << 30);
    auto txn = Txn::begin((*day)->env(), Txn::Kind::Write);
    std::string counts = encode_counts({});
    counts.pop_back();  // It did not know positions.
    ASSERT_TRUE(txn->put((*day)->table(DayTable::Info), "counts", seal(counts)));
    ASSERT_TRUE(txn->commit());
  }
  open();
  const auto stats = store_->stats();
  ASSERT_EQ(stats->quarantined.size(), 1u);
  EXPECT_EQ(stats->quarantined[0].reason, "counts: of a version that kept its events one by one");
}

TEST_F(Blocks, AMissingBlockIsDamage) {
  append(1500);
  store_.reset();
  {
    auto day = Day::open(dir_ / ("store/" + kToday), kToday, 64ULL << 30);
    auto txn = Txn::begin((*day)->env(), Txn::Kind::Write);
    ASSERT_TRUE(txn->clear((*day)->table(DayTable::EventBlocks)));
    ASSERT_TRUE(txn->commit());
  }
  open();
  const auto read = store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; });
  ASSERT_TRUE(read);
  ASSERT_EQ(read->excluded.size(), 1u);
  EXPECT_NE(read->excluded[0].reason.find("event block: missing"), std::string::npos);
}

// In the child: appends for ever, commits of every size, and reports each acknowledgement.
[[noreturn]] void append_until_killed(const StoreOptions& options, std::uint64_t done, int report_fd) {
  FakeClock clock;
  auto opened = Store::open(options, clock);
  if (!opened) ::_exit(3);
  for (std::uint64_t turn = 1;; ++turn) {
    const auto appended = (*opened)->append_events("c", "s", events(done + 1, done + 1 + turn * 97 % 400, kNoon));
    if (!appended) ::_exit(4);
    done = appended->acked_sequence;
    if (::write(report_fd, &done, sizeof done) != sizeof done) ::_exit(5);
  }
}

TEST(BlockCrash, KillingTheWriterLosesAndDoublesNothing) {
  TempDir dir;
  StoreOptions options;
  options.dir = dir / "store";
  std::mt19937 random(20260102);
  std::uint64_t acked = 0;
  for (int round = 0; round < 8; ++round) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) append_until_killed(options, acked, report[1]);
    ::close(report[1]);
    // Some commits, however slow the machine is, and then somewhere in the next one.
    std::uint64_t ack = 0;
    for (auto left = 5 + random() % 15; left > 0 && ::read(report[0], &ack, sizeof ack) == sizeof ack; --left)
      acked = ack;
    ::usleep(static_cast<useconds_t>(random() % 10'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer gave up with " << WEXITSTATUS(status);
    while (::read(report[0], &ack, sizeof ack) == sizeof ack) acked = ack;
    ::close(report[0]);
    FakeClock clock;
    auto store = Store::open(options, clock);
    ASSERT_TRUE(store) << store.error().message();
    const std::uint64_t mark = (*store)->acked_sequence("c", "s");
    EXPECT_GE(mark, acked);
    acked = mark;
    const auto stored = stored_events(**store);
    ASSERT_EQ(stored.size(), acked);
    EXPECT_EQ((*store)->stats()->events, acked);
    ASSERT_EQ(stored.empty() ? 0 : stored.rbegin()->first, acked);
  }
  EXPECT_GT(acked, 1024u);
}

TEST_F(Blocks, AReaderSeesAPrefixWhileTheWriterWrites) {
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0;
  std::atomic<std::uint64_t> reads = 0;
  const auto read = [&](bool newest_first) {
    std::uint64_t before = 0;
    EventFilter filter;
    filter.newest_first = newest_first;
    while (!done) {
      std::vector<bool> seen;
      const auto found = store_->find_events(filter, [&](std::string_view, const pb::ProcessEvent& event) {
        if (seen.size() <= event.sequence()) seen.resize(event.sequence() + 1);
        if (seen[event.sequence()]) ++failures;
        seen[event.sequence()] = true;
        return true;
      });
      // One collector, one day: positions are sequences.
      if (!found || found->rows != found->position || found->rows < before) ++failures;
      if (found && found->rows > 0 && seen.size() != found->rows + 1) ++failures;
      before = found ? found->rows : 0;
      ++reads;
    }
  };
  std::thread first(read, false), second(read, true);
  while (given_.size() < 9000 || reads < 6) append(1 + given_.size() % 300);
  done = true;
  first.join();
  second.join();
  EXPECT_EQ(failures, 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
std::uint64_t heap_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8));
  return 0;
}

TEST_F(Blocks, ReadingAMillionEventsTakesLittleMemory) {
  for (std::uint64_t first = 1; first < 1'000'000; first += 2000)
    ASSERT_TRUE(store_->append_events("c", "s", events(first, first + 1999, kNoon + static_cast<std::int64_t>(first))));
  const std::uint64_t before = heap_kib();
  std::uint64_t most = 0, rows = 0;
  ASSERT_TRUE(store_->read_events(0, INT64_MAX, [&](auto, auto&) {
    if (++rows % 50'000 == 0) most = std::max(most, heap_kib());
    return true;
  }));
  EXPECT_EQ(rows, 1'000'000u);
  EXPECT_LT(most, before + (8 << 10));
}
#endif

}  // namespace
}  // namespace de::store
