#include "console/edit_config.h"

#include <gmock/gmock.h>

#include "daemoneye/config/config.h"

namespace de::console {
namespace {

using config::Syntax;
using testing::HasSubstr;
using testing::StartsWith;

std::string set(const std::string& file, const std::string& text, const std::string& key, const std::string& typed) {
  const auto value = config::value_for_file(key, typed, syntax_of(file, text));
  if (!value) return "value: " + value.error().message();
  const auto edited = set_in_text(file, text, key, *value);
  return edited ? *edited : "refused: " + edited.error().message();
}
std::string yaml(const std::string& text, const std::string& key, const std::string& typed) {
  return set("f.yaml", text, key, typed);
}
std::string toml(const std::string& text, const std::string& key, const std::string& typed) {
  return set("f.toml", text, key, typed);
}

TEST(EditConfig, AValueIsExchangedAndEverythingAroundItStays) {
  EXPECT_EQ(yaml("# mine\nspool:\n  max_mb: 7   # enough\n\n  sync_ms: 500\n", "spool.max_mb", "8"),
            "# mine\nspool:\n  max_mb: 8   # enough\n\n  sync_ms: 500\n");
  EXPECT_EQ(yaml("spool.max_mb: 7", "spool.max_mb", "8"), "spool.max_mb: 8");
  EXPECT_EQ(yaml("spool: {sync_ms: 500, max_mb: 7}  # x\n", "spool.max_mb", "8"),
            "spool: {sync_ms: 500, max_mb: 8}  # x\n");
  EXPECT_EQ(yaml("spool: {max_mb: 7, sync_ms: 500}\n", "spool.max_mb", "8"), "spool: {max_mb: 8, sync_ms: 500}\n");
  EXPECT_EQ(yaml("control:\r\n  readers: \"a\" # x\r\nlog: {level: warn}\r\n", "control.readers", "b"),
            "control:\r\n  readers: \"b\" # x\r\nlog: {level: warn}\r\n");
  EXPECT_EQ(yaml("rules: {dirs: [\"/\xC3\xA9\", '/b']}\n", "rules.dirs", "/c"), "rules: {dirs: [\"/c\"]}\n");
  EXPECT_EQ(yaml("rules:\n  dirs: [\n    /a,\n    /b\n  ]\n  max_rows: 5\n", "rules.dirs", "/c"),
            "rules:\n  dirs: [\"/c\"]\n  max_rows: 5\n");
  EXPECT_EQ(yaml("rules: {dirs: [\"/\xC3\xA9\xC3\xA9\"], max_rows: 5}\n", "rules.max_rows", "7"),
            "rules: {dirs: [\"/\xC3\xA9\xC3\xA9\"], max_rows: 7}\n");
  EXPECT_EQ(yaml("agent: {uid: }\n", "agent.uid", "7"), "agent: {uid: 7}\n");
  EXPECT_EQ(yaml("agent:\n  uid:   # none\n", "agent.uid", "7"), "agent:\n  uid: 7   # none\n");
  EXPECT_EQ(yaml("agent:\n  uid: null  # none\n", "agent.uid", "7"), "agent:\n  uid: 7  # none\n");
}

TEST(EditConfig, AKeyThatIsNotThereIsPutWhereItBelongs) {
  EXPECT_EQ(yaml("", "spool.max_mb", "8"), "spool:\n  max_mb: 8\n");
  EXPECT_EQ(yaml("# only mine", "scan_interval_ms", "5000"), "# only mine\nscan_interval_ms: 5000\n");
  EXPECT_EQ(yaml("spool:\n    sync_ms: 500\nlog: {level: warn}\n", "spool.max_mb", "8"),
            "spool:\n    max_mb: 8\n    sync_ms: 500\nlog: {level: warn}\n");
  EXPECT_EQ(yaml("spool: {}\n", "spool.max_mb", "8"), "spool: {max_mb: 8}\n");
  EXPECT_EQ(yaml("spool: {sync_ms: 500}\n", "spool.max_mb", "8"), "spool: {max_mb: 8, sync_ms: 500}\n");
  EXPECT_EQ(yaml("log: {level: warn}\n", "spool.max_mb", "8"), "log: {level: warn}\nspool:\n  max_mb: 8\n");
}

TEST(EditConfig, InTheSampleItStandsBelowItsDefault) {
  const std::string sample = config::sample_file();
  for (const auto& [key, typed, line] :
       {std::tuple{"spool.max_mb", "8", "  #max_mb: 256\n  max_mb: 8\n"},
        {"scan_interval_ms", "5000", "#scan_interval_ms: 30000\nscan_interval_ms: 5000\n"},
        {"rules.max_rows", "5", "  #max_rows: 1000\n  max_rows: 5\n"},
        {"query.max_rows", "5", "  #max_rows: 10000\n  max_rows: 5\n"}}) {
    const std::string edited = yaml(sample, key, typed);
    EXPECT_THAT(edited, HasSubstr(line)) << key;
    EXPECT_EQ(edited.size() - sample.size(), std::string(line).size() - std::string(line).find('\n') - 1) << key;
  }
  // Every key of the table can be set in the sample.
  const auto settings = config::settings_in("f.yaml", "");
  for (const config::Setting& one : *settings) {
    if (one.path == "sinks" || one.path == "collectors" || one.path == "rules.dirs") continue;
    std::string typed = one.value;
    if (typed.starts_with('"')) typed = typed.substr(1, typed.size() - 2);
    EXPECT_THAT(yaml(sample, std::string(one.path), typed),
                HasSubstr("\n" + std::string(one.path.find('.') == one.path.npos ? "" : "  ") +
                          std::string(one.path.substr(one.path.find('.') + 1)) + ": "))
        << one.path;
  }
}

TEST(EditConfig, JsonStaysJson) {
  EXPECT_EQ(set("f.json", "{\"spool\": {\"max_mb\": 7}}", "spool.max_mb", "8"), "{\"spool\": {\"max_mb\": 8}}");
  EXPECT_EQ(set("f.json", "{\n  \"log\": {\n    \"format\": \"json\"\n  }\n}\n", "log.level", "warn"),
            "{\n  \"log\": {\n    \"level\": \"warn\",\n    \"format\": \"json\"\n  }\n}\n");
  EXPECT_EQ(set("f.json", "{\n  \"log\": {\n    \"format\": \"json\"\n  }\n}\n", "spool.max_mb", "8"),
            "{\n  \"spool\": {\"max_mb\": 8},\n  \"log\": {\n    \"format\": \"json\"\n  }\n}\n");
  EXPECT_EQ(set("f.json", "", "spool.max_mb", "8"), "{\"spool\": {\"max_mb\": 8}\n}\n");
  EXPECT_EQ(set("f.yaml", "{}", "scan_interval_ms", "5000"), "{\"scan_interval_ms\": 5000}");
}

TEST(EditConfig, TomlStaysToml) {
  EXPECT_EQ(toml("[spool]\nmax_mb = 7 # enough\n", "spool.max_mb", "8"), "[spool]\nmax_mb = 8 # enough\n");
  EXPECT_EQ(toml("spool.max_mb = 7\n", "spool.max_mb", "8"), "spool.max_mb = 8\n");
  EXPECT_EQ(toml("rules = {dirs = ['/\xC3\xA9\xC3\xA9'], max_rows = 5}\n", "rules.max_rows", "7"),
            "rules = {dirs = ['/\xC3\xA9\xC3\xA9'], max_rows = 7}\n");
  EXPECT_EQ(toml("spool = {max_mb = 7, sync_ms = 500}\n", "spool.max_mb", "8"),
            "spool = {max_mb = 8, sync_ms = 500}\n");
  EXPECT_EQ(toml("rules.dirs = [\n  '/a',\n]\n", "rules.dirs", "/c"), "rules.dirs = [\"/c\"]\n");
  EXPECT_EQ(toml("[log]\nlevel = \"warn\"\n", "log.level", "error"), "[log]\nlevel = \"error\"\n");
  EXPECT_EQ(toml("", "log.level", "warn"), "[log]\nlevel = \"warn\"\n");
  EXPECT_EQ(toml("# x\n[ spool ]\nsync_ms = 500\n[log]\n", "spool.max_mb", "8"),
            "# x\n[ spool ]\nmax_mb = 8\nsync_ms = 500\n[log]\n");
  EXPECT_EQ(toml("[spool]\n[log]\n# level = \"x\"\n", "log.level", "warn"),
            "[spool]\n[log]\n# level = \"x\"\nlevel = \"warn\"\n");
  EXPECT_EQ(toml("state_dir = \"/x\"\n[spool]\n", "scan_interval_ms", "5000"),
            "state_dir = \"/x\"\nscan_interval_ms = 5000\n[spool]\n");
  EXPECT_EQ(toml("spool.sync_ms = 500\n", "spool.max_mb", "8"), "spool.sync_ms = 500\nspool.max_mb = 8\n");
  EXPECT_EQ(toml("spool = {}\n", "spool.max_mb", "8"), "spool = {max_mb = 8}\n");
}

// Each would change more than the key, or become another file than was meant.
TEST(EditConfig, WhatIsNotPlainToSeeIsRefusedWithTheLineToWrite) {
  for (const char* text : {"control:\n  readers: |\n    a\n", "control:\n  readers: >-\n    a\n",
                           "control:\n  readers: &x a\n  admins: *x\n", "control:\n  readers: a\n    b\n",
                           "control:\n  admins: &x a\n  readers: *x\n", "control:\n  readers: 'a\n   b'\n"})
    EXPECT_THAT(yaml(text, "control.readers", "b"), StartsWith("refused: ")) << text;
  // The same text stands for another key, too.
  EXPECT_THAT(yaml("query: &x\n  max_rows: 5\nrules: *x\n", "query.max_rows", "7"), StartsWith("refused: "));
  EXPECT_THAT(yaml("log: {}\n...\n", "spool.max_mb", "8"), StartsWith("refused: "));
  EXPECT_THAT(yaml("rules:\n  dirs:\n    - /a\n    - /b\n", "rules.dirs", "/c"),
              HasSubstr("write by hand:  dirs: [\"/c\"]  below  rules:"));
  EXPECT_THAT(yaml("rules: {dirs: [/a, # mine\n  /b]}\n", "rules.dirs", "/c"), HasSubstr("refused"));
  EXPECT_THAT(toml("control.readers = '''a'''\n", "control.readers", "b"), HasSubstr("refused"));
}

}  // namespace
}  // namespace de::console
