// A Sigma detection and events, answered by the product: converted, loaded as a rule file is, run over the events.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "detect/rule.h"
#include "detect/runner.h"
#include "sigma/convert.h"

namespace de::sigma {

using Event = std::map<std::string, std::string>;  // By Sigma's name of a field; one that is not there is missing.

inline std::string sigma_rule(const std::string& detection, const std::string& category = "process_creation") {
  std::string out = "title: T\nid: 1\nauthor: Ann\nlevel: high\nlogsource: {product: linux, category: " + category +
                    "}\ndetection:\n    ";
  for (const char c : detection) out += c == '\n' ? "\n    " : std::string(1, c);
  return out + "\n";
}

// Why it is not converted; "" when it is.
inline std::string refusal(const std::string& detection, const ConvertOptions& options = {}) {
  const auto made = convert("r.yml", sigma_rule(detection), options);
  return made ? "" : made.error().message();
}

inline std::string column_for(const std::string& field) {
  const std::map<std::string, std::string> columns = {{"Image", "executable_path"},
                                                      {"CommandLine", "command_line"},
                                                      {"ParentImage", "parent_executable_path"},
                                                      {"ParentCommandLine", "parent_command_line"},
                                                      {"User", "user_name"},
                                                      {"CurrentDirectory", "cwd"},
                                                      {"LogonId", "login_uid"},
                                                      {"sha256", "executable_hash"},
                                                      {"(more)", "platform_data"}};
  return columns.at(field);
}

// Whether `yaml`, a rule of ours, matches the event; nothing when it cannot be loaded.
inline std::optional<bool> matches(const std::string& yaml, const Event& event) {
  std::string row = "event_type: exec, pid: 7";
  for (const auto& [field, value] : event)
    row += ", " + column_for(field) + ": " + (field == "LogonId" ? value : json_string(value));
  const auto rules = detect::parse_rule_text("r.yaml", yaml + "tests: {match: [{events: [{" + row + "}]}]}\n");
  EXPECT_TRUE(rules) << rules.error().message() << "\n" << yaml;
  if (!rules) return std::nullopt;
  const auto report = detect::test_rule(rules->front(), system_clock());
  EXPECT_TRUE(report) << report.error().message();
  if (!report) return std::nullopt;
  if (report->passed == 1) return true;
  const std::string& why = report->failures.front().message;
  EXPECT_EQ(why, "expected a match, found none") << yaml;
  return false;
}

struct Case {
  const char* detection;
  std::vector<Event> match;
  std::vector<Event> no_match;
};

inline void expect_case(const Case& one, const ConvertOptions& options = {}) {
  SCOPED_TRACE(one.detection);
  const auto made = convert("r.yml", sigma_rule(one.detection), options);
  ASSERT_TRUE(made) << made.error().message();
  const auto show = [](const Event& event) {
    std::string out;
    for (const auto& [field, value] : event) out += field + "=" + value.substr(0, 60) + " ";
    return out;
  };
  for (const Event& event : one.match)
    EXPECT_EQ(matches(made->yaml, event), true) << show(event) << made->sql.substr(0, 2000);
  for (const Event& event : one.no_match)
    EXPECT_EQ(matches(made->yaml, event), false) << show(event) << made->sql.substr(0, 2000);
}

}  // namespace de::sigma
