// What would not end by itself, or not in a lifetime: recursion without an end and products of tables, each with what
// makes SQLite keep at it in another way.
#include "mirror/hostile_statements.h"

namespace de::hostile {
namespace {

struct Source {
  const char* with;   // "WITH ..." or nothing.
  const char* table;  // Has a column n.
};

// Never end.
const std::vector<Source> kRecursions = {
    {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) ", "c"},
    {"WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n FROM c) ", "c"},
    {"WITH RECURSIVE c(n) AS (SELECT 1 UNION SELECT (n*1103515245+12345)%2147483648 FROM c) ", "c"},
    {"WITH RECURSIVE c(n) AS (SELECT pid FROM processes UNION ALL SELECT p.pid FROM c JOIN processes p ON p.pid=c.n) ",
     "c"},
    {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c ORDER BY 1 DESC) ", "c"},
    {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c UNION ALL SELECT n+2 FROM c) ", "c"},
    {"WITH RECURSIVE c(n) AS (SELECT 1.5 UNION ALL SELECT n*1.0000001 FROM c LIMIT 9223372036854775807) ", "c"},
    {"WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM a), c(n) AS (SELECT n FROM a) ", "c"},
    {"WITH RECURSIVE c(n, t) AS (SELECT 1, 'x' UNION ALL SELECT n+1, substr(t||n, 1, 50) FROM c) ", "c"},
};

// Would end after longer than the host lasts.
const std::vector<Source> kProducts = {
    {"", "(SELECT a.pid + d.pid AS n FROM processes a, processes b, processes c, processes d)"},
    {"",
     "(SELECT a.pid - d.pid AS n FROM processes a JOIN processes b ON a.pid <> b.pid JOIN processes c ON c.pid <> "
     "b.pid "
     "JOIN processes d ON d.pid <> c.pid)"},
    {"",
     "(SELECT a.pid + d.pid AS n FROM processes a LEFT JOIN processes b ON b.pid > 0 LEFT JOIN processes c ON c.pid > "
     "0 "
     "LEFT JOIN processes d ON d.pid > 0)"},
    {"WITH h(n) AS MATERIALIZED (SELECT pid FROM processes) ", "(SELECT a.n * e.n AS n FROM h a, h b, h c, h d, h e)"},
    {"WITH h(n) AS NOT MATERIALIZED (SELECT ppid FROM processes GROUP BY name) ",
     "(SELECT a.n * e.n AS n FROM h a, h b, h c, h d, h e)"},
};

// Each reads all of it; {} is the table.
struct Consumer {
  const char* name;
  const char* sql;
};
const std::vector<Consumer> kConsumers = {
    {"counting", "SELECT count(*) FROM {}"},
    {"a filter that nothing passes", "SELECT n FROM {} WHERE n < -1e300"},
    {"an extreme", "SELECT max(n) FROM {}"},
    {"a sum that does not overflow", "SELECT total(n) FROM {}"},
    {"sorting", "SELECT n FROM {} ORDER BY -n"},
    {"distinct values", "SELECT count(DISTINCT n) FROM {}"},
    {"grouping", "SELECT n % 7, count(*) FROM {} GROUP BY 1"},
    {"grouping with HAVING", "SELECT n, count(*) FROM {} GROUP BY n HAVING count(*) < 0"},
    {"a long text", "SELECT length(group_concat(n)) FROM {}"},
    {"a JSON list", "SELECT json_array_length(json_group_array(n)) FROM {}"},
    {"a window", "SELECT sum(n) OVER (ORDER BY n) FROM {}"},
    {"a window without a frame's end",
     "SELECT max(n) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM {}"},
    {"an offset", "SELECT n FROM {} LIMIT 1 OFFSET 9223372036854775806"},
    {"EXCEPT", "SELECT n FROM {} EXCEPT SELECT n FROM {}"},
    {"UNION", "SELECT -1 UNION SELECT n FROM {}"},
    {"NOT EXISTS", "SELECT pid FROM processes WHERE NOT EXISTS (SELECT 1 FROM {} WHERE n = 0.25)"},
    {"IN", "SELECT pid FROM processes WHERE pid NOT IN (SELECT n FROM {})"},
    {"a scalar sub-select", "SELECT (SELECT count(*) FROM {}) FROM processes"},
    {"a limit that is computed", "SELECT pid FROM processes LIMIT (SELECT count(*) FROM {})"},
    {"a join condition", "SELECT p.pid FROM processes p LEFT JOIN {} x ON x.n = 0.25 AND p.pid = x.n"},
    {"a predicate that computes", "SELECT count(*) FROM {} WHERE n LIKE '%9%9%9%' AND upper(n) REGEXP 'A+B'"},
    {"ordering a sub-select", "SELECT pid FROM processes ORDER BY (SELECT count(*) FROM {} WHERE n <> pid)"},
};

void add_combined(std::vector<Statement>& out, const char* kind, const std::vector<Source>& sources) {
  for (const Source& source : sources)
    for (const Consumer& consumer : kConsumers)
      out.push_back({std::string(kind), Fate::Stopped, source.with + put(consumer.sql, source.table), ""});
}

// What is stored is read through a virtual table, page by page.
void add_stored(std::vector<Statement>& out) {
  for (const char* sql : {
           "SELECT count(*) FROM processes.events a, processes.events b",
           "SELECT p.pid FROM processes p WHERE (SELECT count(*) FROM events e WHERE e.pid <> p.pid) < 0",
           "SELECT p.pid FROM processes p WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.ppid = p.pid + 0.5)",
           "SELECT a.pid FROM events a WHERE a.pid = (SELECT max(b.pid) FROM events b WHERE b.sequence > a.sequence)",
           "SELECT a.name, count(*) OVER (PARTITION BY a.name ORDER BY a.sequence) FROM events a, processes p "
           "WHERE a.pid <> p.pid",
           "SELECT e.pid FROM events e LEFT JOIN events f ON f.name = e.name LEFT JOIN events g ON g.name = f.name "
           "WHERE g.pid IS NULL",
           "SELECT count(DISTINCT a.command_line || b.sequence) FROM events a, events b",
           "WITH RECURSIVE up(pid) AS (SELECT pid FROM events UNION ALL SELECT e.ppid FROM events e JOIN up "
           "ON e.pid = up.pid) SELECT count(*) FROM up",
           "SELECT count(*) FROM events WHERE pid IN (SELECT pid FROM events WHERE ppid IN (SELECT a.pid FROM events "
           "a, events b WHERE a.sequence <> b.sequence))",
           "SELECT e.sequence FROM events e, events f ORDER BY f.sequence * e.sequence DESC",
           "SELECT count(*) FROM processes.history a, processes.events b, processes.events c WHERE b.pid <> c.pid",
           "SELECT group_concat(e.command_line) FROM events e, processes p",
       })
    out.push_back({"what is stored", Fate::Bounded, sql, ""});
}

}  // namespace

void add_endless(std::vector<Statement>& out) {
  add_combined(out, "endless recursion", kRecursions);
  add_combined(out, "products", kProducts);
  add_stored(out);
}

}  // namespace de::hostile
