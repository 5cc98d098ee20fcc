// What a converted rule says of itself, and what is refused instead of being converted nearly.
#include <gmock/gmock.h>

#include "daemoneye/crypto/base64.h"
#include "sigma/encode.h"
#include "sigma_case.h"

namespace de::sigma {
namespace {

using testing::HasSubstr;

constexpr const char* kRule = R"(title: 'Netcat: "listens"'
id: 7c7d24ee-0000-4000-8000-000000000001
status: test
description: |
    First line.
    Second: line.
references: [https://a.example/x]
author: Ann Author, Bob
date: 2026-01-02
tags:
    - attack.t1059
level: critical
logsource:
    product: linux
    category: process_creation
detection:
    selection:
        Image|endswith: /nc
    condition: selection
falsepositives: [none]
)";

TEST(SigmaConvert, KeepsWhoWroteItAndWhere) {
  ConvertOptions options;
  options.source = "https://rules.example/a.yml";
  const auto made = convert("a.yml", kRule, options);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->is_served);
  const auto rules = detect::parse_rule_text("a.yaml", made->yaml);
  ASSERT_TRUE(rules) << rules.error().message() << made->yaml;
  const detect::Rule& rule = rules->front();
  EXPECT_EQ(rule.id, "sigma-7c7d24ee-0000-4000-8000-000000000001");
  EXPECT_EQ(rule.name, "Netcat: \"listens\"");
  EXPECT_EQ(rule.description, "First line.\nSecond: line.\n");
  EXPECT_EQ(rule.severity, pb::SEVERITY_CRITICAL);
  EXPECT_EQ(rule.author, "Ann Author, Bob");
  EXPECT_EQ(rule.license, "DRL-1.1");
  EXPECT_EQ(rule.source, "https://rules.example/a.yml");
  EXPECT_THAT(rule.tags, testing::ElementsAre("attack.t1059"));
  EXPECT_EQ(rule.on, detect::Trigger::Event);
  EXPECT_EQ(matches(made->yaml, {{"Image", "/bin/nc"}}), true);
}

// Whatever is said to be converted, the agent takes.
TEST(SigmaConvert, TextsTooLongForARuleAreRefused) {
  const auto with_title = [](const std::string& title) {
    std::string text = kRule;
    return text.replace(0, text.find('\n'), "title: \"" + title + "\"");
  };
  std::string longest;  // As many characters as Sigma allows, of four bytes each.
  for (int i = 0; i < 255; ++i) longest += "\U0001F419";
  const auto made = convert("a.yml", with_title(longest), {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(detect::parse_rule_text("a.yaml", made->yaml));
  const auto refused = convert("a.yml", with_title(longest + "12345"), {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what(), HasSubstr("a.yml:1:1: name is longer than the 1024 bytes"));
}

TEST(SigmaConvert, RulesForTablesThatAreNotThereWait) {
  const auto made = convert("n.yml",
                            sigma_rule("sel:\n    DestinationIp|cidr: [10.0.0.0/8, 'fe80::/10']\n    DestinationPort: "
                                       "4444\ncondition: sel",
                                       "network_connection"),
                            {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_FALSE(made->is_served);
  EXPECT_EQ(made->table, "network.connections");
  EXPECT_THAT(made->sql, HasSubstr("cidr_match(dst_ip, '10.0.0.0/8') OR cidr_match(dst_ip, 'fe80::/10')"));
  EXPECT_THAT(made->sql, HasSubstr("CAST(dst_port AS TEXT) = '4444'"));
}

TEST(SigmaConvert, RefusesWithThePlaceAndTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"sel:\n    Image|contians: a\ncondition: sel",
       "r.yml:8:9: unknown modifier \"contians\" (did you mean \"contains\"?)"},
      {"sel:\n    Imagee: a\ncondition: sel",
       "r.yml:8:9: process_creation has no field \"Imagee\" (did you mean \"Image\"?)"},
      {"sel:\n    Image: a\ncondition: sel | count() > 5", "aggregations"},
      {"sel:\n    Image: a\ntimeframe: 5m\ncondition: sel", "timeframe is not converted"},
      {"sel:\n    Image: a\ncondition: sle",
       "the condition names \"sle\", which the detection has not (did you mean \"sel\"?)"},
      {"sel:\n    Image: a\ncondition: 2 of sel*", "\"2 of\" is not converted"},
      {"sel:\n    Image: a\ncondition: 1 of filter*", "nothing in the detection is called \"filter*\""},
      {"sel:\n    Image: a\ncondition: (sel", "a \")\" is missing"},
      {"sel:\n    Image: a\ncondition: sel sel", "\"sel\" is not expected"},
      {"sel:\n    Image: a\ncondition: sel and", "the condition ends too early"},
      {"sel:\n    Image: a", "the detection has no condition"},
      {"sel: {}\ncondition: sel", "there is nothing to look for"},
      {"sel:\n    Image: []\ncondition: sel", "there is no value"},
      {"sel:\n    Image: [[a]]\ncondition: sel", "a value must be text or a number"},
      {"sel:\n    CommandLine|base64: 'a*'\ncondition: sel", "base64 takes a value without wildcards"},
      {"sel:\n    CommandLine|wide: a\ncondition: sel", "UTF-16 is found in base64 only"},
      {"sel:\n    CommandLine|base64|wide: a\ncondition: sel", "base64 comes after it"},
      {"sel:\n    CommandLine|re|contains: a\ncondition: sel", "\"contains\" does not go with \"re\""},
      {"sel:\n    CommandLine|exists|all: true\ncondition: sel", "\"all\" does not go with \"exists\""},
      {"sel:\n    CommandLine|contains|i: a\ncondition: sel", "i, m and s go with \"re\" only"},
      {"sel:\n    CommandLine|startswith|endswith: a\ncondition: sel", "one or the other"},
      {"sel:\n    '|re': a\ncondition: sel", "\"re\" is not converted for keywords"},
      {"sel:\n    User|expand: '%a%%b%'\ncondition: sel", "more than one %name%"},
      {"sel:\n    User|cidr: 10.0.0.0/33\ncondition: sel", "expected a network"},
      {"sel:\n    User|cidr: [[10.0.0.0/8]]\ncondition: sel", "expected a network"},
      {"sel:\n    LogonId|gt: inf\ncondition: sel", "lt, lte, gt and gte take a number"},
      {"sel:\n    LogonId|gt: many\ncondition: sel", "lt, lte, gt and gte take a number"},
      {"sel:\n    Image|exists: maybe\ncondition: sel", "exists takes true or false"},
      {"sel:\n    Image|hour: 5\ncondition: sel", "parts of a time"},
      {"sel:\n    Image|fieldref: Nobody\ncondition: sel", "process_creation has no field \"Nobody\""},
  };
  for (const auto& [detection, reason] : cases) EXPECT_THAT(refusal(detection), HasSubstr(reason)) << detection;
  std::string often = "sel:\n    Image: " + std::string(2'000, 'a') + "\ncondition: sel";
  for (int i = 0; i < 1'000; ++i) often += " or sel";
  EXPECT_THAT(refusal(often), HasSubstr("too long an SQL statement"));
  std::string deep = "sel:\n    Image: a\ncondition: ";
  for (int i = 0; i < 200; ++i) deep += "(";
  EXPECT_THAT(refusal(deep + "sel"), HasSubstr("nested too deeply"));
  const auto message = [](std::string_view text) { return convert("r.yml", text, {}).error().message(); };
  EXPECT_THAT(message("title: a\n"), HasSubstr("the rule has no logsource"));
  EXPECT_THAT(message("title: a\nlogsource: {product: windows, service: security}\ndetection: {}\n"),
              HasSubstr("no table for logsource product: windows service: security"));
  EXPECT_THAT(message("title: a\naction: global\n"), HasSubstr("documents with \"action\""));
  EXPECT_THAT(
      message("title: a\nid: ../../etc/x\nlogsource: {product: linux, category: process_creation}\ndetection: {s: "
              "{Image: a}, condition: s}\n"),
      HasSubstr("r.yml:2:5: the id must be made of"));
  EXPECT_THAT(refusal("sel:\n    Image|cidr: \"a\\nid: evil\"\ncondition: sel"), HasSubstr("expected a network"));
  EXPECT_THAT(refusal("sel:\n    Image|contains: \"a\\Nid: evil\"\ncondition: sel"), HasSubstr("control characters"));
  EXPECT_THAT(message("- a\n"), HasSubstr("a Sigma rule is a map"));
}

TEST(SigmaEncode, Utf16AndBase64) {
  EXPECT_EQ(to_utf16("a\u20ac", ByteOrder::Little), std::string("a\0\xac\x20", 4));
  EXPECT_EQ(to_utf16("a", ByteOrder::Big), std::string("\0a", 2));
  EXPECT_EQ(to_utf16("\U0001f600", ByteOrder::Big), std::string("\xd8\x3d\xde\x00", 4));
  EXPECT_EQ(to_utf16("\xff", ByteOrder::Big), std::string("\xff\xfd", 2));
  const auto offsets = to_base64_offsets("foobar");
  for (std::size_t before = 0; before < 3; ++before)
    for (const char* after : {"", "x", "xy"})
      EXPECT_THAT(crypto::to_base64(std::string(before, 'q') + "foobar" + after), HasSubstr(offsets[before]))
          << before << after;
}

}  // namespace
}  // namespace de::sigma
