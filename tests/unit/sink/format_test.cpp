#include "sink/format.h"

#include <gtest/gtest.h>

#include "sample.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

// Compares byte for byte; DE_GOLDEN=write rewrites the file and the diff is reviewed.
void expect_golden(const std::string& file, const std::string& text) {
  const std::string path = std::string(DE_SOURCE_DIR) + "/tests/golden/alert/" + file;
  const char* mode = std::getenv("DE_GOLDEN");
  if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, read_text(path)) << path;
}

// What a terminal would act on. `line_feeds`: whether the format may contain them.
bool is_safe(std::string_view text, bool line_feeds) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n' && line_feeds) continue;
    if (c < 0x20 || c == 0x7F) return false;
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
  }
  return true;
}

TEST(ParseFormat, KnowsItsWords) {
  EXPECT_EQ(*parse_format("json"), Format::Json);
  EXPECT_EQ(*parse_format("human"), Format::Human);
  EXPECT_EQ(*parse_format("csv"), Format::Csv);
  EXPECT_EQ(*parse_format("cef"), Format::Cef);
  EXPECT_EQ(*parse_format("ecs"), Format::Ecs);
  EXPECT_EQ(*parse_format("ocsf"), Format::Ocsf);
  EXPECT_EQ(*parse_format("stix"), Format::Stix);
  EXPECT_NE(parse_format("xml").error().message().find("json, human, csv, cef, ecs, ocsf or stix"), std::string::npos);
}

TEST(ParseFormat, SuggestsTheNearest) {
  const auto format = parse_format("jsn");
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().code(), Errc::Invalid);
  EXPECT_NE(format.error().message().find("did you mean \"json\"?"), std::string::npos) << format.error().message();
  EXPECT_FALSE(parse_format(""));
  EXPECT_FALSE(parse_format("JSON"));
}

TEST(FormatAlert, MatchesTheGoldenFiles) {
  const pb::Alert alert = full_alert();
  expect_golden("full.jsonl", format_alert(Format::Json, alert));
  expect_golden("full.txt", format_alert(Format::Human, alert));
  expect_golden("full.csv", std::string(file_header(Format::Csv)) + format_alert(Format::Csv, alert));
}

TEST(FormatAlert, AnEmptyAlertIsStillARecord) {
  const pb::Alert alert;
  expect_golden("empty.jsonl", format_alert(Format::Json, alert));
  expect_golden("empty.txt", format_alert(Format::Human, alert));
  expect_golden("empty.csv", std::string(file_header(Format::Csv)) + format_alert(Format::Csv, alert));
}

TEST(FormatAlert, NoFormatReachesTheTerminal) {
  pb::Alert alert = full_alert();
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  add_field(alert, "all").mutable_value()->set_text(every_byte);
  alert.set_title("t\x1b]0;x\x07\n\xc2\x85");
  alert.set_description("d\x1b[2J");
  alert.set_host("h\r");
  std::string json = format_alert(Format::Json, alert);
  ASSERT_EQ(json.back(), '\n');
  json.pop_back();
  EXPECT_TRUE(is_safe(json, false)) << json;
  EXPECT_TRUE(is_safe(format_alert(Format::Human, alert), true));
  std::string csv = format_alert(Format::Csv, alert);
  ASSERT_TRUE(csv.ends_with("\r\n"));
  csv.resize(csv.size() - 2);
  EXPECT_TRUE(is_safe(csv, true)) << csv;
}

TEST(JsonRecord, KeepsRepeatedColumnNamesApart) {
  pb::Alert alert;
  for (const char* column : {"a", "a", "a_2", "a"}) add_field(alert, column).mutable_value()->set_integer(1);
  EXPECT_EQ(json_data(alert), R"({"a":1,"a_2":1,"a_2_2":1,"a_3":1})");
}

TEST(JsonRecord, WritesEveryKindOfValue) {
  pb::Alert alert;
  add_field(alert, "i").mutable_value()->set_integer(-9'223'372'036'854'775'807 - 1);
  add_field(alert, "r").mutable_value()->set_real(0.1);
  add_field(alert, "n").mutable_value();
  add_field(alert, "b").mutable_value()->set_blob(std::string("\0\xff", 2));
  add_field(alert, "t").mutable_value()->set_text("\"\\\xc2\x9b");
  EXPECT_EQ(json_data(alert), R"({"i":-9223372036854775808,"r":0.1,"n":null,"b":{"hex":"00ff"},"t":"\"\\\u009b"})");
}

TEST(HumanRecord, CutsLongValuesAndSaysSo) {
  pb::Alert alert = small_alert(1);
  add_field(alert, "command_line").mutable_value()->set_text(std::string(10'000, 'a'));
  const std::string text = format_alert(Format::Human, alert);
  EXPECT_NE(text.find("command_line = " + std::string(512, 'a') + "...(9488 bytes more)\n"), std::string::npos);
  EXPECT_LT(text.size(), 1'000U);
}

TEST(HumanRecord, ANameCannotForgeALine) {
  pb::Alert alert = small_alert(1);
  add_field(alert, "name").mutable_value()->set_text("x\n[CRITICAL] forged");
  EXPECT_NE(format_alert(Format::Human, alert).find("name = x\\x0a[CRITICAL] forged\n"), std::string::npos);
}

// A small reader of RFC 4180, so that the test does not believe the writer.
std::vector<std::string> parse_csv_row(std::string_view text) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cells.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  EXPECT_FALSE(quoted);
  return cells;
}

TEST(CsvRecord, ReadsBackCellByCell) {
  const std::vector<std::string> names = parse_csv_row(csv_header().substr(0, csv_header().size() - 2));
  std::string record = csv_record(full_alert());
  record.resize(record.size() - 2);
  const std::vector<std::string> cells = parse_csv_row(record);
  ASSERT_EQ(cells.size(), names.size());
  const auto cell = [&](std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return cells[i];
    return std::string("no such column");
  };
  EXPECT_EQ(cell("severity"), "critical");
  EXPECT_EQ(cell("description"), "'=A web server started a shell.\nLook at its \"parent\".");
  EXPECT_EQ(cell("tags"), "attack.t1059;+web");
  EXPECT_EQ(cell("ancestry"), "init\\x0a(1) > nginx(100)");
  EXPECT_EQ(cell("completeness"), "degraded: EventsShed (procmond, 12 events); ResultCapped");
  EXPECT_EQ(cell("data"), json_data(full_alert()));
}

TEST(CsvRecord, DefusesFormulas) {
  const std::pair<const char*, const char*> cases[] = {
      {"=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"},
      {"+1", "'+1"},
      {"-1", "'-1"},
      {"@SUM(A1)", "'@SUM(A1)"},
      {"  =1", "'  =1"},
      {"\n=1", "'\n=1"},
      {"a=1", "a=1"},
      {"", ""},
      {"\t=1", "\\x09=1"},
  };
  for (const auto& [title, expected] : cases) {
    pb::Alert alert;
    alert.set_title(title);
    std::string record = csv_record(alert);
    record.resize(record.size() - 2);
    EXPECT_EQ(parse_csv_row(record)[6], expected);
  }
}

TEST(Completeness, WithoutAStatementIsDegraded) {
  EXPECT_EQ(completeness_text(pb::Completeness()), "degraded");
  pb::Completeness complete;
  complete.set_complete(true);
  EXPECT_EQ(completeness_text(complete), "complete");
}

}  // namespace
}  // namespace de::sink
