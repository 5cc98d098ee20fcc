// The formats of others, judged by parsers that are not ours: see check_record.py.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "sample.h"
#include "sink/format.h"

namespace de::sink {
namespace {

struct Foreign {
  const char* name;
  Format format;
};
constexpr Foreign kForeign[] = {
    {"cef", Format::Cef}, {"ecs", Format::Ecs}, {"ocsf", Format::Ocsf}, {"stix", Format::Stix}};

// What the judge has against the record; empty: nothing.
std::string judgement(const Foreign& foreign, const std::string& record, const pb::Alert& alert) {
  const TempDir dir;
  const std::string command = "/usr/bin/python3 " DE_SOURCE_DIR "/tests/unit/sink/check_record.py " +
                              std::string(foreign.name) + " " + dir.write("record", record) + " " +
                              dir.write("reference", format_alert(Format::Json, alert)) + " >" + dir / "said" + " 2>&1";
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return std::string(foreign.name) + ": " + read_text(dir / "said") + record;
}

void expect_sound(const pb::Alert& alert) {
  for (const Foreign& foreign : kForeign) EXPECT_EQ(judgement(foreign, format_alert(foreign.format, alert), alert), "");
}

void expect_foreign_golden(const std::string& file, const std::string& text) {
  const std::string path = std::string(DE_SOURCE_DIR) + "/tests/golden/alert/" + file;
  const char* mode = std::getenv("DE_GOLDEN");
  if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text, read_text(path)) << path;
}

TEST(ForeignFormat, MatchesTheGoldenFiles) {
  for (const Foreign& foreign : kForeign) {
    expect_foreign_golden(std::string("full.") + foreign.name, format_alert(foreign.format, full_alert()));
    expect_foreign_golden(std::string("process.") + foreign.name, format_alert(foreign.format, process_alert()));
    expect_foreign_golden(std::string("empty.") + foreign.name, format_alert(foreign.format, pb::Alert()));
  }
}

TEST(ForeignFormat, IsSoundAndIntact) {
  expect_sound(full_alert());
  expect_sound(process_alert());
}

TEST(ForeignFormat, AnAlertOfNothingIsSound) { expect_sound(pb::Alert()); }

TEST(ForeignFormat, EveryByteAndEveryTimeIsSound) {
  pb::Alert alert = process_alert();
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  alert.clear_data();
  add_field(alert, every_byte).mutable_value()->set_text(every_byte);
  add_field(alert, "name").mutable_value()->set_text(every_byte);
  add_field(alert, "executable_path").mutable_value()->set_text(every_byte);
  add_field(alert, "user_name").mutable_value()->set_text(every_byte);
  add_field(alert, "executable_hash").mutable_value()->set_text("no hash");
  add_field(alert, "start_time_ms").mutable_value()->set_integer(-1);
  alert.set_alert_time_ms(-5);
  alert.set_first_seen_ms(std::int64_t{1} << 62);
  alert.set_last_seen_ms(1);
  expect_sound(alert);
}

TEST(ForeignFormat, ARowThatIsOfNoProcessSaysNothingOfOne) {
  pb::Alert alert = small_alert(1);
  add_field(alert, "name").mutable_value()->set_text("a rule's name");
  expect_sound(alert);
  EXPECT_EQ(format_alert(Format::Ecs, alert).find("\"process\":{"), std::string::npos);
  EXPECT_EQ(format_alert(Format::Ocsf, alert).find("evidences"), std::string::npos);
  EXPECT_EQ(format_alert(Format::Stix, alert).find("observed-data"), std::string::npos);
  EXPECT_EQ(format_alert(Format::Cef, alert).find("sproc"), std::string::npos);
}

TEST(ForeignFormat, TheSameAlertIsTheSameBundleAndAnotherIsNot) {
  EXPECT_EQ(format_alert(Format::Stix, process_alert()), format_alert(Format::Stix, process_alert()));
  pb::Alert other = process_alert();
  other.set_id("another");
  EXPECT_NE(format_alert(Format::Stix, other).substr(0, 80), format_alert(Format::Stix, process_alert()).substr(0, 80));
}

// The judge itself: each of these is a mistake that has been made somewhere.
TEST(ForeignFormat, TheJudgeSeesMistakes) {
  const pb::Alert alert = process_alert();
  const auto spoilt = [&](const Foreign& foreign, std::string_view from, std::string_view to) {
    std::string record = format_alert(foreign.format, alert);
    const std::size_t at = record.find(from);
    EXPECT_NE(at, record.npos) << from;
    record.replace(at, from.size(), to);
    return judgement(foreign, record, alert);
  };
  EXPECT_NE(spoilt(kForeign[0], "\\|b", "|b"), "");
  EXPECT_NE(spoilt(kForeign[0], "cat\\=forged", "cat=forged"), "");
  EXPECT_NE(spoilt(kForeign[1], "\"kind\":\"alert\"", "\"kind\":\"alarm\""), "");
  EXPECT_NE(spoilt(kForeign[2], "\"type_uid\":200401", "\"type_uid\":200402"), "");
  EXPECT_NE(spoilt(kForeign[2], "\"pid\":77", "\"pid\":\"77\""), "");
  EXPECT_NE(spoilt(kForeign[3], "\"sighting_of_ref\":\"indicator", "\"sighting_of_ref\":\"identity"), "");
  EXPECT_NE(spoilt(kForeign[3], "\"account_login\":\"ann", "\"account_login\":\"bob"), "");
}

}  // namespace
}  // namespace de::sink
