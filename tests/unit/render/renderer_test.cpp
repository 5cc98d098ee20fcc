#include "render/renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace de::render {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

pb::RowPage page_of(std::initializer_list<std::initializer_list<const char*>> rows) {
  pb::RowPage page;
  for (const auto& cells : rows) {
    pb::Row& row = *page.add_rows();
    for (const char* cell : cells) {
      pb::Value& value = *row.add_values();
      if (cell == nullptr) continue;
      char* end = nullptr;
      const long number = std::strtol(cell, &end, 10);
      if (*cell != '\0' && *end == '\0') {
        value.set_integer(number);
      } else {
        value.set_text(cell);
      }
    }
  }
  return page;
}

struct Screen {
  std::string out;
  int writes = 0;

  Renderer renderer(Format format, std::size_t width = 0, bool color = false) {
    return Renderer({format, color, width, "SELECT pid, name"}, [this](std::string_view text) -> Result<> {
      out += text;
      ++writes;
      return {};
    });
  }
  std::string show(Format format, std::size_t width = 0, bool color = false) {
    Renderer made = renderer(format, width, color);
    EXPECT_TRUE(made.columns({"pid", "name"}));
    EXPECT_TRUE(made.rows(page_of({{"1", "init"}, {"4242", "a b"}})));
    EXPECT_TRUE(made.rows(page_of({{"7", nullptr}})));
    EXPECT_TRUE(made.finish({1500, true, {}}));
    return out;
  }
};

TEST(Renderer, TableAlignsNumbersRight) {
  EXPECT_EQ(Screen().show(Format::Table),
            " pid  name\n"
            "----  ----\n"
            "   1  init\n"
            "4242  a b\n"
            "   7  NULL\n");
}

TEST(Renderer, JsonIsTheDocumentedShape) {
  EXPECT_EQ(Screen().show(Format::Json),
            "{\"query\":\"SELECT pid, name\",\"columns\":[\"pid\",\"name\"],\"rows\":[\n"
            "[1,\"init\"],\n[4242,\"a b\"],\n[7,null]\n"
            "],\"row_count\":3,\"execution_time_ms\":1.5,\"completeness\":{\"status\":\"complete\",\"reasons\":[]}}\n");
}

TEST(Renderer, JsonNamesTheReasonsOfADegradedResult) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Json);
  ASSERT_TRUE(renderer.columns({"n"}));
  pb::Reason reason;
  reason.set_reason("EventsShed");
  reason.set_collector("procmond");
  reason.set_detail("12 \"events\"");
  ASSERT_TRUE(renderer.finish({0, false, {reason}}));
  EXPECT_EQ(screen.out,
            "{\"query\":\"SELECT pid, name\",\"columns\":[\"n\"],\"rows\":[],\"row_count\":0,\"execution_time_ms\":0,"
            "\"completeness\":{\"status\":\"degraded\",\"reasons\":[{\"reason\":\"EventsShed\",\"collector\":"
            "\"procmond\",\"detail\":\"12 \\\"events\\\"\"}]}}\n");
}

TEST(Renderer, JsonLinesAreOneObjectPerRow) {
  EXPECT_EQ(Screen().show(Format::Jsonl),
            "{\"pid\":1,\"name\":\"init\"}\n{\"pid\":4242,\"name\":\"a b\"}\n{\"pid\":7,\"name\":null}\n");
}

TEST(Renderer, JsonLinesKeepBothOfTwoColumnsOfOneName) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Jsonl);
  ASSERT_TRUE(renderer.columns({"pid", "pid", "pid:2", "pid"}));
  ASSERT_TRUE(renderer.rows(page_of({{"1", "2", "3", "4"}})));
  EXPECT_EQ(screen.out, "{\"pid\":1,\"pid:2\":2,\"pid:2:2\":3,\"pid:3\":4}\n");
}

TEST(Renderer, CsvHasHeaderAndCarriageReturns) {
  EXPECT_EQ(Screen().show(Format::Csv), "pid,name\r\n1,init\r\n4242,a b\r\n7,\r\n");
}

TEST(Renderer, MarkdownIsATable) {
  EXPECT_EQ(Screen().show(Format::Markdown),
            "| pid | name |\n| --- | --- |\n| 1 | init |\n| 4242 | a b |\n| 7 | NULL |\n");
}

TEST(Renderer, LineIsOneBlockPerRow) {
  EXPECT_EQ(Screen().show(Format::Line), " pid = 1\nname = init\n\n pid = 4242\nname = a b\n\n pid = 7\nname = NULL\n");
}

TEST(Renderer, ColorOnlyWhenAsked) {
  EXPECT_THAT(Screen().show(Format::Table), Not(HasSubstr("\x1b")));
  EXPECT_THAT(Screen().show(Format::Table, 80, true), StartsWith(" \x1b[1mpid\x1b[0m  \x1b[1mname\x1b[0m\n"));
  EXPECT_THAT(Screen().show(Format::Json, 80, true), Not(HasSubstr("\x1b")));
}

TEST(Renderer, SeverityHasAColor) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table, 80, true);
  ASSERT_TRUE(renderer.columns({"severity"}));
  ASSERT_TRUE(renderer.rows(page_of({{"critical"}, {"odd"}})));
  EXPECT_THAT(screen.out, HasSubstr("\x1b[1;31mcritical\x1b[0m\nodd\n"));
}

TEST(Renderer, TerminalCutsTheWidestColumn) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table, 24);
  ASSERT_TRUE(renderer.columns({"pid", "command_line"}));
  ASSERT_TRUE(renderer.rows(page_of({{"1", "abcdefghijklmnopqrstuvwxyz0123456789"}})));
  EXPECT_EQ(screen.out,
            "pid  command_line\n"
            "---  -------------------\n"
            "  1  abcdefghijklmnopqr\xE2\x80\xA6\n");
}

TEST(Renderer, TerminalSharesTheCutBetweenEqualColumns) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table, 42);
  ASSERT_TRUE(renderer.columns({"a", "b"}));
  const std::string long_text(65536, 'x');
  ASSERT_TRUE(renderer.rows(page_of({{long_text.c_str(), long_text.c_str()}})));
  const std::string rule = std::string(20, '-');
  EXPECT_THAT(screen.out, HasSubstr(rule + "  " + rule + "\n"));
}

TEST(Renderer, TerminalTooNarrowStillShowsEveryColumn) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table, 5);
  ASSERT_TRUE(renderer.columns({"first_column", "second_column"}));
  ASSERT_TRUE(renderer.rows(page_of({{"a", "b"}})));
  EXPECT_THAT(screen.out, HasSubstr("--------  --------\n"));
}

TEST(Renderer, NothingIsCutWithoutATerminal) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table);
  ASSERT_TRUE(renderer.columns({"command_line", "pid"}));
  const std::string long_text(5000, 'x');
  ASSERT_TRUE(renderer.rows(page_of({{long_text.c_str(), "1"}, {"short", "2"}})));
  EXPECT_NE(screen.out.find(long_text + "    1\n"), std::string::npos);
  EXPECT_NE(screen.out.find("\nshort" + std::string(75, ' ') + "    2\n"), std::string::npos);
}

TEST(Renderer, EmptyTableStillHasItsHead) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table);
  ASSERT_TRUE(renderer.columns({"pid", "name"}));
  ASSERT_TRUE(renderer.finish({0, true, {}}));
  EXPECT_EQ(screen.out, "pid  name\n---  ----\n");
}

TEST(Renderer, RowsAreWrittenPageByPage) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Jsonl);
  ASSERT_TRUE(renderer.columns({"n"}));
  for (int i = 0; i < 5; ++i) {
    const int before = screen.writes;
    ASSERT_TRUE(renderer.rows(page_of({{"1"}, {"2"}})));
    EXPECT_EQ(screen.writes, before + 1);
  }
  EXPECT_EQ(renderer.row_count(), 10u);
}

TEST(Renderer, NamesAreEscapedLikeValues) {
  for (const Format format :
       {Format::Table, Format::Json, Format::Jsonl, Format::Csv, Format::Markdown, Format::Line}) {
    Screen screen;
    Renderer renderer = screen.renderer(format, 80);
    ASSERT_TRUE(renderer.columns({"\x1b[31m"}));
    ASSERT_TRUE(renderer.rows(page_of({{"\x1b]0;x\x07\n"}})));
    ASSERT_TRUE(renderer.finish({0, true, {}}));
    EXPECT_THAT(screen.out, Not(HasSubstr("\x1b"))) << static_cast<int>(format);
    EXPECT_THAT(screen.out, Not(HasSubstr("\x07"))) << static_cast<int>(format);
  }
}

TEST(Renderer, WithoutColumnsOnlyJsonHasADocument) {
  for (const Format format : {Format::Table, Format::Jsonl, Format::Csv, Format::Markdown, Format::Line}) {
    Screen screen;
    ASSERT_TRUE(screen.renderer(format).finish({0, true, {}}));
    EXPECT_EQ(screen.out, "");
  }
  Screen screen;
  ASSERT_TRUE(screen.renderer(Format::Json).finish({0, true, {}}));
  EXPECT_THAT(screen.out, HasSubstr("\"columns\":[],\"rows\":[],\"row_count\":0"));
}

TEST(Renderer, RefusesWhatIsNoResult) {
  Screen screen;
  Renderer renderer = screen.renderer(Format::Table);
  EXPECT_EQ(renderer.rows(page_of({{"1"}})).error().code(), Errc::Corrupt);
  EXPECT_EQ(renderer.columns({}).error().code(), Errc::Corrupt);
  EXPECT_EQ(renderer.columns(std::vector<std::string>(2001, "c")).error().code(), Errc::Corrupt);
  ASSERT_TRUE(renderer.columns({"a", "b"}));
  EXPECT_EQ(renderer.columns({"a", "b"}).error().code(), Errc::Corrupt);
  EXPECT_EQ(renderer.rows(page_of({{"1", "2"}, {"1"}})).error().code(), Errc::Corrupt);
  EXPECT_EQ(screen.out, "") << "a page with a bad row is not shown in part";
}

TEST(Renderer, PassesTheWritersErrorOn) {
  Renderer renderer({Format::Csv, false, 0, ""},
                    [](std::string_view) -> Result<> { return fail(Errc::Closed, "pipe"); });
  EXPECT_EQ(renderer.columns({"a"}).error().code(), Errc::Closed);
}

}  // namespace
}  // namespace de::render
