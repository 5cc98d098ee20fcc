#include "daemoneye/config/file_text.h"

#include <gmock/gmock.h>

namespace de::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

TEST(FileText, EveryMistakeOfEveryProgramIsTold) {
  EXPECT_THAT(
      mistakes_in("f.yaml",
                  "spool: {max_mb: many}\nlog:\n  levle: info\n  format: xml\n"
                  "sinks: [{name: a, typ: file, format: pdf}, {name: b, path: x}]\ncli.output: csv\nquery: 5\n"),
      ElementsAre(StartsWith("f.yaml:1:17: spool.max_mb: expected a whole number, 1 to 1048576"),
                  "f.yaml:3:3: unknown key \"log.levle\" (did you mean \"log.level\"?)",
                  StartsWith("f.yaml:4:11: log.format: expected one of human, json"),
                  StartsWith("f.yaml:5:19: sinks: unknown field \"typ\" (did you mean \"type\"?)"),
                  StartsWith("f.yaml:5:38: sinks.format: expected one of"),
                  StartsWith("f.yaml:5:60: sinks.path: expected an absolute path"),
                  StartsWith("f.yaml:7:8: query: expected keys and values below it")));
  EXPECT_THAT(mistakes_in("f.toml", "spool.max_mb = 0\nscan_interval_ms = 1\n"), SizeIs(2));
  EXPECT_THAT(mistakes_in("f.yaml", "a: [\n"), ElementsAre(StartsWith("f.yaml:")));
  EXPECT_THAT(mistakes_in("f.yaml", "spool: {max_mb: 7}\n"), IsEmpty());
}

TEST(FileText, MistakesAreBounded) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto mistakes = mistakes_in("f.yaml", text);
  ASSERT_THAT(mistakes, SizeIs(kMaxMistakes + 1));
  EXPECT_THAT(mistakes.back(), HasSubstr("more mistakes"));
}

TEST(FileText, ValuesAreWrittenAsTheFileHasThem) {
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Yaml).value(), "warn");
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Json).value(), "\"warn\"");
  EXPECT_EQ(value_for_file("log.level", "warn", Syntax::Toml).value(), "\"warn\"");
  EXPECT_EQ(value_for_file("control.read_only", "yes", Syntax::Toml).value(), "true");
  EXPECT_EQ(value_for_file("spool.max_mb", "7", Syntax::Json).value(), "7");
  EXPECT_EQ(value_for_file("rules.dirs", "/a:/b", Syntax::Toml).value(), "[\"/a\", \"/b\"]");
  EXPECT_EQ(value_for_file("control.readers", "x", Syntax::Yaml).value(), "\"x\"");
  EXPECT_EQ(value_for_file("agent.uid", "null", Syntax::Yaml).value(), "null");
  EXPECT_EQ(value_for_file("agent.uid", "null", Syntax::Toml).error().code(), Errc::Unsupported);
  EXPECT_EQ(value_for_file("sinks", "[{name: a}]", Syntax::Toml).error().code(), Errc::Unsupported);
  EXPECT_THAT(value_for_file("sinks", "[{name: a}]", Syntax::Yaml).value(), StartsWith("[{name: \"a\", type: stdout"));
  EXPECT_THAT(value_for_file("spool.max_mbs", "7", Syntax::Yaml).error().message(), HasSubstr("did you mean"));
  EXPECT_THAT(value_for_file("spool.max_mb", "0", Syntax::Yaml).error().message(), HasSubstr("1 to 1048576"));
}

}  // namespace
}  // namespace de::config
