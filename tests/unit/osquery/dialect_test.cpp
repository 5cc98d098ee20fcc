#include "daemoneye/osquery/dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/osquery/tables.h"
#include "mirror/row_image.h"
#include "mirror/session.h"
#include "osquery/fixture.h"

namespace de::osquery {
namespace {

using mirror::Value;
using testing::HasSubstr;
using testing::Not;

// A few processes that show what is easily got wrong.
std::shared_ptr<const mirror::Image> few() {
  const auto i = [](std::int64_t n) { return Value(n); };
  const auto t = [](std::string_view s) { return Value(s); };
  const std::vector<mirror::NamedRow> rows = {
      {{"pid", i(1)},
       {"ppid", i(0)},
       {"name", t("init")},
       {"executable_path", t("/sbin/init")},
       {"file_exists", i(1)},
       {"executable_hash", t("aa")},
       {"on_disk_state", t("match")},
       {"start_time_ms", i(1'700'000'000'999)},
       {"uid", i(0)},
       {"memory_usage", i(4096)},
       {"namespaces", t("{\"mnt\":4026531841}")}},
      {{"pid", i(2)}, {"ppid", i(0)}, {"name", t("kthreadd")}, {"kernel_thread", i(1)}, {"uid", i(0)}},
      {{"pid", i(7)},
       {"ppid", i(1)},
       {"name", t("x")},
       {"executable_path", t("/tmp/x")},
       {"file_exists", i(0)},
       {"executable_hash", t("bb")},
       {"on_disk_state", t("deleted")},
       {"uid", i(1000)}},
      {{"pid", i(8)},
       {"ppid", i(1)},
       {"executable_path", t("/bin/new")},
       {"file_exists", i(1)},
       {"uid", i(1000)},
       {"on_disk_state", t("replaced")},
       {"executable_hash", t("cc")}},
  };
  auto image = mirror::image_from_rows(rows, 1'700'000'100'000);
  EXPECT_TRUE(image) << image.error().message();
  return *image;
}

std::string answer(const std::string& sql) {
  auto session = mirror::Session::create(mirror::Origin::AdHoc, system_clock());
  EXPECT_TRUE((*session)->load(few()));
  const auto translated = from_osquery(sql);
  if (!translated) return translated.error().message();
  std::string out;
  const auto outcome = (*session)->run(
      *translated, {}, mirror::kAdHocBudget, [](std::span<const std::string>) {},
      [&](std::span<const Value> row) {
        for (const Value& value : row) {
          if (&value != row.data()) out += '|';
          if (const auto* number = std::get_if<std::int64_t>(&value)) out += std::to_string(*number);
          if (const auto* text = std::get_if<std::string_view>(&value)) out += *text;
          if (std::holds_alternative<std::monostate>(value)) out += "NULL";
        }
        out += '\n';
        return true;
      });
  return outcome ? out : outcome.error().message();
}

TEST(Dialect, ProcessesAreAsOsqueryShowsThem) {
  EXPECT_EQ(answer("SELECT pid, path, on_disk, parent, start_time, uid, name FROM processes ORDER BY pid"),
            "1|/sbin/init|1|0|1700000000|0|init\n2||-1|0|NULL|0|kthreadd\n7|/tmp/x|0|1|NULL|1000|x\n"
            "8|/bin/new|1|1|NULL|1000|\n");
}

TEST(Dialect, ColumnsHaveTypesSoThatTextsCompareAsNumbers) {
  EXPECT_EQ(answer("SELECT pid FROM processes WHERE start_time < strftime('%s', '2030-01-01')"), "1\n");
  EXPECT_EQ(answer("SELECT pid FROM processes WHERE start_time > strftime('%s', '2030-01-01')"), "");
  EXPECT_EQ(answer("SELECT pid FROM processes WHERE uid = '1000' AND resident_size IS NULL AND on_disk = '0'"), "7\n");
  EXPECT_EQ(answer("SELECT pid FROM processes WHERE resident_size = '4096'"), "1\n");
}

TEST(Dialect, DoubleQuotesAreTextsUnlessTheyNameSomething) {
  EXPECT_EQ(answer("SELECT pid AS \"the pid\" FROM processes WHERE name = \"init\";"), "1\n");
  EXPECT_EQ(answer("SELECT \"pid\" FROM \"processes\" p WHERE p.\"name\" IN (\"init\", \"it's\")"), "1\n");
  EXPECT_EQ(answer("SELECT pid \"n\" FROM processes WHERE path = \"\" ORDER BY \"n\""), "2\n");
  EXPECT_EQ(answer("SELECT \"a 'b' \"\"c\"\"\" FROM processes LIMIT 1"), "a 'b' \"c\"\n");
}

TEST(Dialect, CommentsAndSemicolonsDoNoHarm) {
  EXPECT_EQ(
      answer("-- processes \"x\n/* FROM nothing ' */ SELECT pid FROM processes -- end\nWHERE pid = 1; -- done \"\n"),
      "1\n");
}

TEST(Dialect, JoinsItselfThroughTheIndexes) {
  auto session = mirror::Session::create(mirror::Origin::AdHoc, system_clock());
  ASSERT_TRUE((*session)->load(few()));
  const auto sql = from_osquery(
      "SELECT p.pid, pp.path, gp.path FROM processes p LEFT JOIN processes pp ON p.parent = pp.pid "
      "LEFT JOIN processes gp ON pp.parent = gp.pid");
  const auto explained = (*session)->explain(*sql);
  ASSERT_TRUE(explained) << explained.error().message();
  std::string plan;
  for (const std::string& step : explained->plan) plan += step + "\n";
  EXPECT_THAT(plan, HasSubstr("SEARCH"));
  EXPECT_THAT(plan, Not(HasSubstr("MATERIALIZE")));
  EXPECT_TRUE(explained->warnings.empty());
}

TEST(Dialect, MergesWithWhatIsDefinedAlready) {
  EXPECT_EQ(answer("WITH p AS (SELECT pid FROM processes WHERE pid < 3) SELECT count(*) FROM p"), "2\n");
  EXPECT_EQ(
      answer("WITH RECURSIVE up(pid, parent) AS (SELECT pid, parent FROM processes WHERE pid = 7 UNION "
             "SELECT p.pid, p.parent FROM processes p JOIN up ON up.parent = p.pid) SELECT pid FROM up ORDER BY 1"),
      "1\n7\n");
  EXPECT_EQ(answer("SELECT * FROM (WITH hash AS (SELECT 5 AS five) SELECT five FROM hash)"), "5\n");
}

TEST(Dialect, HashIsOfExecutablesThatAreStillWhatRuns) {
  EXPECT_EQ(answer("SELECT p.pid, h.sha256 FROM processes p LEFT JOIN hash h ON p.path = h.path ORDER BY 1"),
            "1|aa\n2|NULL\n7|NULL\n8|NULL\n");
  EXPECT_EQ(answer("SELECT p.pid, directory FROM processes p JOIN hash USING (path) ORDER BY 1"), "1|/sbin\n8|/bin\n");
}

TEST(Dialect, NamespacesAreTexts) {
  EXPECT_EQ(answer("SELECT pid FROM process_namespaces WHERE mnt_namespace = '4026531841' AND net_namespace IS NULL"),
            "1\n");
}

TEST(Dialect, TablesThatAreNotServedAreNamedAllOfThem) {
  EXPECT_THAT(answer("SELECT 1 FROM processes, listening_ports l JOIN yara USING (pid)"),
              testing::AllOf(HasSubstr("listening_ports: sockets are not collected"),
                             HasSubstr("yara: what files contain is not read"), Not(HasSubstr("processes:"))));
  EXPECT_THAT(answer("SELECT 1 FROM processes WHERE pid IN (SELECT pid FROM (SELECT pid FROM yara))"),
              HasSubstr("yara"));
  EXPECT_THAT(answer("SELECT 1 FROM processes WHERE path IN startup_items"), HasSubstr("startup_items: not collected"));
  EXPECT_THAT(answer("SELECT 1 FROM proceses"), HasSubstr("did you mean \"processes\""));
  EXPECT_THAT(answer("SELECT 1 FROM processes.events"), HasSubstr("processes.events: not collected"));
  EXPECT_THAT(answer("SELECT 1 FROM processes p LEFT JOIN (users u CROSS JOIN kernel_info) ON 1"),
              HasSubstr("kernel_info"));
}

TEST(Dialect, ColumnsThatAreNotThereAreNamedWithTheirPlace) {
  EXPECT_EQ(answer("SELECT pe.pid,\n  pe.status FROM process_events pe"),
            "no such column: pe.status (line 2, column 3)");
  EXPECT_EQ(answer("SELECT cmdlin FROM processes"),
            "no such column: cmdlin (did you mean \"cmdline\"?) (line 1, column 8)");
  EXPECT_EQ(answer("SELECT h.md5 FROM processes JOIN hash h USING (path)"),
            "column hash.md5 is not collected (line 1, column 8)");
  EXPECT_EQ(answer("SELECT \"sha1\" FROM processes JOIN hash h USING (path)"),
            "column hash.sha1 is not collected (line 1, column 8)");
  EXPECT_EQ(answer("SELECT executable_path FROM processes"), "no such column: executable_path (line 1, column 8)");
}

TEST(Dialect, HashAloneIsRefusedBecauseItWouldLackWhatNeverRan) {
  EXPECT_THAT(answer("SELECT sha256 FROM hash WHERE path = '/etc/passwd'"), HasSubstr("hash: only executables"));
  EXPECT_THAT(answer("SELECT sha256 FROM file JOIN hash USING (path) WHERE path = '/x'"), HasSubstr("hash"));
}

TEST(Dialect, ErrorsPointIntoWhatWasWritten) {
  EXPECT_THAT(answer("SELECT pid\nFROM processes WHERE pid = nosuch(1)"), HasSubstr("no such function: nosuch"));
  EXPECT_THAT(answer("SELECT pid FROM processes WHERE WHERE"), HasSubstr("(line 1, column 33)"));
  EXPECT_THAT(answer("WITH a AS (SELECT 1) SELECT pid FROM processes WHERE )"), HasSubstr("(line 1, column 54)"));
  EXPECT_THAT(answer("SELECT 'x"), HasSubstr("has no end (line 1, column 8)"));
}

TEST(Dialect, OnlyReads) {
  for (const std::string sql : {"DELETE FROM processes", "PRAGMA x", "INSERT INTO users VALUES (1)",
                                "SELECT 1 FROM processes; SELECT 2", "UPDATE processes SET pid = 1", ""})
    EXPECT_THAT(answer(sql), testing::AnyOf(HasSubstr("only"), HasSubstr("not allowed"), HasSubstr("no statement"),
                                            HasSubstr("cannot modify"), HasSubstr("not served")))
        << sql;
}

TEST(Dialect, LengthIsThatOfWhatWasWritten) {
  const std::string head = "SELECT count(*) FROM processes p JOIN hash USING (path) --";
  const auto padded = [&](std::size_t size) { return head + std::string(size - head.size(), 'x'); };
  EXPECT_EQ(answer(padded(mirror::kAdHocSqlBytes)), "2\n");
  EXPECT_THAT(answer(padded(mirror::kAdHocSqlBytes + 1)), HasSubstr("longer than 16 KiB"));
  EXPECT_THAT(answer(padded(kMaxStatementBytes + 1)), HasSubstr("longer than 128 KiB"));
  std::string all;
  for (const View& view : views()) all += view_sql(view);
  EXPECT_LT(all.size() + 100, kMaxPreambleBytes);
}

TEST(Dialect, FilesNeedANameAndAreCounted) {
  const Fixture fixture;
  auto session = mirror::Session::create(mirror::Origin::AdHoc, system_clock(), &fixture, &fixture);
  ASSERT_TRUE((*session)->load(fixture.image()));
  const auto count = [&](const std::string& sql) -> std::string {
    std::string out;
    const auto outcome = (*session)->run(
        *from_osquery(sql), {}, mirror::kAdHocBudget, [](std::span<const std::string>) {},
        [&](std::span<const Value> row) {
          out += std::to_string(std::get<std::int64_t>(row[0]));
          return true;
        });
    return outcome ? out : outcome.error().message();
  };
  EXPECT_EQ(count("SELECT count(*) FROM file WHERE path = '/tmp/evil'"), "1");
  EXPECT_EQ(count("SELECT count(*) FROM file WHERE path IN ('/tmp/evil', '/nowhere') OR path = '/tmp/.x'"), "2");
  EXPECT_EQ(count("SELECT count(*) FROM processes JOIN file USING (path) WHERE pid = 1"), "1");
  for (const std::string where : {"", " WHERE path LIKE '/tmp/%'", " WHERE directory = '/tmp'",
                                  " WHERE path LIKE '/tmp/%' OR path = '/tmp/evil'", " WHERE path <> '/x'"})
    EXPECT_THAT(count("SELECT count(*) FROM file" + where), HasSubstr("named paths only")) << where;

  EXPECT_EQ(count("SELECT count(*) FROM magic WHERE path = '/usr/sbin/cron' AND data LIKE '%executable%'"), "1");
  EXPECT_EQ(count("SELECT count(*) FROM processes LEFT JOIN magic USING (path) WHERE pid = 1 AND data <> ''"), "1");
  EXPECT_THAT(count("SELECT count(*) FROM magic WHERE path = '/usr/sbin/cron' AND magic_db_files = '/tmp/mine'"),
              HasSubstr("leave magic_db_files out"));
  for (const std::string where : {"", " WHERE path LIKE '/tmp/%'", " WHERE mime_type = 'text/plain'"})
    EXPECT_THAT(count("SELECT count(*) FROM magic" + where), HasSubstr("magic are answered for named paths")) << where;
}

}  // namespace
}  // namespace de::osquery
