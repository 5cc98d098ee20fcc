// What can go wrong with a directory, a disk and the bytes on it.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "store/day.h"
#include "store/state.h"
#include "store/value.h"
#include "store_fixture.h"

namespace de::store {
namespace {

constexpr std::uint64_t kMap = 64ULL << 30;
const std::string kYesterday = "2026-01-01";

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class Faults : public StoreTest {
 protected:
  // One scan and twenty events yesterday, the same today.
  void fill() {
    for (const std::int64_t time : {kNoon - kDay, kNoon}) {
      const std::uint64_t first = time == kNoon ? 21 : 1;
      ASSERT_TRUE(store_->append_events("c", "s", events(first, first + 19, time)));
      // The three have a program in common: the dictionary gets an entry.
      ASSERT_TRUE(store_scan(*store_, meta_of(first, time), {process(1, time), process(41, time), process(81, time)}));
    }
  }
  std::string data_of(const std::string& day) const { return dir_ / ("store/" + day + "/data.mdb"); }

  // Replaces values of one table of a day, with the store closed.
  void tamper(const std::string& day, DayTable table, const std::function<std::string(std::string)>& change) {
    store_.reset();
    auto opened = Day::open(dir_ / ("store/" + day), day, kMap);
    ASSERT_TRUE(opened);
    auto txn = Txn::begin((*opened)->env(), Txn::Kind::Write);
    std::vector<std::pair<std::string, std::string>> entries;
    {
      auto cursor = Cursor::open(*txn, (*opened)->table(table));
      for (auto more = cursor->first(); *more; more = cursor->next())
        entries.emplace_back(cursor->key(), cursor->value());
    }
    ASSERT_FALSE(entries.empty());
    for (const auto& [key, value] : entries) ASSERT_TRUE(txn->put((*opened)->table(table), key, change(value)));
    ASSERT_TRUE(txn->commit());
  }

  void expect_only_today_is_out(std::string_view reason) {
    const auto read = store_->read_scans(0, INT64_MAX, [](auto&, auto&) { return true; });
    ASSERT_TRUE(read) << read.error().message();
    // What lies before the damage is handed out before it is met.
    ASSERT_TRUE(store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; }));
    const auto again = store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; });
    ASSERT_TRUE(again);
    EXPECT_EQ(again->rows, 20u);  // Yesterday's.
    ASSERT_EQ(again->excluded.size(), 1u);
    EXPECT_EQ(again->excluded[0].day, kToday);
    EXPECT_NE(again->excluded[0].reason.find(reason), std::string::npos) << again->excluded[0].reason;
    const auto stats = store_->stats();
    ASSERT_EQ(stats->quarantined.size(), 1u);
    ASSERT_EQ(stats->days.size(), 1u);
    EXPECT_EQ(stats->days[0].day, kYesterday);
  }
};

TEST_F(Faults, EveryKindOfDamagedValueTakesItsDayOut) {
  const struct {
    const char* what;
    DayTable table;
  } cases[] = {{"event", DayTable::EventTail},      {"scan header", DayTable::Scans},
               {"scan changes", DayTable::Samples}, {"keyframe block", DayTable::Blocks},
               {"life record", DayTable::Life},     {"counts", DayTable::Info},
               {"watermark", DayTable::Marks},      {"dictionary entry", DayTable::Dict}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    std::error_code ec;
    store_.reset();
    std::filesystem::remove_all(dir_ / "store", ec);
    open();
    fill();
    tamper(kToday, c.table, [](std::string value) {
      value.back() = static_cast<char>(value.back() ^ 0x10);
      return value;
    });
    open();
    expect_only_today_is_out("checksum does not match");
    open();  // Remembered, with the reason.
    expect_only_today_is_out("checksum does not match");
  }
}

TEST_F(Faults, AnUnknownVersionTakesItsDayOut) {
  fill();
  tamper(kToday, DayTable::Scans, [](std::string value) {
    value[0] = 7;
    return value;
  });
  open();
  expect_only_today_is_out("value has version 7, this agent knows 1");
}

TEST_F(Faults, FlippedBytesInTheFileAreNoticed) {
  fill();
  store_.reset();
  std::string bytes = read_file(data_of(kToday));
  const std::string magic = "\x28\xb5\x2f\xfd";  // Every zstd frame: of samples, blocks and records.
  int flipped = 0;
  for (std::size_t at = bytes.find(magic); at != bytes.npos; at = bytes.find(magic, at + 1)) {
    bytes[at + 9] = static_cast<char>(~bytes[at + 9]);
    ++flipped;
  }
  ASSERT_GT(flipped, 2);
  write_file(data_of(kToday), bytes);
  open();
  expect_only_today_is_out("checksum does not match");
}

TEST_F(Faults, ADamagedDayIsWrittenAnew) {
  fill();
  tamper(kToday, DayTable::Scans, [](std::string value) { return value + "x"; });
  open();
  expect_only_today_is_out("checksum");
  ASSERT_TRUE(store_scan(*store_, meta_of(50, kNoon + 5), {process(3, kNoon + 5)}));
  ASSERT_TRUE(store_->append_events("c", "s", events(41, 42, kNoon + 5)));
  const auto read = store_->read_scans(kNoon, INT64_MAX, [](const ScanMeta& meta, const pb::ProcessRecord& record) {
    EXPECT_EQ(meta.scan_id, 50u);
    EXPECT_EQ(record.SerializeAsString(), process(3, kNoon + 5).SerializeAsString());
    return true;
  });
  ASSERT_TRUE(read);
  EXPECT_EQ(read->rows, 1u);
  EXPECT_EQ(read->excluded.size(), 1u);  // Still said: part of the day is missing.
}

TEST_F(Faults, DamageThatAWriterMeetsIsSetAsideToo) {
  fill();
  store_.reset();
  {  // As a crash in the middle of a large scan would leave it, and then the bytes rot.
    auto day = Day::open(dir_ / ("store/" + kToday), kToday, kMap);
    ASSERT_TRUE(day);
    auto txn = Txn::begin((*day)->env(), Txn::Kind::Write);
    const auto from = to_bytes({static_cast<std::uint64_t>(kNoon + 1), 900});
    ASSERT_TRUE(txn->put((*day)->table(DayTable::Info), "pending", seal(view(from))));
    ASSERT_TRUE(txn->put((*day)->table(DayTable::Life), view(from), "rotten"));
    ASSERT_TRUE(txn->commit());
  }
  open();
  ASSERT_TRUE(store_->append_events("c", "s", events(41, 45, kNoon + 2)));
  EXPECT_EQ(store_->stats()->quarantined.size(), 1u);
  EXPECT_EQ(stored_events(*store_).size(), 25u);
}

TEST_F(Faults, ACutFileDoesNotEndTheAgent) {
  for (const double share : {0.2, 0.5, 0.8}) {
    SCOPED_TRACE(share);
    std::error_code ec;
    store_.reset();
    std::filesystem::remove_all(dir_ / "store", ec);
    open();
    fill();
    store_.reset();
    const auto size = std::filesystem::file_size(data_of(kToday));
    std::filesystem::resize_file(data_of(kToday), static_cast<std::uintmax_t>(static_cast<double>(size) * share));
    open();
    ASSERT_TRUE(store_->read_events(0, INT64_MAX, [](auto, auto&) { return true; }));
    const auto yesterday = store_->read_events(0, kNoon - 1000, [](auto, auto&) { return true; });
    ASSERT_TRUE(yesterday);
    EXPECT_EQ(yesterday->rows, 20u);
  }
}

TEST_F(Faults, ASecondAgentIsRefusedByName) {
  const auto second = Store::open(options(), clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::Conflict);
  EXPECT_EQ(second.error().message(), "open store: " + dir_ / "store/lock: another agent uses this store (pid " +
                                          std::to_string(::getpid()) + ")");
  store_.reset();
  EXPECT_TRUE(Store::open(options(), clock_));
}

TEST_F(Faults, ADirectoryThatIsNotOursAloneIsRefused) {
  store_.reset();
  ASSERT_EQ(::chmod((dir_ / "store").c_str(), 0750), 0);
  const auto open_to_group = Store::open(options(), clock_);
  ASSERT_FALSE(open_to_group);
  EXPECT_EQ(open_to_group.error().code(), Errc::Denied);
  EXPECT_NE(open_to_group.error().message().find("mode is 0750, must be 0700"), std::string::npos);
  ASSERT_EQ(::chmod((dir_ / "store").c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((dir_ / "store").c_str(), 12345, 12345), 0);
    EXPECT_EQ(Store::open(options(), clock_).error().code(), Errc::Denied);
    ASSERT_EQ(::chown((dir_ / "store").c_str(), 0, 0), 0);
  }
  StoreOptions link = options();
  link.dir = dir_.path() + "/link";
  ASSERT_EQ(::symlink((dir_ / "store").c_str(), link.dir.c_str()), 0);
  EXPECT_EQ(Store::open(link, clock_).error().code(), Errc::Denied);
  link.dir = dir_.path() + "/no/parent";
  EXPECT_FALSE(Store::open(link, clock_));
  link.dir = "";
  EXPECT_EQ(Store::open(link, clock_).error().code(), Errc::Invalid);
  link = options();
  link.retention_days = 0;
  EXPECT_EQ(Store::open(link, clock_).error().code(), Errc::Invalid);
}

TEST_F(Faults, AnotherSchemaIsUnsupported) {
  store_.reset();
  {
    auto state = State::open(dir_ / "store/state", 16ULL << 30);
    ASSERT_TRUE(state);
    auto txn = Txn::begin((*state)->env(), Txn::Kind::Write);
    ASSERT_TRUE(txn->put((*state)->table(StateTable::Info), "schema", encode_number(2)));
    ASSERT_TRUE(txn->commit());
  }
  const auto opened = Store::open(options(), clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::Unsupported);
  EXPECT_NE(opened.error().message().find("has schema 2, this agent knows 1"), std::string::npos);
}

TEST_F(Faults, AFullMapStopsALargeScanWithoutATrace) {
  store_.reset();
  StoreOptions small = options();
  small.day_map_bytes = 2 << 20;
  auto opened = Store::open(small, clock_);
  ASSERT_TRUE(opened);
  store_ = std::move(*opened);
  ASSERT_TRUE(store_scan(*store_, meta_of(1, kNoon), {process(1, kNoon)}));
  ASSERT_TRUE(store_->begin_scan(meta_of(2, kNoon + 1)));
  for (std::uint32_t n = 0; n < 9000; ++n) ASSERT_TRUE(add(*store_, process(n, kNoon + 1)));
  const auto finished = store_->finish_scan();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code(), Errc::Exhausted);
  EXPECT_NE(finished.error().message().find(dir_ / ("store/" + kToday)), std::string::npos);
  const LifeFilter of_five{.pid = 1005, .ppid = {}, .name = {}, .executable_hash = {}};
  const auto lives = store_->find_lives(of_five, 0, INT64_MAX, [](auto, auto, const auto&) { return true; });
  ASSERT_TRUE(lives);
  EXPECT_EQ(lives->rows, 0u);

  open();  // With room.
  EXPECT_EQ(read_all(*store_, 0, INT64_MAX).size(), 1u);
  ASSERT_TRUE(store_scan(*store_, meta_of(3, kNoon + 1), {process(1, kNoon + 1), process(5, kNoon + 1)}));
  EXPECT_EQ(store_->find_lives(of_five, 0, INT64_MAX, [](auto, auto, const auto&) { return true; })->rows, 1u);
  EXPECT_EQ(read_all(*store_, 0, INT64_MAX).rbegin()->second, rows_of({process(1, kNoon + 1), process(5, kNoon + 1)}));
}

// A file system of 4 MiB that goes away with the test.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    ::mkdir(path.c_str(), 0700);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(FullDisk, DeletesNothingAndRecovers) {
  TempDir dir;
  SmallDisk disk(dir.path() + "/disk");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno) << " (needs root)";
  FakeClock clock;
  StoreOptions options;
  options.dir = dir.path() + "/disk/store";
  auto opened = Store::open(options, clock);
  ASSERT_TRUE(opened) << opened.error().message();
  Store& store = **opened;
  EXPECT_TRUE(store.stats()->reserve_held);
  const std::vector<std::string> sinks = {"file"};
  pb::Alert first = alert("before");
  ASSERT_TRUE(store.put_alert(first, sinks, 0));
  const std::string filler = dir.path() + "/disk/filler";
  write_file(filler, std::string(1 << 20, 'f'));

  std::uint64_t stored = 0, scans = 0;
  Result<> failed;
  Population population(200, 1);
  while (failed && stored < 1'000'000) {
    auto appended = store.append_events("c", "s", events(stored + 1, stored + 100, kNoon));
    if (!appended) failed = fail(std::move(appended).error());
    if (!failed) break;
    stored += 100;
    failed = store_scan(store, meta_of(scans + 1, kNoon), population.at(kNoon, false));
    if (failed) ++scans;
    population.step(500, 100, 100);
  }
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::Exhausted);
  EXPECT_NE(failed.error().message().find(options.dir), std::string::npos) << failed.error().message();
  EXPECT_EQ(stored_events(store).size(), stored);
  EXPECT_EQ(read_all(store, 0, INT64_MAX).size(), scans);
  EXPECT_EQ(store.acked_sequence("c", "s"), stored);

  // Fill what is left, so that not even an alert fits; then the reserve makes room for one.
  for (int i = 0; i < 200; ++i) std::ofstream(dir.path() + "/disk/more", std::ios::app) << std::string(4096, 'm');
  Result<AlertOutcome> put = AlertOutcome::Stored;
  for (int i = 0; put && i < 2000; ++i) {
    pb::Alert more = alert("alert-" + std::to_string(i));
    more.set_description(std::string(4000, 'd'));
    put = store.put_alert(more, sinks, 0);
  }
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), Errc::Exhausted);
  ASSERT_TRUE(store.release_reserve());
  EXPECT_FALSE(store.stats()->reserve_held);
  pb::Alert disk_full = alert("the disk is full");
  EXPECT_TRUE(store.put_alert(disk_full, sinks, 0));

  std::filesystem::remove(filler);
  const auto again = store.append_events("c", "s", events(stored + 1, stored + 100, kNoon));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->jumps.empty());
  ASSERT_TRUE(store_scan(store, meta_of(scans + 1, kNoon), population.at(kNoon, false)));
  opened->reset();
  auto reopened = Store::open(options, clock);
  ASSERT_TRUE(reopened) << reopened.error().message();
  EXPECT_EQ(stored_events(**reopened).size(), stored + 100);
  EXPECT_EQ(read_all(**reopened, 0, INT64_MAX).size(), scans + 1);
  EXPECT_TRUE((*reopened)->find_alert("before"));
  EXPECT_TRUE((*reopened)->find_alert("the disk is full"));
  EXPECT_TRUE((*reopened)->stats()->quarantined.empty());
}

}  // namespace
}  // namespace de::store
