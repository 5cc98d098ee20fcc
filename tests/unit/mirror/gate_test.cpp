// Every statement that must not run, and which measure stops it; and what looks similar and must run.
#include <gmock/gmock.h>
#include <unistd.h>

#include "fixture.h"

namespace de::mirror {
namespace {

using testing::HasSubstr;

std::string times(int count, std::string_view what) {
  std::string out;
  for (int i = 0; i < count; ++i) out += what;
  return out;
}

struct Attempt {
  std::string sql;
  const char* expected;  // Part of the message.
};

const std::vector<Attempt>& attempts() {
  static const std::vector<Attempt> list = {
      // Stopped by the authorizer while preparing.
      {"INSERT INTO processes VALUES(1)", "INSERT is not allowed: queries only read"},
      {"INSERT INTO de_rows(pid) VALUES(1)", "INSERT is not allowed: queries only read"},
      {"REPLACE INTO de_rows(pid) VALUES(1)", "REPLACE is not allowed"},
      {"UPDATE de_rows SET name='x'", "UPDATE is not allowed: queries only read"},
      {"DELETE FROM de_rows", "DELETE is not allowed: queries only read"},
      {"DELETE FROM processes.de_scan", "DELETE is not allowed"},
      {"DROP TABLE de_rows", "DROP is not allowed: queries only read"},
      {"DROP VIEW processes", "DROP is not allowed"},
      {"DROP INDEX de_by_name", "DROP is not allowed"},
      {"ALTER TABLE de_rows ADD COLUMN x", "ALTER is not allowed"},
      {"ALTER TABLE de_rows RENAME TO y", "ALTER is not allowed"},
      {"CREATE TABLE t(a)", "CREATE is not allowed"},
      {"CREATE TEMP TABLE t AS SELECT * FROM processes", "CREATE is not allowed"},
      {"CREATE VIEW v AS SELECT 1", "CREATE is not allowed"},
      {"CREATE INDEX i ON de_rows(pid)", "CREATE is not allowed"},
      {"CREATE TRIGGER t AFTER INSERT ON de_rows BEGIN SELECT 1; END", "CREATE is not allowed"},
      {"CREATE VIRTUAL TABLE t USING fts5(a)", "CREATE is not allowed"},
      {"WITH x AS (SELECT 1) INSERT INTO de_rows(pid) SELECT * FROM x", "INSERT is not allowed"},
      {"WITH x AS (SELECT 1) DELETE FROM de_rows", "DELETE is not allowed"},
      {"WITH x AS (SELECT 1) UPDATE de_rows SET name=1", "UPDATE is not allowed"},
      {"INSERT INTO de_rows(pid) VALUES(5) RETURNING pid", "INSERT is not allowed"},
      {"DELETE FROM de_rows RETURNING pid", "DELETE is not allowed"},
      {"BEGIN", "BEGIN is not allowed"},
      {"BEGIN IMMEDIATE", "BEGIN is not allowed"},
      {"COMMIT", "COMMIT is not allowed"},
      {"ROLLBACK", "ROLLBACK is not allowed"},
      {"END", "END is not allowed"},
      {"SAVEPOINT s", "SAVEPOINT is not allowed"},
      {"RELEASE s", "RELEASE is not allowed"},
      {"ATTACH '/tmp/daemoneye-gate-test.db' AS x", "ATTACH is not allowed"},
      {"ATTACH ':memory:' AS x", "ATTACH is not allowed"},
      {"DETACH processes", "DETACH is not allowed"},
      {"PRAGMA user_version", "PRAGMA is not allowed"},
      {"PRAGMA writable_schema=ON", "PRAGMA is not allowed"},
      {"PRAGMA table_info(de_rows)", "PRAGMA is not allowed"},
      {"ANALYZE", "ANALYZE is not allowed"},
      {"  /* hello */ -- there\n drop table de_rows", "DROP is not allowed"},
      // Not even asked about while preparing: stopped by stmt_readonly and column_count.
      {"VACUUM", "VACUUM is not allowed: queries only read"},
      {"VACUUM INTO '/tmp/daemoneye-gate-test.db'", "VACUUM is not allowed"},
      {"REINDEX", "REINDEX is not allowed"},
      {"REINDEX nosuch", "REINDEX is not allowed"},
      // stmt_isexplain.
      {"EXPLAIN SELECT 1", "EXPLAIN is not a query"},
      {"EXPLAIN QUERY PLAN SELECT pid FROM processes", "EXPLAIN is not a query"},
      {"EXPLAIN DROP TABLE de_rows", "is not allowed"},
      // The tail loop.
      {"SELECT 1; SELECT 2", "only one statement is allowed"},
      {"SELECT 1; DROP TABLE de_rows", "only one statement is allowed"},
      {"SELECT 1;;; garbage", "only one statement is allowed"},
      {"SELECT 1; /* x */ PRAGMA user_version", "only one statement is allowed"},
      {"", "there is no statement"},
      {" ;; -- nothing\n", "there is no statement"},
      // Our own looks at the text.
      {std::string("SELECT 1\0; DROP TABLE de_rows", 29), "contains a NUL byte"},
      {"SELECT 1 --" + times(kAdHocSqlBytes, "x"), "longer than 16 KiB"},
      // Tables.
      {"SELECT * FROM sqlite_master", "sqlite_master may not be read"},
      {"SELECT * FROM sqlite_schema", "sqlite_master may not be read"},
      {"SELECT * FROM processes.sqlite_master", "sqlite_master may not be read"},
      {"SELECT * FROM sqlite_temp_master", "sqlite_temp_master may not be read"},
      {"SELECT count(*) FROM sqlite_master", "may not be read"},
      {"SELECT 1 FROM sqlite_master", "may not be read"},
      {"SELECT * FROM de_rows", "de_rows may not be read"},
      {"SELECT count(*) FROM de_rows", "de_rows may not be read"},
      {"SELECT pid FROM processes.de_rows", "de_rows may not be read"},
      {"SELECT count(*) FROM De_Rows", "De_Rows may not be read"},
      {"SELECT time_ms FROM de_scan", "de_scan may not be read"},
      {"SELECT cpu_usage FROM de_metrics", "de_metrics may not be read"},
      {"SELECT count(*) FROM de_metrics", "de_metrics may not be read"},
      {"SELECT p.pid FROM processes p, de_metrics m WHERE m.pid=p.pid", "de_metrics may not be read"},
      {"SELECT pid FROM processes WHERE pid IN (SELECT pid FROM de_rows)", "de_rows may not be read"},
      {"SELECT (SELECT name FROM sqlite_master LIMIT 1) FROM processes", "may not be read"},
      {"WITH x AS (SELECT * FROM de_rows) SELECT pid FROM x", "de_rows may not be read"},
      {"SELECT pid FROM processes UNION SELECT rootpage FROM sqlite_master", "may not be read"},
      {"SELECT * FROM procesess", "no such table: procesess (did you mean \"processes\"?)"},
      {"SELECT * FROM secrets", "no such table: secrets; known: processes"},
      {"SELECT * FROM main.processes", "no such table: main.processes"},
      // Table-valued functions and virtual tables.
      {"SELECT * FROM pragma_table_info('de_rows')", "not allowed"},
      {"SELECT * FROM pragma_database_list", "not allowed"},
      {"SELECT * FROM pragma_function_list()", "not allowed"},
      {"SELECT * FROM json_each('[1]')", "no such table: json_each"},
      {"SELECT * FROM json_tree('[1]')", "no such table: json_tree"},
      {"SELECT * FROM dbstat", "no such table: dbstat"},
      {"SELECT * FROM sqlite_stmt", "sqlite_stmt"},
      {"SELECT * FROM generate_series(1,10)", "no such table: generate_series"},
      // Functions.
      {"SELECT load_extension('x')", "load_extension() is not allowed"},
      {"SELECT fts3_tokenizer('simple')", "fts3_tokenizer() is not allowed"},
      {"SELECT sqlite_version()", "sqlite_version() is not allowed"},
      {"SELECT sqlite_compileoption_get(1)", "is not allowed"},
      {"SELECT printf('%.*c',1000000000,'x')", "printf() is not allowed"},
      {"SELECT format('%.*c',1000000000,'x')", "format() is not allowed"},
      {"SELECT zeroblob(1000000000)", "zeroblob() is not allowed"},
      {"SELECT randomblob(1000000000)", "randomblob() is not allowed"},
      {"SELECT random()", "random() is not allowed"},
      {"SELECT changes()", "changes() is not allowed"},
      {"SELECT last_insert_rowid()", "is not allowed"},
      {"SELECT quote(x'00')", "quote() is not allowed"},
      {"SELECT char(65)", "char() is not allowed"},
      {"SELECT name MATCH 'x' FROM processes", "match"},
      {"SELECT readfile('/etc/passwd')", "no such function: readfile"},
      {"SELECT regex_macth(name,'a',0) FROM processes", "did you mean \"regex_match\"?"},
      {"SELECT lenght(name) FROM processes", "did you mean \"length\"?"},
      {"SELECT 1 " + times(1, "WHERE printf('x')"), "printf() is not allowed"},
      // Columns.
      {"SELECT namee FROM processes", "no such column: namee (did you mean \"name\"?)"},
      {"SELECT p.comand_line FROM processes p", "(did you mean \"command_line\"?)"},
      {"SELECT \"nosuch\" FROM processes", "no such column: nosuch"},
      {"SELECT pid FROM processes WHERE name = \"sh\"", "no such column: sh"},
      {"SELECT 1 FROM processes WHERE", "incomplete input"},
      {"SELEC 1", "syntax error"},
      {"SELECT 'open", "unrecognized token"},
      // Limits of the parser and of the program.
      {"SELECT " + times(200, "(") + "1" + times(200, ")"), "parser stack overflow"},
      {"SELECT " + times(200, "NOT ") + "1", "parser stack overflow"},
      {"SELECT " + times(120, "(SELECT ") + "1" + times(120, ")"), "parser stack overflow"},
      {"SELECT 1 WHERE 1" + times(300, " AND pid=1"), "Expression tree is too large"},
      {"SELECT 1" + times(20, " UNION ALL SELECT 1"), "too many terms in compound SELECT"},
      {"SELECT 1" + times(300, ",1"), "too many columns in result set"},
      {"SELECT 1 FROM processes" + times(70, ",processes"), "at most 64 tables in a join"},
      {"SELECT concat(" + times(20, "1,") + "1)", "too many arguments"},
      {"SELECT ?40", "variable number must be between"},
      {"SELECT * FROM processes WHERE 0" + times(33, " OR name REGEXP 'a'"), "more than 32 regular expressions"},
      {"SELECT trim('x','" + times(300, "a") + "')", "longer than 256 bytes"},
      {"SELECT 'x' LIKE '" + times(300, "%") + "'", "LIKE or GLOB pattern too complex"},
      {"SELECT replace('aaaa','a','" + times(9'000, "b") + "') ||  replace(replace('" + times(1'000, "a") +
           "','a','bbbbbbbbbb'),'b','" + times(1'000, "c") + "')",
       "a value is longer than 1 MiB"},
      {"WITH RECURSIVE c(s) AS (SELECT 'x' UNION ALL SELECT s||s FROM c) SELECT length(s) FROM c",
       "a value is longer than 1 MiB"},
      {"WITH RECURSIVE c(n,s) AS (SELECT 1,'ab' UNION ALL SELECT n+1,hex(s) FROM c WHERE n<40) SELECT max(n) FROM c",
       "a value is longer than 1 MiB"},
      // Values and patterns.
      {"SELECT 'a' REGEXP '(a'", "invalid regular expression \"(a\": missing )"},
      {"SELECT 'a' REGEXP 'a(?=b)'", "invalid regular expression"},
      {"SELECT 'a' REGEXP '(a)\\1'", "invalid regular expression"},
      {"SELECT 'a' REGEXP '((((a{10}){10}){10}){10})'", "invalid regular expression"},
      {"SELECT 'a' REGEXP '[^a]{900}'", "regular expression too complex"},
      {"SELECT regex_match(name,'(x',0) FROM processes", "invalid regular expression"},
      {"SELECT cidr_match('10.0.0.1','10.0.0.0/33')", "must be a network"},
      {"SELECT ?", "has 1 parameters, 0 were given"},
      {"SELECT :a, :b", "has 2 parameters, 0 were given"},
  };
  return list;
}

TEST(Gate, RefusesEveryAttempt) {
  const auto session = few_session();
  for (const Attempt& attempt : attempts()) {
    const Answer answer = ask(*session, attempt.sql);
    const std::string shown = attempt.sql.substr(0, 100);
    ASSERT_FALSE(answer.outcome) << shown;
    EXPECT_EQ(answer.outcome.error().code(), Errc::Invalid) << shown << ": " << answer.text();
    EXPECT_THAT(answer.outcome.error().message(), HasSubstr(attempt.expected)) << shown;
  }
  EXPECT_GE(attempts().size(), 100U);
  // Nothing of all this left a trace.
  EXPECT_EQ(ask(*session, "SELECT group_concat(pid) FROM (SELECT pid FROM processes ORDER BY pid)").text(),
            "1,10,11,12");
}

TEST(Gate, ValidateRefusesTheSameWithoutRunning) {
  const auto session = few_session();
  for (const Attempt& attempt : attempts()) {
    const std::string expected = attempt.expected;
    // What only a running statement can meet.
    if (expected.starts_with("a value is longer") || expected.find("were given") != std::string::npos) continue;
    if (expected.starts_with("longer than 256") || expected.starts_with("LIKE or GLOB")) continue;
    if (expected.starts_with("must be a network")) continue;
    const auto statement = session->validate(attempt.sql);
    EXPECT_FALSE(statement) << attempt.sql.substr(0, 100);
  }
}

struct Accepted {
  std::string sql;
  const char* answer;
};

TEST(Gate, LetsReadersRead) {
  const std::vector<Accepted> list = {
      {"SELECT 1;", "1"},
      {"SELECT 1; -- done\n ; /* really */", "1"},
      {"VALUES (1),(2)", "1\n2"},
      {"SELECT count(*) FROM processes", "4"},
      {"SELECT count(*) FROM processes.snapshots", "4"},
      {"SELECT count(*) FROM snapshots", "4"},
      {"SELECT count(*) FROM processes.processes", "4"},
      {"WITH c AS (SELECT pid FROM processes) SELECT count(*) FROM c", "4"},
      {"SELECT count(*) FROM (SELECT pid FROM processes WHERE pid > 1)", "3"},
      {"WITH secrets AS (SELECT 7 AS a) SELECT a FROM secrets", "7"},
      {"WITH scan AS (SELECT 7 AS a) SELECT count(*) FROM scan", "1"},
      {"SELECT processes.pid FROM processes WHERE processes.name='sh'", "11"},
      {"SELECT PID FROM Processes WHERE NAME='sh'", "11"},
      {"SELECT name FROM processes WHERE command_line LIKE '%-c%'", "sh"},
      {"SELECT name FROM processes WHERE command_line GLOB 'nginx:*'", "nginx"},
      {"SELECT name FROM processes WHERE name REGEXP '^(ba)?sh$' ORDER BY pid", "sh\nbash"},
      {"SELECT name FROM processes WHERE name NOT REGEXP 'sh|nginx'", "init"},
      {"SELECT c.pid FROM processes c JOIN processes p ON p.pid=c.ppid WHERE p.name='nginx'", "11"},
      {"SELECT c.pid, p.name FROM processes c LEFT JOIN processes p ON p.pid=c.ppid WHERE c.pid<11 ORDER BY 1",
       "1|NULL\n10|init"},
      {"SELECT a.pid FROM processes a LEFT JOIN processes b ON b.pid=a.ppid LEFT JOIN processes c ON c.pid=b.ppid "
       "WHERE c.name='init'",
       "11"},
      {"WITH RECURSIVE up(pid, ppid, d) AS (SELECT pid, ppid, 0 FROM processes WHERE pid=11 UNION ALL "
       "SELECT p.pid, p.ppid, d+1 FROM processes p JOIN up ON p.pid=up.ppid) SELECT group_concat(pid) FROM up",
       "11,10,1"},
      {"SELECT ppid, count(*) AS n FROM processes GROUP BY ppid HAVING n > 1", "1|2"},
      {"SELECT pid, row_number() OVER (ORDER BY pid DESC) FROM processes LIMIT 1", "12|1"},
      {"SELECT lag(pid) OVER (ORDER BY pid) FROM processes WHERE pid > 1", "NULL\n10\n11"},
      {"SELECT pid FROM processes WHERE EXISTS (SELECT 1 FROM processes c WHERE c.ppid = processes.pid)", "1\n10"},
      {"SELECT DISTINCT ppid FROM processes WHERE ppid IS NOT NULL ORDER BY 1", "1\n10"},
      {"SELECT pid FROM processes WHERE pid IN (10,11) UNION SELECT 99", "10\n11\n99"},
      {"SELECT collection_time_ms, collection_time, scan_id FROM processes LIMIT 1", "1700000000000|1700000000000|1"},
      {"SELECT json_extract(argv,'$[0]'), argv->>0 FROM processes WHERE pid=12", "-bash|-bash"},
      {"SELECT datetime(collection_time/1000,'unixepoch') FROM processes LIMIT 1", "2023-11-14 22:13:20"},
      {"SELECT CASE WHEN 1 THEN CAST('5' AS INTEGER) END, iif(1,2,3), coalesce(NULL,4)", "5|2|4"},
      {"SELECT 1 WHERE 1" + times(200, " AND 1=1"), "1"},
      {"SELECT count(*) FROM processes WHERE pid IN (1" + times(3'000, ",2") + ")", "1"},
  };
  const auto session = few_session();
  for (const Accepted& accepted : list)
    EXPECT_EQ(ask(*session, accepted.sql).text(), accepted.answer) << accepted.sql.substr(0, 120);
}

TEST(Gate, RulesMayBeLongerThanTypedQueries) {
  const std::string sql = "SELECT 1 --" + times(100'000, "x");
  EXPECT_THAT(ask(*few_session(Origin::AdHoc), sql).text(), HasSubstr("longer than 16 KiB"));
  EXPECT_EQ(ask(*few_session(Origin::Rule), sql).text(), "1");
  EXPECT_THAT(ask(*few_session(Origin::Rule), sql + times(40'000, "x")).text(), HasSubstr("longer than 128 KiB"));
}

TEST(Gate, NamesTheLineAndColumnOfAMistake) {
  EXPECT_THAT(ask(*few_session(), "SELECT pid\nFROM processes\nWHERE nmae = 1").text(), HasSubstr("line 3, column 7"));
}

TEST(Gate, BackingTablesStayHiddenBehindAliases) {
  const auto session = few_session();
  EXPECT_FALSE(ask(*session, "SELECT x.pid FROM de_rows x").outcome);
  EXPECT_FALSE(ask(*session, "SELECT rowid FROM de_rows").outcome);
  EXPECT_FALSE(ask(*session, "SELECT p.pid FROM processes p, de_rows r WHERE r.pid=p.pid").outcome);
  // SQLite names a CTE as the way to a table just like a view; both tables hold nothing that the view does not show.
  EXPECT_EQ(ask(*session, "WITH processes AS (SELECT max(pid) AS m FROM de_rows) SELECT m FROM processes").text(),
            "12");
}

TEST(Gate, RefusedSqlNeverReachesTheFileSystem) {
  const auto session = few_session();
  (void)ask(*session, "VACUUM INTO '/tmp/daemoneye-gate-test.db'");
  (void)ask(*session, "ATTACH '/tmp/daemoneye-gate-test.db' AS x");
  EXPECT_NE(::access("/tmp/daemoneye-gate-test.db", F_OK), 0);
}

TEST(Gate, PatternsFromColumnsAreCheckedWhenReached) {
  EXPECT_THAT(ask(*few_session(), "SELECT 'a' REGEXP ('(' || name) FROM processes").text(),
              HasSubstr("invalid regular expression"));
}

TEST(Gate, ValidateCompilesPatternsThatNoRowReaches) {
  const auto session = few_session();
  const auto bad = session->validate("SELECT pid FROM processes WHERE pid<0 AND name REGEXP '(a'");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message(), HasSubstr("missing )"));
  EXPECT_TRUE(session->validate("SELECT pid FROM processes WHERE name LIKE '(a' AND name REGEXP 'a'"));
  EXPECT_TRUE(session->validate("SELECT '(a', '[b' FROM processes WHERE name REGEXP 'a' OR command_line REGEXP 'b'"));
}

TEST(Gate, ValidateTellsWhatIsUsed) {
  const auto session = few_session();
  const auto statement =
      session->validate("SELECT p.pid AS who, lower(p.name) FROM processes p WHERE p.command_line REGEXP ?");
  ASSERT_TRUE(statement) << statement.error().message();
  EXPECT_THAT(statement->columns, testing::ElementsAre("who", "lower(p.name)"));
  EXPECT_EQ(statement->parameters, 1);
  EXPECT_THAT(statement->tables, testing::ElementsAre("processes"));
  EXPECT_THAT(statement->columns_used,
              testing::ElementsAre("processes.command_line", "processes.name", "processes.pid"));
  EXPECT_THAT(statement->functions, testing::ElementsAre("lower", "regexp"));
}

TEST(Gate, CountsRegularExpressionsOfAStatementOnce) {
  const auto session = few_session();
  std::string sql = "SELECT pid FROM processes WHERE name REGEXP '0'";
  for (int i = 1; i < 32; ++i) sql += " OR name REGEXP '" + std::to_string(i) + "'";
  EXPECT_TRUE(session->explain(sql));
  EXPECT_FALSE(session->explain(sql + " OR name REGEXP 'x'"));
}

}  // namespace
}  // namespace de::mirror
