// Which literals a statement is found to need: what is found must be needed, and what is written usually is found.
#include "mirror/literals.h"

#include <gmock/gmock.h>

#include "daemoneye/schema/event_columns.h"
#include "mirror/database.h"
#include "mirror/functions.h"

namespace de::mirror {
namespace {

class LiteralsTest : public testing::Test {
 protected:
  LiteralsTest() : db_(std::move(*open_memory_db())) {
    EXPECT_TRUE(exec(db_.get(), "ATTACH ':memory:' AS processes"));
    EXPECT_TRUE(add_text_functions(db_.get()));
    EXPECT_TRUE(add_regex_functions(db_.get()));
    EXPECT_TRUE(add_batch_module(db_.get(), batch_));
    EXPECT_TRUE(create_batch_tables(db_.get()));
  }

  // Groups joined by " & ", literals by " | "; '^' and '$' are a text's ends, '!' is what is not ASCII.
  std::string find(const std::string& sql) {
    const auto program = Program::read(db_.get(), sql);
    EXPECT_TRUE(program) << sql << ": " << program.error().message();
    if (!program) return "";
    const bool of_events = sql.find("FROM events") != std::string::npos;
    LiteralSearch search(*program, of_events ? BatchKind::Events : BatchKind::Processes);
    const LiteralGroups groups = search.groups();
    if (groups.empty()) return "always";
    std::string out;
    for (const auto& group : groups) {
      std::string one;
      for (const Literal& literal : group) {
        one += (one.empty() ? "" : " | ") + std::string(schema::event_columns()[literal.column].name) + ":";
        for (const char c : literal.text)
          one += c == kTextBegin ? '^' : c == kTextEnd ? '$' : c == kBeyondAscii ? '!' : c;
      }
      out += (out.empty() ? "" : " & ") + (one.empty() ? "never" : one);
    }
    return out;
  }
  std::string where(const std::string& condition) { return find("SELECT pid FROM processes WHERE " + condition); }

  Batch batch_;
  Db db_;
};

TEST_F(LiteralsTest, Comparisons) {
  EXPECT_EQ(where("name = 'Vim'"), "name:^vim$");
  EXPECT_EQ(where("'vim' = name"), "name:^vim$");
  EXPECT_EQ(where("name IS 'vim'"), "name:^vim$");
  EXPECT_EQ(where("name = 'VIM' COLLATE NOCASE"), "name:^vim$");
  EXPECT_EQ(where("name = 'vim  ' COLLATE RTRIM"), "name:^vim");
  EXPECT_EQ(where("lower(name) = 'vim'"), "name:^vim$");
  EXPECT_EQ(where("name = ''"), "name:^$");
  EXPECT_EQ(where("name IN ('vim', 'nano')"), "name:^nano$ | name:^vim$");
  EXPECT_EQ(where("name IN ('vim', 'nano', 'ed', 'vi')"), "name:^ed$ | name:^nano$ | name:^vi$ | name:^vim$");
  EXPECT_EQ(where("pid IN (1, 2, 3.5, NULL, 12345678901) AND name = 'vim'"), "name:^vim$");
  EXPECT_EQ(where("name IN ('vim', 'nano', 'ed', NULL)"), "always");
  EXPECT_EQ(where("name IN ('vim', 'nano', 'ed', cwd)"), "always");
  EXPECT_EQ(where("name IN ('vim', 'nano', 'ed', 7)"), "always");
  EXPECT_EQ(where("name COLLATE NOCASE IN ('vi', 'vim', 'ed')"), "name:^ed$ | name:^vi$ | name:^vim$");
  EXPECT_EQ(where("name COLLATE RTRIM IN ('vi ', 'vim', 'ed')"), "name:^ed | name:^vi | name:^vim");
  EXPECT_EQ(find("SELECT pid FROM events WHERE collector = 'x' AND parent_name = 'cron'"), "parent_name:^cron$");
}

TEST_F(LiteralsTest, Patterns) {
  EXPECT_EQ(where("command_line LIKE '%/Home/%'"), "command_line:/home/");
  EXPECT_EQ(where("command_line LIKE 'curl %http_//long.example%'"), "command_line://long.example");
  EXPECT_EQ(where("command_line LIKE '/opt%'"), "command_line:^/opt");
  EXPECT_EQ(where("executable_path LIKE '%/nc'"), "executable_path:/nc$");
  EXPECT_EQ(where("executable_path LIKE '/bin/nc'"), "executable_path:^/bin/nc$");
  EXPECT_EQ(where("command_line LIKE '%a\\_b\\%c%' ESCAPE '\\'"), "command_line:a_b%c");
  EXPECT_EQ(where("command_line LIKE '%caf\xc3\xa9 noir%'"), "command_line: noir");
  EXPECT_EQ(where("command_line GLOB '*/Tmp/[a-z]x?secret*'"), "command_line:secret");
  EXPECT_EQ(where("command_line GLOB '[]abc]word'"), "command_line:word$");
  EXPECT_EQ(where("instr(command_line, 'Word') > 0"), "command_line:word");
  EXPECT_EQ(where("instr(command_line, 'word')"), "command_line:word");
  EXPECT_EQ(where("0 < instr(lower(command_line), 'word')"), "command_line:word");
  EXPECT_EQ(where("instr(command_line, 'word') <> 0"), "command_line:word");
  EXPECT_EQ(where("command_line REGEXP '(?i)(foo|quux)\\s+bar .*[0-9]'"), "command_line:! | command_line:bar ");
  EXPECT_EQ(where("command_line REGEXP '(?is)(?:\xf0\x9f\x98\x80|ab.*lock|q[a|b]\\|rs)'"),
            "command_line:! | command_line:lock | command_line:qa|rs | command_line:qb|rs | command_line:q||rs");
  EXPECT_EQ(where("command_line REGEXP '(?:\xf0\x9f\x98\x80|\xf0\x9f\x98\x81)'"), "command_line:!");
  EXPECT_EQ(where("command_line REGEXP '(?:long)|(word)'"), "command_line:! | command_line:long | command_line:word");
  EXPECT_EQ(where("command_line REGEXP 'stratum|xmrig'"), "command_line:! | command_line:stratum | command_line:xmrig");
}

// What is not ASCII in an expression is looked for in texts that are not ASCII; but where case does not matter, two
// such characters are found in others, too.
TEST_F(LiteralsTest, TwoLettersBeyondAsciiAreSomeOfIt) {
  EXPECT_EQ(where("command_line REGEXP '(?i)\xc5\xbf\x68'"), "command_line:! | command_line:sh");
  EXPECT_EQ(where("command_line REGEXP '(?i)a\xe2\x84\xaa|bc'"), "command_line:! | command_line:ak | command_line:bc");
  const auto find_ascii = [this](const std::string& set) {
    std::string found;
    for (char c = 1; c > 0 && c < 127; ++c) {
      const std::string text = c == '\'' ? "''" : std::string(1, c);
      const auto hit = read_integer(db_.get(), "SELECT '" + text + "' REGEXP '(?i)^[" + set + "]$'");
      EXPECT_TRUE(hit);
      if (hit && *hit != 0) found += c;
    }
    return found;
  };
  EXPECT_EQ(find_ascii("\\x{80}-\\x{10ffff}"), "KSks");
  EXPECT_EQ(find_ascii("\\x{80}-\\x{17e}\\x{180}-\\x{2129}\\x{212b}-\\x{10ffff}"), "");
}

TEST_F(LiteralsTest, WhereNothingIsNeeded) {
  for (const char* condition :
       {"1",
        "pid = 7",
        "pid LIKE '%77%'",
        "name <> 'vim'",
        "name IS NOT 'vim'",
        "NOT name = 'vim'",
        "name NOT IN ('vim', 'vi', 'ed')",
        "command_line NOT LIKE '%secret%'",
        "instr(command_line, 'secret') = 0",
        "instr(command_line, 'secret') >= 0",
        "instr(command_line, 'secret') > -1",
        "instr(command_line, '') > 0",
        "command_line LIKE '%'",
        "command_line LIKE '%\xc3\xa9%'",
        "command_line LIKE name",
        "command_line || 'secret' LIKE '%secret%'",
        "command_line REGEXP '[0-9]+'",
        "command_line REGEXP 'secret|.'",
        "name = 'vim' OR pid = 7",
        "name = 'vim' OR command_line NOT LIKE '%secret%'",
        "coalesce(name, 'vim') = 'vim'",
        "coalesce(name = 'vim', 1)",
        "ifnull(command_line LIKE '%secret%', pid = 1)",
        "NOT ifnull(command_line LIKE '%secret%', 0)",
        "NOT coalesce(name IN ('vim', 'vi', 'ed'), 0)",
        "(command_line LIKE '%secret%') IS NOT TRUE",
        "(command_line LIKE '%secret%') IS NULL",
        "(command_line LIKE '%secret%') = 0",
        "(command_line LIKE '%secret%') < 1",
        "CASE WHEN name = 'vim' THEN 0 ELSE 1 END",
        "iif(name = 'vim', command_line LIKE '%secret%', 1)",
        "NOT (CASE WHEN name = 'vim' THEN 1 WHEN name = 'nano' THEN 0 END AND cwd LIKE '%secret%')",
        "dirname(executable_path) = '.'",
        "CAST(name AS INTEGER) = 5",
        "name = pid",
        "name < 'vim'",
        "name BETWEEN 'a' AND 'b'",
        "json_extract(platform_data, '$.a') = '1e5'",
        "json_extract(platform_data, '$.a') LIKE '%{\"%'"})
    EXPECT_EQ(where(condition), "always") << condition;
  EXPECT_EQ(find("SELECT count(*) FROM processes WHERE name = 'vim'"), "always") << "it is no loop that is known";
  EXPECT_EQ(where("CASE WHEN pid = 1 THEN 0 ELSE NULL END"), "never");
}

TEST_F(LiteralsTest, AndOrNot) {
  EXPECT_EQ(where("name = 'vim' OR command_line LIKE '%secret%'"), "name:^vim$ | command_line:secret");
  EXPECT_EQ(where("name = 'vim' AND command_line LIKE '%a secret%'"), "name:^vim$ & command_line:a secret");
  EXPECT_EQ(where("pid > 1 AND (name = 'vim' OR name = 'nano') AND euid = 0"), "name:^nano$ | name:^vim$");
  EXPECT_EQ(where("(name = 'vim' AND pid = 1) OR (command_line LIKE '%secret%' AND pid = 2)"),
            "name:^vim$ | command_line:secret");
  EXPECT_EQ(where("NOT (name <> 'vim' OR pid = 1)"), "name:^vim$");
  EXPECT_EQ(where("NOT NOT (command_line LIKE '%secret%')"), "command_line:secret");
  EXPECT_EQ(where("command_line LIKE '%secret%' AND NOT ifnull(name = 'vim', 0)"), "command_line:secret");
  EXPECT_EQ(where("name = 'vim' AND name IS NULL"), "name:^vim$");
  EXPECT_EQ(find("SELECT DISTINCT name FROM processes WHERE name = 'vim' ORDER BY pid"), "name:^vim$");
  EXPECT_EQ(find("SELECT pid FROM (SELECT * FROM processes WHERE name = 'vim') WHERE pid > 7"), "name:^vim$");
}

TEST_F(LiteralsTest, ValuesThatAreMadeFirst) {
  EXPECT_EQ(where("ifnull(command_line LIKE '%secret%', 0)"), "command_line:secret");
  EXPECT_EQ(where("coalesce(name = 'vim' OR command_line LIKE '%secret%', 0)"), "name:^vim$ | command_line:secret");
  EXPECT_EQ(where("coalesce(name IN ('vim', 'vi', 'ed'), 0)"), "name:^ed$ | name:^vi$ | name:^vim$");
  EXPECT_EQ(where("(command_line LIKE '%secret%') IS TRUE"), "command_line:secret");
  EXPECT_EQ(where("(command_line LIKE '%secret%' AND name = 'n') = 1"), "name:^n$");
  EXPECT_EQ(where("(command_line LIKE '%long secret%' AND name = 'n') = 1"), "command_line:long secret");
  EXPECT_EQ(where("coalesce(name, 'nano') = 'vim'"), "name:^vim$");
  EXPECT_EQ(where("coalesce(basename(executable_path), name) IN ('sh', 'ash', 'bash')"),
            "name:^ash$ | name:^bash$ | name:^sh$ | executable_path:/ash/ | executable_path:/ash$ | "
            "executable_path:/bash/ | executable_path:/bash$ | executable_path:/sh/ | executable_path:/sh$ | "
            "executable_path:^ash | executable_path:^bash | executable_path:^sh");
  EXPECT_EQ(where("CASE WHEN pid = 1 THEN name = 'vim' ELSE command_line LIKE '%secret%' END"),
            "name:^vim$ | command_line:secret");
  EXPECT_EQ(where("iif(command_line LIKE '%secret%', 1, 0)"), "command_line:secret");
  EXPECT_EQ(where("substr(command_line, 1, 6) = 'Secret'"), "command_line:secret");
  EXPECT_EQ(where("nullif(name, '') = 'vim'"), "name:^vim$");
  EXPECT_EQ(where("dirname(executable_path) = '/tmp'"), "executable_path:/tmp");
  EXPECT_EQ(where("'SHA256=' || upper(executable_hash) LIKE 'Sha256=ABC%'"), "executable_hash:^abc");
  EXPECT_EQ(where("'SHA256=' || upper(executable_hash) LIKE '%6=ABC%'"),
            "executable_hash:6=abc | executable_hash:^abc");
  EXPECT_EQ(where("'SHA256=' || executable_hash LIKE '%IMPHASH=ABC%'"), "executable_hash:imphash=abc");
  EXPECT_EQ(where("'SHA256=' || executable_hash = 'SHA256=ABC'"), "executable_hash:^abc$");
  EXPECT_EQ(where("'SHA256=' || executable_hash LIKE '%=A'"), "executable_hash:=a$ | executable_hash:^a$");
  EXPECT_EQ(where("'SHA256=' || executable_hash LIKE 'MD5=%'"), "never");
  EXPECT_EQ(where("'SHA256=' || executable_hash LIKE '%256%'"), "always");
  EXPECT_EQ(where("json_extract(platform_data, '$.File') LIKE '%\\Cmd.exe'"),
            "platform_data:\\ | platform_data:cmd.exe");
  EXPECT_EQ(where("platform_data ->> 'File' = 'a, Long one'"), "platform_data: long one | platform_data:\\");
}

TEST_F(LiteralsTest, TheCheapestAreTaken) {
  EXPECT_EQ(find("SELECT pid FROM events WHERE event_type = 'exec' AND command_line LIKE '%a long literal%'"),
            "command_line:a long literal");
  EXPECT_EQ(find("SELECT pid FROM events WHERE event_type = 'exec' AND pid > 1"), "event_type:^exec$");
  EXPECT_EQ(where("command_line LIKE '%ab%' AND command_line LIKE '%a very long literal%' AND name = 'xyzzy' AND "
                  "cwd = '/somewhere/else' AND root = '/r'"),
            "command_line:a very long literal & name:^xyzzy$ & cwd:^/somewhere/else$");
}

TEST_F(LiteralsTest, LongStatementsAreNotTooMuch) {
  std::string list = "name IN ('n0'", chain = "(command_line LIKE '%word0%'";
  for (int i = 1; i < 900; ++i) list += ", 'n" + std::to_string(i) + "'";
  for (int i = 1; i < 200; ++i) chain += " OR command_line LIKE '%word" + std::to_string(i) + "%'";
  EXPECT_NE(where(list + ")"), "always");
  EXPECT_NE(where(chain + ")"), "always");
  EXPECT_NE(where("ifnull(" + chain + "), 0)"), "always");
}

}  // namespace
}  // namespace de::mirror
