// The delta is only worth having if it always equals a rebuild.
#include "mirror/mirror.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "daemoneye/schema/process_columns.h"
#include "fixture.h"

namespace de::mirror {
namespace {

pb::ProcessRecord process(std::uint32_t pid, std::string_view name) {
  pb::ProcessRecord record;
  record.set_pid(pid);
  record.set_ppid(1);
  record.set_name(std::string(name));
  record.set_process_uid(std::string(12, 'u') + std::to_string(1000 + pid % 9000));
  record.set_accessible(true);
  record.set_threads(1);
  return record;
}

std::unique_ptr<Mirror> must_create() {
  auto mirror = Mirror::create();
  EXPECT_TRUE(mirror) << mirror.error().message();
  return std::move(*mirror);
}

std::shared_ptr<const Image> scan(Mirror& mirror, std::uint64_t id, const std::vector<pb::ProcessRecord>& processes) {
  EXPECT_TRUE(mirror.begin_scan(id, static_cast<std::int64_t>(id) * 1000));
  for (const auto& record : processes) {
    const auto added = mirror.upsert(record, record.SerializeAsString());
    EXPECT_TRUE(added) << added.error().message();
  }
  return must(mirror.finish_scan());
}

std::string content(const std::shared_ptr<const Image>& image,
                    std::string_view sql = "SELECT * FROM processes ORDER BY pid") {
  auto session = Session::create(Origin::AdHoc, system_clock());
  EXPECT_TRUE(session);
  EXPECT_TRUE((*session)->load(image));
  return ask(**session, sql).text();
}

TEST(Mirror, ShowsEveryColumnOfARecord) {
  auto mirror = must_create();
  pb::ProcessRecord record = process(7, "sshd");
  record.set_executable_path("/usr/sbin/sshd");
  record.add_command_line("sshd");
  record.add_command_line("-D");
  record.set_cpu_usage(12.5);
  record.set_user_id("0");
  const auto image = scan(*mirror, 3, {record});
  EXPECT_EQ(image->rows, 1U);
  EXPECT_EQ(image->scan_id, 3U);
  EXPECT_EQ(image->scan_time_ms, 3000);
  EXPECT_EQ(image->generation, 1U);
  EXPECT_EQ(content(image,
                    "SELECT pid, name, executable_path, command_line, argv, argc, cpu_usage, uid, scan_id, "
                    "collection_time_ms, collection_time, cwd FROM processes"),
            "7|sshd|/usr/sbin/sshd|sshd -D|[\"sshd\",\"-D\"]|2|12.500000|0|3|3000|3000|NULL");
  auto session = Session::create(Origin::AdHoc, system_clock());
  ASSERT_TRUE(session);
  const Answer answer = ask(**session, "SELECT * FROM processes");
  EXPECT_EQ(answer.columns.size(), schema::find_table("processes")->columns.size());
  for (std::size_t i = 0; i < answer.columns.size(); ++i)
    EXPECT_EQ(answer.columns[i], schema::find_table("processes")->columns[i].name);
}

TEST(Mirror, CountsWhatMoved) {
  auto mirror = must_create();
  scan(*mirror, 1, {process(1, "a"), process(2, "b"), process(3, "c"), process(4, "d")});
  EXPECT_EQ(mirror->counts().inserted, 4U);
  auto moved = process(2, "b");
  moved.set_threads(9);
  const auto image = scan(*mirror, 2, {process(1, "a"), moved, process(3, "renamed"), process(5, "e")});
  EXPECT_EQ(mirror->counts().unchanged, 1U);
  EXPECT_EQ(mirror->counts().metrics, 1U);
  EXPECT_EQ(mirror->counts().replaced, 1U);
  EXPECT_EQ(mirror->counts().inserted, 1U);
  EXPECT_EQ(mirror->counts().removed, 1U);
  EXPECT_EQ(mirror->rows(), 4U);
  EXPECT_EQ(content(image, "SELECT pid, name, threads FROM processes ORDER BY pid"),
            "1|a|1\n2|b|9\n3|renamed|1\n5|e|1");
}

TEST(Mirror, DeltaEqualsRebuildOverManyRandomScans) {
  std::mt19937 random(42);
  const auto any = [&](std::uint32_t below) { return std::uint32_t(random() % below); };
  auto delta = must_create();
  std::map<std::uint32_t, pb::ProcessRecord> alive;
  for (std::uint64_t id = 1; id <= 40; ++id) {
    for (int i = 0; i < 20; ++i) {
      const std::uint32_t pid = 1 + any(120);
      switch (any(5)) {
        case 0:
          alive.erase(pid);
          break;
        case 1:
          alive[pid] = process(pid, "p" + std::to_string(any(5)));
          break;
        case 2:
          if (alive.contains(pid)) alive[pid].set_memory_usage(any(1000));
          break;
        case 3:
          if (alive.contains(pid)) alive[pid].set_cwd("/tmp/" + std::to_string(any(9)));
          break;
        default:
          if (alive.contains(pid)) alive[pid].clear_threads();
      }
    }
    std::vector<pb::ProcessRecord> records;
    for (const auto& [pid, record] : alive) records.push_back(record);
    std::shuffle(records.begin(), records.end(), random);
    auto fresh = must_create();
    // Every third scan is tried and abandoned first.
    if (id % 3 == 0) {
      ASSERT_TRUE(delta->begin_scan(id, 5));
      for (std::size_t i = 0; i < records.size() / 2; ++i) {
        auto other = records[i];
        other.set_name("never");
        ASSERT_TRUE(delta->upsert(other, other.SerializeAsString()));
      }
      delta->abandon_scan();
    }
    ASSERT_EQ(content(scan(*delta, id, records)), content(scan(*fresh, id, records))) << "scan " << id;
  }
}

TEST(Mirror, AbandonedScanLeavesNothing) {
  auto mirror = must_create();
  const auto first = scan(*mirror, 1, {process(1, "a"), process(2, "b")});
  ASSERT_TRUE(mirror->begin_scan(2, 2));
  ASSERT_TRUE(mirror->upsert(process(1, "changed"), ""));
  ASSERT_TRUE(mirror->upsert(process(9, "new"), ""));
  mirror->abandon_scan();
  EXPECT_EQ(mirror->image(), first);
  EXPECT_EQ(mirror->rows(), 2U);
  const auto again = scan(*mirror, 3, {process(1, "changed"), process(2, "b")});
  EXPECT_EQ(mirror->counts().replaced, 1U);
  EXPECT_EQ(mirror->counts().inserted, 0U);
  EXPECT_EQ(content(again, "SELECT pid, name FROM processes ORDER BY pid"), "1|changed\n2|b");
}

TEST(Mirror, ImagesDoNotChangeAnyMore) {
  auto mirror = must_create();
  const auto first = scan(*mirror, 1, {process(1, "a")});
  auto session = Session::create(Origin::AdHoc, system_clock());
  ASSERT_TRUE(session && (*session)->load(first));
  const auto second = scan(*mirror, 2, {process(1, "z"), process(2, "b")});
  mirror.reset();
  EXPECT_EQ(ask(**session, "SELECT name, scan_id FROM processes").text(), "a|1");
  ASSERT_TRUE((*session)->load(second));
  EXPECT_EQ(ask(**session, "SELECT name, scan_id FROM processes ORDER BY pid").text(), "z|2\nb|2");
  EXPECT_EQ(second->generation, 2U);
}

TEST(Mirror, ALaterRecordOfTheSamePidWins) {
  auto mirror = must_create();
  const auto image = scan(*mirror, 1, {process(1, "a"), process(1, "b")});
  EXPECT_EQ(mirror->counts().duplicates, 1U);
  EXPECT_EQ(content(image, "SELECT name FROM processes"), "b");
}

TEST(Mirror, CallsOutOfOrderAreConflicts) {
  auto mirror = must_create();
  EXPECT_EQ(mirror->upsert(process(1, "a"), "").error().code(), Errc::Conflict);
  EXPECT_EQ(mirror->finish_scan().error().code(), Errc::Conflict);
  mirror->abandon_scan();
  ASSERT_TRUE(mirror->begin_scan(1, 1));
  EXPECT_EQ(mirror->begin_scan(2, 2).error().code(), Errc::Conflict);
  EXPECT_EQ(mirror->upsert(process(1, "a"), "").error().code(), Errc::Conflict) << "the open scan is abandoned";
  EXPECT_EQ(scan(*mirror, 3, {process(1, "a")})->rows, 1U);
}

TEST(Mirror, EmptyScanEmptiesTheTable) {
  auto mirror = must_create();
  scan(*mirror, 1, {process(1, "a")});
  EXPECT_EQ(content(scan(*mirror, 2, {}), "SELECT count(*) FROM processes"), "0");
}

TEST(Mirror, LongArgumentsFromManyProcessesStayBounded) {
  auto mirror = must_create();
  std::vector<pb::ProcessRecord> records;
  for (std::uint32_t pid = 1; pid <= 1'500; ++pid) {
    records.push_back(process(pid, "bomb"));
    records.back().add_command_line(std::string(100'000, static_cast<char>('a' + pid % 26)));
  }
  const auto image = scan(*mirror, 1, records);
  EXPECT_EQ(image->rows, 1'500U);
  EXPECT_LT(image->size_bytes, 120UL << 20);
  EXPECT_EQ(content(image, "SELECT length(command_line) FROM processes WHERE pid=1"),
            std::to_string(schema::kSqlTextBytes));
  // The table shrinks again, and so does what is published.
  const auto small = scan(*mirror, 2, {process(1, "a")});
  EXPECT_LT(small->size_bytes, 1UL << 20);
}

TEST(Mirror, OversizedTextIsCutBetweenCharacters) {
  auto mirror = must_create();
  auto record = process(1, "a");
  record.set_platform_data(std::string(schema::kSqlTextBytes - 1, 'x') + "\xc3\xa9tail");
  const auto image = scan(*mirror, 1, {record});
  const std::string length = content(image, "SELECT length(CAST(platform_data AS BLOB)) FROM processes");
  EXPECT_LE(std::stoul(length), schema::kSqlTextBytes);
}

}  // namespace
}  // namespace de::mirror
