// What ends, but costs more than it looks like: values that grow, patterns that backtrack, one row with the work of a
// thousand, and numbers, names and texts at the edge of what SQLite takes.
#include "mirror/hostile_statements.h"

namespace de::hostile {
namespace {

const std::string kLikePattern = "%" + times(100, "a") + "b";
const std::string kGlobPattern = "*" + times(30, "[ab]") + "c";

// b(s, p, q): the longest text there can be, of `seed`, and patterns that look for its end everywhere; c: rows without
// an end.
std::string of_long(std::string_view seed) {
  return "WITH RECURSIVE g(s) AS (SELECT '" + std::string(seed) +
         "' UNION ALL SELECT s||s FROM g WHERE length(s) < 1000000), "
         "b(s, p, q) AS MATERIALIZED (SELECT max(s), '" +
         kLikePattern + "', '" + kGlobPattern + "' FROM g), c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) ";
}
const std::string kLong = of_long("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");  // 31 bytes: it almost reaches 1 MiB.
const std::string kDigits = of_long("1111111111111111111111111111111");

void add_growing(std::vector<Statement>& out) {
  const auto add = [&](const std::string& sql) { out.push_back({"values that grow", Fate::Stopped, sql, ""}); };
  for (const char* step :
       {"s||s", "replace(s, 'a', 'aaaa')", "hex(s)", "json_array(s, s)", "json_object('k', s, 'l', s)", "json_quote(s)",
        "concat(s, s, s)", "concat_ws(s, s, s, s)", "upper(s)||lower(s)", "replace(s||'a', 'a', s)",
        "(SELECT group_concat(s) FROM processes)", "s||(SELECT max(s) FROM (SELECT s UNION ALL SELECT s||s))"})
    add(put("WITH RECURSIVE c(s) AS (SELECT 'aa' UNION ALL SELECT {} FROM c) SELECT max(length(s)) FROM c", step));
  add("SELECT group_concat(command_line) FROM processes a, processes b, processes c");
  add("SELECT group_concat(a.name, b.command_line) FROM processes a, processes b, processes c");
  add("SELECT length(json_group_array(a.command_line)) FROM processes a, processes b, processes c");
  add("SELECT length(json_group_object(a.name || b.pid, b.command_line)) FROM processes a, processes b, processes c");
  add("SELECT max(a.command_line || b.command_line || c.command_line) FROM processes a, processes b, processes c");
  add("SELECT group_concat(a.command_line) OVER (ORDER BY a.pid) FROM processes a, processes b, processes c");
  add("SELECT a.command_line || b.pid, c.pid FROM processes a, processes b, processes c ORDER BY 1");
  add("SELECT count(DISTINCT a.command_line || b.pid || c.pid) FROM processes a, processes b, processes c");
  add("SELECT a.command_line || b.pid || c.pid AS k, count(*) FROM processes a, processes b, processes c GROUP BY k");
}

// Each does one of them on the longest text, in every row of an endless table.
const char* const kCostly[] = {
    "{} LIKE '%a%a%a%a%a%a%b'",
    "{} LIKE p",
    "{} LIKE p ESCAPE '_'",
    "{} GLOB q",
    "{} GLOB '*a*a*a*a*a*a*b'",
    "{} NOT LIKE '%_a_a_a_a_a_b'",
    "{} REGEXP '(a|aa)*b$'",
    "{} REGEXP '(a*)*(a*)*(a*)*b'",
    "{} REGEXP '(a|b)*a(a|b){200}c'",
    "{} REGEXP '(x+x+)+y|a{1,200}b'",
    "regex_match({}, '((a+)+)+b', 1) IS NULL",
    "regex_split({}, '(.*y)|,', 5000) IS NULL",
    "length(trim({}, 'ba')) > 0",
    "length(rtrim({}, 'cba\xc3\xa4')) > 0",
    "instr({}, 'aaaaaaaaaaaaaaaaaaaaaaaaaaab')",
    "replace({}, 'aaaaaaaaaaaaaaaab', 'c') = ''",
    "split({}, 'b', 100000) IS NULL",
    "length({})",
    "upper({}) < lower({})",
    "hex(substr({}, 1, 400000)) > 'b'",
    "substr({}, -5, 3) = substr({}, 500000, 3)",
    "{} COLLATE NOCASE < {} || 'B'",
    "{} COLLATE RTRIM = {} || ' '",
    "{} + 0 > 1",
    "CAST({} AS REAL) > round({}, 3)",
    "abs({}) > max({}, {}, {} || 1)",
    "json_valid('[' || {} || ']')",
    "json_extract('[\"' || {} || '\"]', '$[0]') IS NULL",
    "json_type('{\"a\":\"' || {} || '\"}', '$.b') = 'text'",
    "strftime(substr({}, 1, 1000) || '%Y%j%s', 'now') > '1'",
    "unixepoch({}) > 0",
    "basename({}) || dirname({}) = ''",
    "cidr_match({}, '10.0.0.0/8')",
    "coalesce(nullif({}, {} || ''), iif({} > 1, {}, {})) = ''",
};

void add_costly(std::vector<Statement>& out) {
  for (const std::string what : kCostly) {
    const bool is_of_digits = what.starts_with("{} + 0") || what.find("AS REAL") != std::string::npos ||
                              what.starts_with("abs") || what.starts_with("json_valid") || what.starts_with("unixe");
    const auto add = [&](const char* kind, const std::string& sql) {
      out.push_back({kind, Fate::Bounded, (is_of_digits ? kDigits : kLong) + sql, ""});
    };
    add("costly in every row", "SELECT count(*) FROM c, b WHERE (" + put(what, "s") + ") AND n < 0");
    // All of it within one row: no loop in which SQLite would look at the clock.
    const bool is_regular = what.find("REGEXP") != std::string::npos || what.starts_with("regex");
    // As columns, because each of them gives back the memory it took.
    add("costly within one row", "SELECT 0" + times(is_regular ? 32 : 250, ", (" + put(what, "s") + ")") + " FROM b");
    add("costly for an order", "SELECT n FROM c, b ORDER BY (" + put(what, "s") + "), n");
  }
}

// One row at a time, which is how rules are asked of new events.
void add_costly_for_each(std::vector<Statement>& out) {
  for (std::string what : kCostly) {
    const bool is_regular = what.find("REGEXP") != std::string::npos || what.starts_with("regex");
    if (what.starts_with("{} LIKE p")) what.replace(8, 1, "'" + kLikePattern + "'");
    if (what.starts_with("{} GLOB q")) what.replace(8, 1, "'" + kGlobPattern + "'");
    out.push_back({"costly for each process", Fate::Bounded,
                   "SELECT pid, name FROM processes WHERE pid < 0" +
                       times(is_regular ? 32 : 200, " OR (" + put(what, "command_line") + ")"),
                   ""});
  }
}

void add_patterns(std::vector<Statement>& out) {
  const auto add = [&](const std::string& sql) { out.push_back({"long patterns", Fate::Bounded, kLong + sql, ""}); };
  for (const std::string& pattern :
       {"'%" + times(250, "a") + "b'", "'" + times(125, "%a") + "'", "'" + times(120, "a_") + "%b'",
        "'%" + times(120, "_") + "b'", "'" + times(254, "%") + "'", "'%" + times(80, "\xc3\xa4") + "'"}) {
    add("SELECT s LIKE " + pattern + " FROM b");
    add("SELECT count(*) FROM c, b WHERE s LIKE " + pattern);
    add("SELECT s LIKE " + pattern + " ESCAPE 'a' FROM b");
  }
  for (const std::string& pattern : {"'*" + times(60, "[ab]") + "c'", "'*[" + times(240, "b") + "a]c'",
                                     "'" + times(100, "*?") + "c'", "'*[^" + times(100, "b-c") + "]c'"}) {
    add("SELECT s GLOB " + pattern + " FROM b");
    add("SELECT count(*) FROM c, b WHERE s GLOB " + pattern);
  }
  const auto stop = [&](const std::string& sql, const char* why) {
    out.push_back({"long patterns", Fate::Stopped, kLong + sql, why});
  };
  stop("SELECT s LIKE '" + times(300, "%") + "' FROM b", "pattern too complex");
  stop("SELECT s LIKE s FROM b", "pattern too complex");
  stop("SELECT s GLOB s FROM b", "pattern too complex");
  stop("SELECT s REGEXP s FROM b", "longer than 8 KiB");
  stop("SELECT s LIKE 'a' ESCAPE 'ab' FROM b", "single character");
  stop("SELECT trim(s, s) FROM b", "longer than 256 bytes");
  stop("SELECT cidr_match(s, s) FROM b", "must be a network");
  stop("SELECT 'a' REGEXP ('(' || name) FROM processes", "invalid regular expression");
  // A pattern of its own in every row.
  add("SELECT count(*) FROM c WHERE 'aaaa' REGEXP ('(a|b){1,50}' || n)");
  add("SELECT count(*) FROM processes a, processes b WHERE a.command_line REGEXP ('[' || b.pid || ']{1,90}x')");
  add("SELECT count(*) FROM processes a, processes b WHERE a.command_line LIKE '%' || b.name || '%x%'");
}

std::string doubling(int levels, const char* step) {
  std::string sql = "WITH a0 AS (SELECT 1 AS x)";
  for (int i = 1; i < levels; ++i)
    sql += ", a" + std::to_string(i) + " AS (" + put(step, "a" + std::to_string(i - 1)) + ")";
  return sql + " SELECT x FROM a" + std::to_string(levels - 1);
}

void add_planning(std::vector<Statement>& out) {
  const auto add = [&](const std::string& sql) { out.push_back({"costly to prepare", Fate::Bounded, sql, ""}); };
  add(doubling(30, "SELECT DISTINCT l.x FROM {} l, {} r"));
  add(doubling(30, "SELECT x FROM {} UNION SELECT x+1 FROM {}"));
  add(doubling(30, "SELECT x + (SELECT count(*) FROM {}) AS x FROM {}"));
  add(doubling(25, "SELECT sum(x) OVER () AS x FROM {} WHERE x IN (SELECT x FROM {})"));
  add("SELECT count(*) FROM processes" + times(40, " NATURAL JOIN processes"));
  add("SELECT count(*) FROM processes p0" + times(20, " LEFT JOIN (SELECT * FROM processes GROUP BY pid) USING (pid)"));
  add("SELECT 1 FROM processes" + times(60, ", processes") + " WHERE pid = 1");
  add("SELECT pid FROM processes WHERE 0" + times(200, " OR (pid = 1 AND name = 'a' AND ppid = 2)"));
  add("SELECT pid FROM processes WHERE 1" + times(100, " AND (pid = 1 OR name = 'a' OR ppid = 2)"));
  add("SELECT pid FROM processes WHERE pid IN (" + times(30'000, "1,") + "1)");
  add("SELECT pid FROM processes WHERE name IN (" + times(15'000, "'ab',") + "'x') OR pid NOT IN (" +
      times(10'000, "1,") + "2)");
  add("VALUES (1)" + times(20'000, ",(1)"));
  add("SELECT x'" + times(60'000, "00") + "'");
  add("SELECT " + times(250, "pid AS \"" + times(400, "n") + "\",") + "1 FROM processes");
  add("SELECT pid FROM processes WHERE " + times(90, "EXISTS (SELECT 1 FROM processes WHERE pid = 1) AND ") + "1");
  add("SELECT pid FROM processes WHERE (pid, ppid, name) IN (" + times(2'000, "(1, 2, 'x'),") + "(1, 2, 'y'))");
  add("SELECT " + times(90, "iif(pid, ") + "1" + times(90, ", 0)") + " FROM processes");
  add("SELECT " + times(60, "sum(pid) OVER (ORDER BY name, pid ROWS 5 PRECEDING),") + "1 FROM processes");
  add("SELECT pid FROM processes ORDER BY " + times(200, "name || pid, ") + "1");
  add("SELECT " + times(5, "*, ") + "1 FROM processes ORDER BY 1, 2, 3");
}

const char* const kEdges[] = {
    "SELECT -9223372036854775808 / -1",
    "SELECT -9223372036854775808 % -1",
    "SELECT abs(-9223372036854775808)",
    "SELECT 9223372036854775807 + 1, 9223372036854775807 * 9223372036854775807",
    "SELECT 1 << 9223372036854775807, 1 >> -9223372036854775808, -1 << 64",
    "SELECT 1e308 * 10, -1e308 * 10, 1e308 * 10 - 1e308 * 10, 0.0 / 0, 1 / 0, 1 % 0",
    "SELECT sum(9223372036854775807) FROM processes",
    "SELECT sum(pid) OVER (ROWS 9223372036854775807 PRECEDING) FROM processes",
    "SELECT sum(pid) OVER (ROWS BETWEEN 1 FOLLOWING AND 9223372036854775807 FOLLOWING) FROM processes",
    "SELECT sum(pid) OVER (ORDER BY pid RANGE BETWEEN 1e308 PRECEDING AND 1e308 FOLLOWING) FROM processes",
    "SELECT sum(pid) OVER (ROWS -1 PRECEDING) FROM processes",
    "SELECT nth_value(pid, 0) OVER () FROM processes",
    "SELECT ntile(-1) OVER () FROM processes",
    "SELECT lag(pid, -9223372036854775808) OVER () FROM processes",
    "SELECT lead(pid, 9223372036854775807) OVER () FROM processes",
    "SELECT pid FROM processes LIMIT -9223372036854775808 OFFSET -9223372036854775808",
    "SELECT pid FROM processes LIMIT 9223372036854775807 OFFSET 9223372036854775807",
    "SELECT pid FROM processes LIMIT 1e3",
    "SELECT pid FROM processes LIMIT 'x'",
    "SELECT substr('abc', -9223372036854775808, 9223372036854775807)",
    "SELECT substr('abc', 9223372036854775807, -9223372036854775808)",
    "SELECT round(1e308, 9223372036854775807), round(1.5, -9223372036854775808)",
    "SELECT date(9223372036854775807), datetime(1e300), strftime('%s', -1e300), julianday('9999-99-99')",
    "SELECT datetime('now', '+9223372036854775807 years'), date('now', '-1e300 days')",
    "SELECT json_extract('{\"a\":1}', '$.a[999999999999999999999]')",
    "SELECT json_extract('[]', '$[#-9223372036854775808]')",
    "SELECT json_array_length('[[[[[[[[[[]]]]]]]]]]', '$[0][0][0]')",
    "SELECT json_valid(replace('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'a', '[[[[[[[[[[[[[[[[[[[['))",
    "SELECT split('a,b', ',', 9223372036854775807), split('', '', 0)",
    "SELECT regex_match('a', 'a', 9223372036854775807), regex_split('a', '', 9223372036854775807)",
    "SELECT CAST('9223372036854775808' AS INTEGER), CAST(x'ff' AS TEXT), CAST(1e400 AS INTEGER)",
    "SELECT 0x7fffffffffffffff, 0xffffffffffffffff, 1e-400, 00000000000000000000000000001",
    "SELECT group_concat(x'ff00fe'), hex(x'00'), length(x'00ff'), upper(x'e9') FROM processes",
    "SELECT '\xff\xfe' LIKE '%\xff%', '\xc0\x80' GLOB '*', '\xed\xa0\x80' REGEXP '.'",
    "SELECT length('\xf0\x9f\x92\xa3\xcc\x81'), substr('\xf0\x9f\x92\xa3', 1, 1), instr('\xc3\xa4', x'a4')",
    "SELECT lower(name) COLLATE NOCASE FROM processes ORDER BY 1 COLLATE RTRIM, 1 COLLATE BINARY",
    "SELECT (pid, ppid) < (1, NULL), (1, 2) IS NOT (1, 2) FROM processes",
    "SELECT pid IS TRUE, NULL IS NOT FALSE, pid ISNULL, pid NOT NULL FROM processes",
    "SELECT cidr_match('::ffff:255.255.255.255', '::/0'), cidr_match('', '0.0.0.0/0')",
    "SELECT * FROM (SELECT * FROM processes WHERE 0 AND EXISTS (SELECT 1 FROM sqlite_master))",
    "WITH sqlite_master AS (SELECT 7 AS a) SELECT a FROM sqlite_master",
    "WITH processes AS (SELECT 1 AS pid) SELECT pid FROM processes",
    "SELECT pid AS \"'); DROP TABLE de_rows; --\" FROM processes",
    "SELECT \"pid\", [pid], `pid`, 'pid' FROM processes",
    "\xef\xbb\xbf\xef\xbb\xbfSELECT 1",
    "SELECT count(*) FROM processes p, de_rows, de_metrics",
    "SELECT/**/pid/**/FROM/**/processes--",
    "SELECT * FROM processes RIGHT JOIN (SELECT 1 AS z) ON pid = z",
    "SELECT a.pid FROM processes a FULL OUTER JOIN processes b ON a.pid = b.ppid + 1",
    "SELECT count(*) FROM file WHERE path LIKE '%'",
    "SELECT count(*) FROM file f, processes p WHERE f.path = p.executable_path || p.pid",
    "SELECT (SELECT (SELECT (SELECT a.uid FROM processes LIMIT 1) FROM processes LIMIT 1) FROM processes) FROM users a",
    "SELECT likelihood(pid, 0.5), likely(pid), unlikely(ppid) FROM processes",
    "SELECT likelihood(pid, 2.0) FROM processes",
    "SELECT json_group_object(NULL, pid), json_group_array(x'00') FROM processes",
    "SELECT min(pid) FILTER (WHERE pid < 0), avg(name), total(NULL) FROM processes",
};

}  // namespace

void add_heavy(std::vector<Statement>& out) {
  add_growing(out);
  add_costly(out);
  add_costly_for_each(out);
  add_patterns(out);
  add_planning(out);
  for (const char* sql : kEdges) out.push_back({"edges", Fate::Bounded, sql, ""});
}

}  // namespace de::hostile
