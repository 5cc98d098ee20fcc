#include "sink/log_record.h"

#include <gtest/gtest.h>

#include "daemoneye/base/utf8.h"
#include "sample.h"

namespace de::sink {
namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(SyslogRecord, OfTheNewFormHasItsHeaderAndItsData) {
  pb::Alert alert = small_alert(7, pb::SEVERITY_CRITICAL);
  alert.set_alert_time_ms(1'767'323'045'678);
  alert.set_host("box 1");
  alert.set_rule_id("a\"b]c\\d\ne");
  const std::string record = syslog_record({.facility = 10}, alert);
  EXPECT_TRUE(
      record.starts_with("<82>1 2026-01-02T03:04:05.678Z box?1 daemoneye - alert [daemoneye@32473 id=\"id-7\" "
                         "sequence=\"7\" severity=\"critical\" rule=\"a\\\"b\\]c\\\\d\\\\x0ae\"] {\"schema\""))
      << record;
  EXPECT_EQ(record.find('\n'), record.npos);
}

TEST(SyslogRecord, IsMarkedAsUtf8WhereItIsNotAscii) {
  pb::Alert alert = small_alert(1);
  EXPECT_FALSE(contains(syslog_record({}, alert), "\xEF\xBB\xBF"));
  alert.set_title("\xc3\xa9");
  EXPECT_TRUE(contains(syslog_record({}, alert), "] \xEF\xBB\xBF{"));
  EXPECT_FALSE(contains(syslog_record({.is_rfc3164 = true}, alert), "\xEF\xBB\xBF"));
}

TEST(SyslogRecord, OfTheOldFormHasADateAndNoHostWhereItIsThis) {
  pb::Alert alert = small_alert(1, pb::SEVERITY_LOW);
  alert.set_alert_time_ms(1'767'323'045'678);
  alert.set_host("box-1");
  EXPECT_TRUE(syslog_record({.is_rfc3164 = true}, alert).starts_with("<29>Jan  2 03:04:05 box-1 daemoneye: {"));
  EXPECT_TRUE(
      syslog_record({.is_rfc3164 = true, .is_local = true}, alert).starts_with("<29>Jan  2 03:04:05 daemoneye: {"));
}

TEST(SyslogRecord, WhatIsCutSaysSoAndEndsWithAWholeCharacter) {
  pb::Alert alert = full_alert();
  alert.set_host(std::string(300, 'h'));
  alert.set_rule_id(std::string(300, '\x01'));
  alert.set_category(std::string(300, '\x02'));
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "\xf0\x9f\x92\xa9";
  add_field(alert, "long").mutable_value()->set_text(text);
  const std::string whole = syslog_record({.max_bytes = 65'000}, alert);
  EXPECT_FALSE(contains(whole, "bytes more"));
  EXPECT_FALSE(contains(whole, " cut="));
  for (std::size_t limit = kMinSyslogBytes; limit < kMinSyslogBytes + 9; ++limit) {
    for (const bool is_rfc3164 : {false, true}) {
      const std::string record = syslog_record({.is_rfc3164 = is_rfc3164, .max_bytes = limit}, alert);
      EXPECT_LE(record.size(), limit);
      EXPECT_GT(record.size(), limit - 8);
      EXPECT_TRUE(record.ends_with(" bytes more)")) << record.substr(record.size() - 40);
      EXPECT_EQ(to_valid_utf8(record), record);
      if (!is_rfc3164) {
        const std::size_t mark = record.rfind("...(");
        const std::string count = record.substr(mark + 4, record.rfind(" bytes") - mark - 4);
        EXPECT_TRUE(contains(record, " cut=\"" + count + "\"]"));
        const std::size_t body = record.find("] ") + 2;
        EXPECT_EQ(mark - body + std::stoul(count), whole.size() - whole.find("] ") - 2) << "nothing is missing unsaid";
      }
    }
  }
}

TEST(JournalRecord, AnEmptyAlertIsStillAMessage) {
  const std::string record = journal_record(Format::Json, pb::Alert());
  EXPECT_TRUE(contains(record, "PRIORITY=5\n"));
  EXPECT_TRUE(contains(record, "DAEMONEYE_ALERT={"));
  EXPECT_FALSE(contains(record, "DAEMONEYE_RULE"));
}

}  // namespace
}  // namespace de::sink
