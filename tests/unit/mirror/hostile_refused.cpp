// What the gate must refuse: what writes, what reads what is hidden, what is not on the lists, what does not parse.
#include "mirror/hostile_statements.h"

namespace de::hostile {
namespace {

struct Try {
  std::string sql;
  const char* why;
};

void add(std::vector<Statement>& out, const char* kind, const std::vector<Try>& tries) {
  for (const Try& one : tries) out.push_back({kind, Fate::Refused, one.sql, one.why});
}

// Every payload at every place.
void combine(std::vector<Statement>& out, const char* kind, const std::vector<Try>& payloads,
             const std::vector<const char*>& places) {
  for (const Try& payload : payloads)
    for (const char* place : places) out.push_back({kind, Fate::Refused, put(place, payload.sql), payload.why});
}

// Where an expression can stand.
const std::vector<const char*> kExpressionPlaces = {
    "SELECT {} FROM processes",
    "SELECT pid FROM processes WHERE {} > 0",
    "SELECT ppid, count(*) FROM processes GROUP BY ppid HAVING max({}) > 0",
    "SELECT pid FROM processes ORDER BY {}",
    "SELECT z, name FROM (SELECT 1 AS z) LEFT JOIN processes ON pid = {}",
    "WITH c AS (SELECT {} AS v FROM processes) SELECT v FROM c",
    "SELECT pid FROM processes WHERE pid IN (SELECT {} FROM processes)",
    "SELECT sum(pid) OVER (PARTITION BY {}) FROM processes",
    "SELECT CASE WHEN pid = 1 THEN 1 ELSE {} END FROM processes",
    "SELECT count(*) FILTER (WHERE {} = 1) FROM processes",
    "SELECT -1 UNION SELECT {} FROM processes",
};

// Where a table can stand.
const std::vector<const char*> kTablePlaces = {
    "SELECT * FROM {}",
    "SELECT count(*) FROM {}",
    "SELECT p.pid, x.* FROM processes p, {} x",
    "SELECT p.pid, x.* FROM processes p LEFT JOIN {} x ON 1",
    "WITH c AS (SELECT * FROM {}) SELECT * FROM c",
    "SELECT pid FROM processes WHERE EXISTS (SELECT * FROM {})",
    "SELECT z.*, pid FROM (SELECT * FROM {}) z, processes",
    "SELECT (SELECT x.rowid FROM {} x) FROM processes",
};

void add_writing(std::vector<Statement>& out) {
  const char* const reads = "queries only read";
  std::vector<Try> tries;
  for (const char* target : {"processes", "de_rows", "de_scan", "processes.de_metrics", "sqlite_master", "alerts"})
    for (const char* verb : {"INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "UPDATE {} SET pid = 1"})
      tries.push_back({put(verb, target), reads});
  for (const char* sql :
       {"REPLACE INTO de_rows(pid) VALUES (1)", "INSERT OR IGNORE INTO de_rows(pid) VALUES (1)",
        "INSERT INTO de_rows(pid) VALUES (1) ON CONFLICT DO UPDATE SET pid = 2",
        "INSERT INTO de_rows(pid) SELECT pid + 100000 FROM processes", "DELETE FROM de_rows RETURNING *",
        "UPDATE de_rows SET name = 'x' RETURNING pid", "UPDATE de_rows SET name = p.name FROM processes p",
        "WITH x AS (SELECT 1) INSERT INTO de_rows(pid) SELECT * FROM x", "WITH x AS (SELECT 1) DELETE FROM de_rows",
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM x) UPDATE de_rows SET pid = (SELECT n FROM x)",
        "UPDATE sqlite_master SET sql = 'x'"})
    tries.push_back({sql, reads});
  add(out, "writing", tries);
}

void add_schema(std::vector<Statement>& out) {
  std::vector<Try> tries;
  for (const char* sql : {"CREATE TABLE t(a)",
                          "CREATE TABLE t AS SELECT * FROM processes",
                          "CREATE TEMP TABLE processes(a)",
                          "CREATE TABLE processes.t(a)",
                          "CREATE VIEW v AS SELECT 1",
                          "CREATE TEMP VIEW processes AS SELECT 1",
                          "CREATE INDEX i ON de_rows(pid)",
                          "CREATE UNIQUE INDEX i ON de_rows(lower(name))",
                          "CREATE TRIGGER t AFTER INSERT ON de_rows BEGIN SELECT 1; END",
                          "CREATE TEMP TRIGGER t INSTEAD OF DELETE ON processes BEGIN SELECT load_extension('x'); END",
                          "CREATE VIRTUAL TABLE t USING fts5(a)",
                          "CREATE VIRTUAL TABLE t USING rtree(a, b, c)",
                          "CREATE VIRTUAL TABLE t USING csv(filename='/etc/passwd')",
                          "CREATE VIRTUAL TABLE t USING dbstat",
                          "CREATE VIRTUAL TABLE t USING de_batch",
                          "ALTER TABLE de_rows ADD COLUMN x",
                          "ALTER TABLE de_rows DROP COLUMN name",
                          "ALTER TABLE de_rows RENAME TO y",
                          "ALTER TABLE de_rows RENAME COLUMN pid TO x",
                          "DROP TABLE de_rows",
                          "DROP TABLE IF EXISTS nosuch",
                          "DROP VIEW processes",
                          "DROP INDEX de_by_name",
                          "DROP TRIGGER IF EXISTS t",
                          "REINDEX",
                          "REINDEX de_by_name",
                          "REINDEX nosuch",
                          "ANALYZE",
                          "ANALYZE de_rows",
                          "ANALYZE sqlite_master"})
    tries.push_back({sql, "is not allowed"});
  add(out, "schema", tries);
}

void add_files_and_settings(std::vector<Statement>& out) {
  std::vector<Try> files;
  for (const char* sql :
       {"ATTACH '/nowhere/hostile.db' AS x", "ATTACH ':memory:' AS x", "ATTACH 'file:x?mode=memory&cache=shared' AS x",
        "ATTACH (SELECT name FROM processes) AS x", "DETACH processes", "DETACH main", "VACUUM", "VACUUM processes",
        "VACUUM INTO '/nowhere/hostile.db'", "VACUUM INTO (SELECT '/nowhere/' || name FROM processes)"})
    files.push_back({sql, "is not allowed"});
  add(out, "files", files);
  std::vector<Try> settings;
  for (const char* sql : {"PRAGMA user_version",
                          "PRAGMA user_version=7",
                          "PRAGMA writable_schema=ON",
                          "PRAGMA table_info(de_rows)",
                          "PRAGMA hard_heap_limit=0",
                          "PRAGMA soft_heap_limit=1",
                          "PRAGMA temp_store_directory='/nowhere'",
                          "PRAGMA trusted_schema=1",
                          "PRAGMA case_sensitive_like=1",
                          "PRAGMA processes.cache_size=1000000",
                          "PRAGMA mmap_size=1099511627776",
                          "PRAGMA query_only=0",
                          "PRAGMA threads=64",
                          "PRAGMA journal_mode=WAL",
                          "PRAGMA wal_checkpoint",
                          "PRAGMA integrity_check",
                          "PRAGMA quick_check",
                          "PRAGMA optimize",
                          "PRAGMA data_store_directory",
                          "PRAGMA module_list",
                          "PRAGMA shrink_memory",
                          "PRAGMA nosuch_pragma"})
    settings.push_back({sql, "PRAGMA is not allowed"});
  add(out, "settings", settings);
  std::vector<Try> transactions;
  for (const char* sql : {"BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE TRANSACTION", "COMMIT", "END", "ROLLBACK",
                          "ROLLBACK TO s", "SAVEPOINT s", "RELEASE s"})
    transactions.push_back({sql, "is not allowed"});
  add(out, "transactions", transactions);
}

void add_text(std::vector<Statement>& out) {
  const char* const one = "only one statement is allowed";
  add(out, "two statements",
      {{"SELECT 1; SELECT 2", one},
       {"SELECT 1; DROP TABLE de_rows", one},
       {"SELECT 1;;; garbage", one},
       {"SELECT 1; /* x */ PRAGMA user_version", one},
       {"SELECT 1 /* ; */; -- ;\nDELETE FROM de_rows", one},
       {"SELECT ';'; ATTACH ':memory:' AS y", one},
       {"SELECT 1;\r\n\f\tVACUUM", one},
       {"SELECT 1; EXPLAIN SELECT 2", one},
       {"SELECT 1; 'unfinished", one},
       {"VALUES (1); VALUES (2)", one}});
  add(out, "odd text",
      {{"", "there is no statement"},
       {" ;; -- nothing\n", "there is no statement"},
       {"/* a comment that does not end", "there is no statement"},
       {"-- only a comment", "there is no statement"},
       {std::string("SELECT 1\0; DROP TABLE de_rows", 29), "NUL byte"},
       {std::string("SELECT 'a\0b'", 12), "NUL byte"},
       {std::string("\0", 1), "NUL byte"},
       {"SELECT 1 --" + times(128 << 10, "x"), "longer than 128 KiB"},
       {"SELECT '" + times(20'000, "\xf0\x9f\x92\xa3\xf0\x9f\x92\xa3") + "'", "longer than 128 KiB"},
       {"SELECT\xc2\xa0pid FROM processes", ""},
       {"SELECT \xe2\x80\x9cpid\xe2\x80\x9d FROM processes", "no such column"},
       {"SELECT pi\xe2\x80\x8b"
        "d FROM processes",
        "no such column"},
       {"SELECT p\xd1\x96"
        "d FROM processes",
        "no such column"},
       {"SELECT pid FROM proc\xd0\xb5sses", "no such table"},
       {"SELECT 'open", "unrecognized token"},
       {"SELECT \"open", "unrecognized token"},
       {"SELECT [open FROM processes", "unrecognized token"},
       {"SELECT `open FROM processes", "unrecognized token"},
       {"SELECT x'0g'", "unrecognized token"},
       {"SELECT x'" + times(1'001, "0") + "'", "unrecognized token"},
       {"SELECT 0x12345678901234567", "hex literal too big"},
       {"SELECT 1 FROM processes WHERE", "incomplete input"},
       {"SELEC 1", "syntax error"},
       {"\xff\xfe SELECT 1", ""},
       {"SELECT \x01", "unrecognized token"},
       {"SELECT pid FROM processes WHERE pid = 1 GO", "syntax error"},
       {"SELECT * FROM (DELETE FROM de_rows RETURNING pid)", "syntax error"},
       {"WITH x AS (DELETE FROM de_rows RETURNING pid) SELECT * FROM x", "syntax error"},
       {"SELECT pid FROM processes INDEXED BY nosuch", "no such index"},
       {"SELECT pid FROM de_rows NOT INDEXED", "may not be read"},
       {"SELECT pid FROM processes FOR UPDATE", "syntax error"},
       {"SELECT pid INTO OUTFILE 'x' FROM processes", "syntax error"}});
  add(out, "explain",
      {{"EXPLAIN SELECT 1", "EXPLAIN is not a query"},
       {"EXPLAIN QUERY PLAN SELECT pid FROM processes", "EXPLAIN is not a query"},
       {"EXPLAIN WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) SELECT n FROM c", "EXPLAIN is not"},
       {"EXPLAIN DROP TABLE de_rows", "is not allowed"},
       {"EXPLAIN QUERY PLAN DELETE FROM de_rows", "is not allowed"},
       {"EXPLAIN EXPLAIN SELECT 1", "syntax error"},
       {"EXPLAIN VACUUM", ""}});
}

void add_hidden_tables(std::vector<Statement>& out) {
  const char* const hidden = "may not be read";
  combine(out, "hidden tables",
          {{"sqlite_master", hidden},
           {"sqlite_schema", hidden},
           {"processes.sqlite_master", hidden},
           {"sqlite_temp_master", hidden},
           {"temp.sqlite_schema", hidden},
           {"de_rows", hidden},
           {"processes.de_metrics", hidden},
           {"\"DE_SCAN\"", hidden}},
          kTablePlaces);
  combine(out, "table-valued functions",
          {{"pragma_table_info('de_rows')", "table-valued functions are not allowed"},
           {"pragma_database_list", "table-valued functions are not allowed"},
           {"pragma_compile_options()", "table-valued functions are not allowed"},
           {"pragma_hard_heap_limit(1)", "table-valued functions are not allowed"},
           {"json_each('[1]')", "no such table"},
           {"json_tree('{}')", "no such table"},
           {"generate_series(1, 1000000000)", "no such table"},
           {"dbstat", "no such table"},
           {"fsdir('/')", "no such table"},
           {"bytecode('SELECT 1')", "no such table"}},
          kTablePlaces);
  combine(out, "unknown tables",
          {{"secrets", "no such table"},
           {"main.processes", "no such table"},
           {"temp.processes", "no such table"},
           {"de_batch", "no such table"},
           {"\"processes; DROP TABLE de_rows\"", "no such table"}},
          kTablePlaces);
}

void add_functions(std::vector<Statement>& out) {
  combine(out, "forbidden functions",
          {{"load_extension('/nowhere/x.so')", "load_extension() is not allowed"},
           {"fts3_tokenizer('simple')", "fts3_tokenizer() is not allowed"},
           {"printf('%.*c', 1000000000, 'x')", "printf() is not allowed"},
           {"format('%1000000000d', 1)", "format() is not allowed"},
           {"zeroblob(1000000000)", "zeroblob() is not allowed"},
           {"randomblob(1000000000)", "randomblob() is not allowed"},
           {"random()", "random() is not allowed"},
           {"quote(name)", "quote() is not allowed"},
           {"char(0, 65)", "char() is not allowed"},
           {"sqlite_version()", "sqlite_version() is not allowed"},
           {"last_insert_rowid()", "is not allowed"},
           {"total_changes()", "is not allowed"},
           {"readfile('/etc/shadow')", "no such function: readfile"},
           {"edit(name)", "no such function: edit"}},
          kExpressionPlaces);
  combine(out, "unknown names",
          {{"namee", "no such column"},
           {"\"nosuch\"", "no such column"},
           {"processes.pid.x", "no such column"},
           {"lenght('x')", "no such function"}},
          kExpressionPlaces);
  combine(out, "bad patterns",
          {{"('a' REGEXP '(a')", "invalid regular expression"},
           {"('a' REGEXP '(a)\\1')", "invalid regular expression"},
           {"(name REGEXP '((((a{10}){10}){10}){10})')", "invalid regular expression"},
           {"(name REGEXP '[^a]{900}')", "regular expression too complex"}},
          kExpressionPlaces);
}

void add_limits(std::vector<Statement>& out) {
  add(out, "limits of the parser",
      {{"SELECT " + times(200, "(") + "1" + times(200, ")"), "parser stack overflow"},
       {"SELECT " + times(200, "NOT ") + "1", "parser stack overflow"},
       {"SELECT " + times(120, "(SELECT ") + "1" + times(120, ")"), "parser stack overflow"},
       {"SELECT * FROM " + times(120, "(SELECT * FROM ") + "processes" + times(120, ")"), "parser stack overflow"},
       {"SELECT " + times(120, "CASE WHEN 1 THEN ") + "1" + times(120, " END"), "parser stack overflow"},
       {"SELECT " + times(120, "abs(") + "1" + times(120, ")"), "parser stack overflow"},
       {"SELECT 1 WHERE 1" + times(300, " AND pid=1"), "Expression tree is too large"},
       {"SELECT 1" + times(300, "+1"), "Expression tree is too large"},
       {"SELECT 'a'" + times(300, "||'a'"), "Expression tree is too large"},
       {"SELECT 1" + times(20, " UNION ALL SELECT 1"), "too many terms in compound SELECT"},
       {"SELECT pid FROM processes" + times(20, " EXCEPT SELECT 1"), "too many terms in compound SELECT"},
       {"SELECT 1" + times(300, ",1"), "too many columns in result set"},
       {"SELECT a.*,b.*,c.*,d.*,e.*,f.*,g.*,h.*,i.* FROM processes a, processes b, processes c, processes d, "
        "processes e, processes f, processes g, processes h, processes i",
        "too many columns"},
       {"SELECT pid FROM processes ORDER BY 1" + times(300, ",1"), "too many terms in ORDER BY"},
       {"SELECT pid FROM processes GROUP BY 1" + times(300, ",1"), "too many terms in GROUP BY"},
       {"SELECT 1 FROM processes" + times(70, ",processes"), "at most 64 tables in a join"},
       {"SELECT concat(" + times(20, "1,") + "1)", "too many arguments"},
       {"SELECT max(" + times(20, "pid,") + "1) FROM processes", "too many arguments"},
       {"SELECT (" + times(20, "1,") + "1) = (1, 2)", "row value"},
       {"SELECT (1, 2) FROM processes", "row value"},
       {"SELECT pid FROM processes WHERE (pid, name) IN (SELECT pid FROM processes)", "sub-select returns 1 columns"},
       {"SELECT pid FROM processes LIMIT pid", "no such column"},
       {"SELECT pid FROM processes WHERE max(pid) > 1", "misuse of aggregate"},
       {"SELECT sum(sum(pid)) FROM processes", "misuse of aggregate"},
       {"SELECT pid FROM processes WHERE row_number() OVER () = 1", "misuse of window function"},
       {"SELECT sum(pid) OVER (ROWS BETWEEN CURRENT ROW AND UNBOUNDED PRECEDING) FROM processes", "syntax error"},
       {"SELECT pid FROM processes ORDER BY name COLLATE hostile", "no such collation sequence"},
       {"WITH RECURSIVE c AS (SELECT * FROM c) SELECT * FROM c", "circular reference"},
       {"WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a", "circular reference"},
       {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT max(n)+1 FROM c) SELECT n FROM c",
        "recursive aggregate queries not supported"},
       {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT a.n FROM c a, c b) SELECT n FROM c",
        "multiple references to recursive table"},
       {"WITH c(a, b) AS (SELECT 1) SELECT a FROM c", "has 1 values for 2 columns"},
       {"SELECT ?40", "variable number must be between"},
       {"SELECT ?99999999999999999999", "variable number must be between"},
       {"SELECT * FROM processes WHERE 0" + times(33, " OR name REGEXP 'a'"), "more than 32 regular expressions"},
       {"SELECT pid FROM processes WHERE pid IN (" + times(12'000, "lower(name),") + "1)", ""}});
}

}  // namespace

void add_refused(std::vector<Statement>& out) {
  add_writing(out);
  add_schema(out);
  add_files_and_settings(out);
  add_text(out);
  add_hidden_tables(out);
  add_functions(out);
  add_limits(out);
}

}  // namespace de::hostile
