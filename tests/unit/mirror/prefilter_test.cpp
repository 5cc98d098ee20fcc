// Which statements are candidates for an event, and that asking no others changes no answer.
#include "mirror/prefilter.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "fixture.h"
#include "mirror/batch_session.h"

namespace de::mirror {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string whole(const std::string& text) { return kTextBegin + text + kTextEnd; }

class PrefilterTest : public testing::Test {
 protected:
  std::vector<std::uint32_t> ask(const std::vector<std::pair<std::size_t, std::string>>& texts) {
    prefilter_.start();
    for (const auto& [column, text] : texts) prefilter_.look_at(column, text);
    std::vector<std::uint32_t> out(prefilter_.candidates().begin(), prefilter_.candidates().end());
    std::ranges::sort(out);
    return out;
  }

  Prefilter prefilter_;
};

TEST_F(PrefilterTest, OneOfEachGroupInItsColumn) {
  prefilter_.add({{{1, "curl"}, {1, "wget"}}, {{2, whole("sh")}}});
  prefilter_.add({{{1, "rl h"}}});
  prefilter_.add({});
  prefilter_.add({{}});
  prefilter_.add({{{1, kTextBegin + std::string("cu")}}});
  prefilter_.add({{{1, std::string("/x") + kTextEnd}}});
  prefilter_.build();
  EXPECT_THAT(prefilter_.columns(), ElementsAre(1, 2));
  EXPECT_THAT(prefilter_.always(), ElementsAre(2));
  EXPECT_THAT(ask({{1, "curl http://x/x"}, {2, "sh"}}), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(ask({{1, "CURL HTTP://x/X"}, {2, "Sh"}}), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(ask({{1, "a curl wget"}, {2, "ssh"}}), IsEmpty());
  EXPECT_THAT(ask({{2, "curl h"}, {1, "sh"}}), IsEmpty());
  EXPECT_THAT(ask({{1, "wget"}, {2, "sh"}}), ElementsAre(0));
  EXPECT_THAT(ask({{2, "sh"}}), IsEmpty());
  EXPECT_THAT(ask({{1, std::string("/x\0y", 4)}}), ElementsAre(5)) << "that is where LIKE sees its end";
  prefilter_.start();
  prefilter_.let_pass(1);
  EXPECT_THAT(prefilter_.candidates(), testing::UnorderedElementsAre(1, 4, 5));
}

TEST_F(PrefilterTest, LiteralsWithinEachOther) {
  const std::vector<std::string> texts = {"a", "ab", "abab", "b", "bab", "babc", "c", "cab"};
  for (const std::string& text : texts) prefilter_.add({{{0, text}}});
  prefilter_.build();
  for (const char* text : {"", "a", "ba", "abab", "xbabc", "cababab", "bcbcb", "aaaa", "abcab"}) {
    std::vector<std::uint32_t> wanted;
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (std::string_view(text).find(texts[i]) != std::string_view::npos)
        wanted.push_back(static_cast<std::uint32_t>(i));
    EXPECT_EQ(ask({{0, text}}), wanted) << text;
  }
}

TEST_F(PrefilterTest, WhatIsNotAscii) {
  prefilter_.add({{{0, "word"}, {0, std::string(1, kBeyondAscii)}}});
  prefilter_.add({{{0, "word"}}});
  prefilter_.build();
  EXPECT_THAT(ask({{0, "a word"}}), ElementsAre(0, 1));
  EXPECT_THAT(ask({{0, "caf\xc3\xa9"}}), ElementsAre(0));
  EXPECT_THAT(ask({{0, "C"}}), IsEmpty());
  EXPECT_THAT(ask({{1, "caf\xc3\xa9"}}), IsEmpty());
}

TEST_F(PrefilterTest, WhatFindsNoRoomIsAlwaysAsked) {
  const std::string large(100'000, 'x');
  for (int i = 0; i < 7; ++i) prefilter_.add({{{0, large + std::to_string(i)}}});
  prefilter_.add({{{0, large + "0"}}});  // Is there already.
  prefilter_.build();
  EXPECT_THAT(prefilter_.always(), ElementsAre(4, 5, 6));
  EXPECT_EQ(prefilter_.size().no_room, 3U);
  EXPECT_EQ(prefilter_.size().always, 3U);
  EXPECT_THAT(ask({{0, large + "0"}}), ElementsAre(0, 7));
  prefilter_.clear();
  EXPECT_EQ(prefilter_.size().statements, 0U);
}

// Statements and events at random: what is asked for and what is there are made of the same pieces.
class Generator {
 public:
  std::size_t any(std::size_t count) { return random_() % count; }
  const char* pick(std::span<const char* const> from) { return from[any(from.size())]; }

  std::string text() {
    static constexpr const char* kPieces[] = {
        "sh", "bash",         "/tmp/",    "/usr/bin/", "curl", "-c ",   "Ab", "x_y",      "100%", "",  " ",   "a b",
        "k",  "\xe2\x84\xaa", "\xc3\xa9", "i",         ".exe", "\\cmd", "s",  "\xc5\xbf", "/",    "'", "\xff"};
    std::string out;
    for (std::size_t i = 0, count = any(4); i < count; ++i) out += pick(kPieces);
    if (any(4) == 0)
      std::ranges::transform(out, out.begin(),
                             [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return out;
  }

  std::string value(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  }

  std::string column() {
    static constexpr const char* kColumns[] = {"name", "executable_path", "command_line", "cwd", "user_name"};
    std::string one = pick(kColumns);
    switch (any(16)) {
      case 0:
        return "lower(" + one + ")";
      case 1:
        return "basename(" + one + ")";
      case 2:
        return "coalesce(" + one + ", " + value(text()) + ")";
      case 3:
        return "coalesce(" + column() + ", " + column() + ")";
      case 4:
        return "trim(" + one + ", ' /')";
      case 5:
        return "json_extract(platform_data, '$.a')";
      case 6:
        return "dirname(" + one + ")";
      case 7:
        return any(2) == 0 ? "(" + one + " || 'x')" : "(" + value(text()) + " || " + one + ")";
      case 8:
        return "nullif(" + one + ", " + value(text()) + ")";
      case 9:
        return "substr(" + one + ", 2)";
      case 10:
        return any(2) == 0 ? "CAST(" + one + " AS TEXT)" : "upper(" + one + ")";
      default:
        return one;
    }
  }

  std::string like() {
    std::string pattern = text();
    if (any(2) == 0) pattern = "%" + pattern;
    if (any(2) == 0) pattern += any(3) == 0 ? "_" : "%";
    return column() + (any(6) == 0 ? " NOT LIKE " : " LIKE ") + value(pattern) + (any(3) == 0 ? " ESCAPE '\\'" : "");
  }

  std::string regex() {
    std::string pattern = any(2) == 0 ? "(?i)" : "";
    for (std::size_t i = 0, count = 1 + any(3); i < count; ++i) {
      for (const char c : text())
        if (static_cast<unsigned char>(c) != 0xff) pattern += std::string(c == '\\' || c == '.' ? "\\" : "") + c;
      static constexpr const char* kBetween[] = {"|", ".*", "[k-s]", "(a|b)?", "\\s", "s+", "$", "^"};
      if (i + 1 < count) pattern += pick(kBetween);
    }
    return column() + " REGEXP " + value(pattern);
  }

  std::string test() {
    static constexpr const char* kEqual[] = {" = ", " = ", " IS ", " <> ", " IS NOT ", " < "};
    static constexpr const char* kCollations[] = {"", "", " COLLATE NOCASE", " COLLATE RTRIM"};
    static constexpr const char* kFound[] = {" > 0", "", " >= 1", " = 0", " <> 0", " < 1", " = 1", " IS NOT 0"};
    switch (any(9)) {
      case 0:
      case 1:
        return like();
      case 2:
        return regex();
      case 3:
        return "instr(" + column() + ", " + value(text()) + ")" + pick(kFound);
      case 4: {
        std::string list = value(text());
        for (std::size_t i = 0, count = any(4); i < count; ++i) list += ", " + (any(9) == 0 ? "NULL" : value(text()));
        return column() + (any(5) == 0 ? " NOT IN (" : " IN (") + list + ")";
      }
      case 5:
        return column() + " GLOB " + value((any(2) == 0 ? "*" : "") + text() + (any(2) == 0 ? "[a-k]" : "*"));
      case 6:
        return any(2) == 0 ? column() + " IS NULL" : any(2) == 0 ? "pid % 3 = 1" : "pid % 5 IN (1, 2.5, 4, NULL)";
      default:
        return column() + pick(kEqual) + value(text() + (any(4) == 0 ? "  " : "")) + pick(kCollations);
    }
  }

  std::string condition(int depth) {
    if (depth == 0) return test();
    const std::string one = "(" + condition(depth - 1) + ")";
    switch (any(16)) {
      case 0:
        return "NOT " + one;
      case 1:
        return "NOT ifnull(" + one + ", " + std::to_string(any(2)) + ")";
      case 2:
        return "coalesce(" + one + ", " + std::to_string(any(2)) + ")";
      case 3:
        return "CASE WHEN " + one + " THEN " + condition(depth - 1) + " ELSE " + condition(depth - 1) + " END";
      case 4:
        return one + (any(2) == 0 ? " IS TRUE" : any(2) == 0 ? " IS NOT FALSE" : " IS NOT TRUE");
      case 5:
        return one + (any(2) == 0 ? " = 1" : any(2) == 0 ? " > 0" : " <> 1");
      case 6:
        return one + " = (" + condition(depth - 1) + ")";
      case 7:
        return "iif(" + one + ", 1, " + condition(0) + ")";
      default:
        return one + (any(5) < 3 ? " AND (" : " OR (") + condition(depth - 1) + ")";
    }
  }

  std::string statement() {
    const std::string from = any(2) == 0 ? "processes" : "events";
    const std::string where = condition(static_cast<int>(any(4)));
    switch (any(8)) {
      case 0:
        return "SELECT DISTINCT pid, name FROM " + from + " WHERE " + where;
      case 1:
        return "SELECT pid FROM " + from + " WHERE " + where + " ORDER BY name";
      case 2:
        return "SELECT pid FROM (SELECT * FROM " + from + " WHERE " + where + ") WHERE " + condition(1);
      default:
        return "SELECT pid, " + test() + " FROM " + from + " WHERE " + where;
    }
  }

  pb::ProcessEvent event(std::uint32_t pid) {
    pb::ProcessEvent out;
    out.set_event_type(any(5) == 0 ? pb::EVENT_TYPE_EXIT : pb::EVENT_TYPE_EXEC);
    out.set_event_time_ms(1'000 + pid);
    out.set_sequence(pid);
    pb::ProcessRecord& process = *out.mutable_process();
    process.set_pid(pid);
    process.set_name(text());
    if (any(5) != 0) process.set_executable_path(text() + (any(9) == 0 ? std::string("\0y", 2) : "") + text());
    if (any(5) != 0) process.set_cwd(text());
    if (any(3) != 0) process.set_user_name(text());
    for (std::size_t i = 0, count = any(4); i < count; ++i) process.add_command_line(text() + text());
    static constexpr const char* kJson[] = {R"({"a":"sh\u0061b k"})",  R"({"a":100})",
                                            R"({"a":["curl", "Ab"]})", R"({"a":"curl/tmp/"})",
                                            R"({"a":{"x_y" :true}})",  "{}"};
    if (any(2) == 0) process.set_platform_data(pick(kJson));
    return out;
  }

 private:
  std::mt19937 random_{11};
};

std::vector<std::string> rows_about(BatchSession& session, std::size_t number) {
  std::vector<std::string> out;
  const auto outcome = session.run(
      number, kRuleBudget, [](auto) {},
      [&](std::span<const Value> row, std::size_t event) {
        std::string line = std::to_string(event);
        for (const Value& value : row) line += "|" + show(value);
        out.push_back(std::move(line));
        return true;
      });
  EXPECT_TRUE(outcome) << outcome.error().message();
  return out;
}

TEST(PrefilterDifference, AnswersAreTheSame) {
  Generator generator;
  const auto with = std::move(*BatchSession::create(system_clock(), {}));
  const auto without = std::move(*BatchSession::create(system_clock(), {.prefilter = false}));
  std::vector<std::string> statements;
  while (statements.size() < 600) {
    const std::string sql = generator.statement();
    if (!with->add(sql)) continue;  // Too many regular expressions, or one that is none.
    ASSERT_TRUE(without->add(sql)) << sql;
    statements.push_back(sql);
  }
  EXPECT_LT(with->prefilter_size().always, 450U);
  std::size_t rows = 0, spared = 0;
  for (std::uint32_t round = 0; round < 40; ++round) {
    std::vector<pb::ProcessEvent> events;
    for (std::uint32_t i = 0; i < 12; ++i) events.push_back(generator.event(round * 100 + i));
    std::vector<EventRow> loaded;
    for (const pb::ProcessEvent& event : events) loaded.push_back({"procmond", &event});
    with->load(loaded);
    without->load(loaded);
    for (std::size_t i = 0; i < statements.size(); ++i) {
      const auto wanted = rows_about(*without, i);
      ASSERT_EQ(rows_about(*with, i), wanted) << statements[i] << "\n" << events[0].DebugString();
      rows += wanted.size();
      if (without->events_for(i) > 0 && with->events_for(i) == 0) ++spared;
    }
  }
  EXPECT_GT(rows, 10'000U) << "there was little to be missed";
  EXPECT_GT(spared, 1'000U) << "nothing was filtered";
}

}  // namespace
}  // namespace de::mirror
