// Correlations and filters, answered by the product: converted with their rules, loaded, and run over stored events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "detect/rule.h"
#include "detect/runner.h"
#include "sigma/documents.h"

namespace de::sigma {
namespace {

using testing::HasSubstr;

struct Seen {
  int second;
  const char* image;
  const char* user = nullptr;
  const char* cwd = nullptr;
};

constexpr const char* kRules =
    "title: A\nname: a\nid: 1\nlogsource: {product: linux, category: process_creation}\n"
    "detection: {s: {Image: /a}, condition: s}\n---\n"
    "title: B\nname: b\nid: 2\nlogsource: {product: linux, category: process_creation}\n"
    "detection: {s: {Image: /b}, condition: s}\n---\n"
    "title: C\nname: c\nid: 3\nlogsource: {product: linux, category: process_creation}\n"
    "detection: {s: {Image: /c}, condition: s}\n---\n";

Result<Converted> convert_text(const std::string& correlation) {
  Documents documents;
  const auto places = documents.add("r.yml", kRules + ("title: T\nid: 9\nauthor: Ann\ncorrelation: " + correlation));
  if (!places) return fail(Error(places.error()));
  return documents.convert(places->back(), {});
}

std::string refusal(const std::string& correlation) {
  const auto made = convert_text(correlation);
  return made ? "" : made.error().message();
}

// Whether the correlation says something about these events, seconds after the first of them.
bool fires(const std::string& correlation, const std::vector<Seen>& events) {
  const auto made = convert_text(correlation);
  EXPECT_TRUE(made) << made.error().message();
  if (!made) return false;
  const std::int64_t begin_ms = system_clock().unix_ms() - 600'000;
  std::string rows;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Seen& seen = events[i];
    rows += (i == 0 ? "{" : ", {") + ("event_type: exec, pid: " + std::to_string(i + 1)) +
            ", sequence: " + std::to_string(i + 1) +
            ", event_time_ms: " + std::to_string(begin_ms + seen.second * 1'000) + ", executable_path: " + seen.image;
    if (seen.user != nullptr) rows += std::string(", user_name: ") + seen.user;
    if (seen.cwd != nullptr) rows += std::string(", cwd: ") + seen.cwd;
    rows += "}";
  }
  const auto rules = detect::parse_rule_text("r.yaml", made->yaml + "tests: {match: [{events: [" + rows + "]}]}\n");
  EXPECT_TRUE(rules) << rules.error().message() << made->yaml;
  if (!rules) return false;
  const auto report = detect::test_rule(rules->front(), system_clock());
  EXPECT_TRUE(report) << report.error().message() << made->sql;
  if (!report || report->passed == 1) return report.has_value();
  EXPECT_EQ(report->failures.front().message, "expected a match, found none") << made->sql;
  return false;
}

TEST(Correlation, EventsAreCountedInEveryTimespan) {
  const std::string three = "{type: event_count, rules: [a], group-by: [User], timespan: 10s, condition: {gte: 3}}\n";
  EXPECT_TRUE(fires(three, {{0, "/a", "u"}, {5, "/a", "u"}, {10, "/a", "u"}}));
  EXPECT_FALSE(fires(three, {{0, "/a", "u"}, {5, "/a", "u"}, {11, "/a", "u"}})) << "over more than ten seconds";
  EXPECT_TRUE(fires(three, {{0, "/a", "u"}, {9, "/a", "u"}, {12, "/a", "u"}, {18, "/a", "u"}})) << "no fixed windows";
  EXPECT_FALSE(fires(three, {{0, "/a", "u"}, {1, "/a", "v"}, {2, "/a", "u"}})) << "of two users";
  EXPECT_FALSE(fires(three, {{0, "/a", "u"}, {1, "/b", "u"}, {2, "/a", "u"}})) << "one is of another rule";
  const std::string both = "{type: event_count, rules: [a, 2], timespan: 1m, condition: {gt: 2, lte: 4}}\n";
  EXPECT_TRUE(fires(both, {{0, "/a"}, {1, "/b"}, {2, "/a"}}));
  EXPECT_FALSE(fires(both, {{0, "/a"}, {1, "/b"}}));
  EXPECT_FALSE(fires("{type: event_count, rules: [a], timespan: 1m, condition: {eq: 3}}\n", {{0, "/a"}, {1, "/a"}}));
}

TEST(Correlation, ValuesAreCountedOnce) {
  const std::string users = "{type: value_count, rules: [a], timespan: 10s, condition: {field: User, gte: 3}}\n";
  EXPECT_TRUE(fires(users, {{0, "/a", "u"}, {1, "/a", "v"}, {2, "/a", "w"}}));
  EXPECT_FALSE(fires(users, {{0, "/a", "u"}, {1, "/a", "v"}, {2, "/a", "v"}}));
  EXPECT_FALSE(fires(users, {{0, "/a", "u"}, {1, "/a", "v"}, {2, "/a"}})) << "what is missing is no value";
  EXPECT_FALSE(fires(users, {{0, "/a", "u"}, {1, "/a", "v"}, {11, "/a", "w"}}));
  const std::string by =
      "{type: value_count, rules: [a], group-by: [CurrentDirectory], timespan: 10s, condition: {field: User, gte: "
      "2}}\n";
  EXPECT_TRUE(fires(by, {{0, "/a", "u", "/x"}, {1, "/a", "v", "/x"}}));
  EXPECT_FALSE(fires(by, {{0, "/a", "u", "/x"}, {1, "/a", "v", "/y"}}));
}

TEST(Correlation, EveryRuleWithinTheTime) {
  const std::string all = "{type: temporal, rules: [a, b, c], group-by: User, timespan: 10s}\n";
  EXPECT_TRUE(fires(all, {{3, "/c", "u"}, {0, "/b", "u"}, {9, "/a", "u"}}));
  EXPECT_FALSE(fires(all, {{0, "/a", "u"}, {1, "/b", "u"}, {11, "/c", "u"}}));
  EXPECT_FALSE(fires(all, {{0, "/a", "u"}, {1, "/b", "u"}, {2, "/c", "v"}}));
  EXPECT_FALSE(fires(all, {{0, "/a", "u"}, {1, "/b", "u"}, {2, "/a", "u"}}));
  EXPECT_TRUE(
      fires("{type: temporal, rules: [a, b, c], timespan: 10s, condition: {gte: 2}}\n", {{0, "/a"}, {1, "/c"}}));
}

TEST(Correlation, EveryRuleInOrder) {
  const std::string order = "{type: temporal_ordered, rules: [a, b, c], group-by: [User], timespan: 10s}\n";
  EXPECT_TRUE(fires(order, {{0, "/a", "u"}, {1, "/b", "u"}, {2, "/c", "u"}}));
  EXPECT_TRUE(fires(order, {{0, "/a", "u"}, {0, "/b", "u"}, {0, "/c", "u"}})) << "within a millisecond";
  EXPECT_FALSE(fires(order, {{0, "/b", "u"}, {1, "/a", "u"}, {2, "/c", "u"}}));
  EXPECT_FALSE(fires(order, {{0, "/a", "u"}, {1, "/b", "v"}, {2, "/c", "u"}}));
  EXPECT_FALSE(fires(order, {{0, "/a", "u"}, {1, "/b", "u"}, {11, "/c", "u"}}));
  EXPECT_TRUE(fires(order, {{0, "/a", "u"}, {8, "/a", "u"}, {9, "/b", "u"}, {11, "/c", "u"}}));
}

TEST(Correlation, AnAliasIsAnotherFieldInEachRule) {
  const std::string alias =
      "{type: temporal, rules: [a, b], group-by: [who], timespan: 10s, aliases: {who: {a: User, b: "
      "CurrentDirectory}}}\n";
  EXPECT_TRUE(fires(alias, {{0, "/a", "x", "/1"}, {1, "/b", "y", "x"}}));
  EXPECT_FALSE(fires(alias, {{0, "/a", "x", "/1"}, {1, "/b", "x", "/1"}}));
}

TEST(Correlation, FoldedByWhoItIsAbout) {
  const auto made =
      convert_text("{type: event_count, rules: [a], group-by: [User], timespan: 2h, condition: {gte: 3}}\n");
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_THAT(made->yaml, HasSubstr("window: 7800s\ndedup: {keys: [\"User\"], seconds: 7800}\n"));
  EXPECT_THAT(made->yaml, HasSubstr("author: \"Ann\""));
}

TEST(Correlation, WhatCannotBeSaidIsRefused) {
  const auto has = [](const std::string& correlation, const char* why) {
    EXPECT_THAT(refusal(correlation), HasSubstr(why)) << correlation;
    EXPECT_THAT(refusal(correlation), HasSubstr("r.yml:")) << correlation;
  };
  has("{type: value_sum, rules: [a], timespan: 1m, condition: {gte: 3}}\n", "correlations of type \"value_sum\"");
  has("{rules: [a], timespan: 1m, condition: {gte: 3}}\n", "has no type");
  has("{type: event_count, timespan: 1m, condition: {gte: 3}}\n", "names no rules");
  has("{type: event_count, rules: [z], timespan: 1m, condition: {gte: 3}}\n", "no rule with the id or name z");
  has("{type: event_count, rules: [9], timespan: 1m, condition: {gte: 3}}\n", "correlations of correlations");
  has("{type: event_count, rules: [a], condition: {gte: 3}}\n", "has no timespan");
  for (const char* span : {"5", "m", "0m", "-1m", "31d", "5w", "1.5h", "99999999999999999999d"})
    has("{type: event_count, rules: [a], timespan: " + std::string(span) + ", condition: {gte: 3}}\n", "timespan as");
  has("{type: event_count, rules: [a], timespan: 30d, condition: {gte: 3}}\n", "30 days at most");
  has("{type: event_count, rules: [a], timespan: 1m}\n", "has no condition");
  has("{type: event_count, rules: [a], timespan: 1m, condition: {lt: 3}}\n", "needs gt, gte or eq");
  has("{type: event_count, rules: [a], timespan: 1m, condition: {gte: x}}\n", "with a number");
  has("{type: event_count, rules: [a], timespan: 1m, condition: a and b}\n", "others are not converted");
  has("{type: value_count, rules: [a], timespan: 1m, condition: {gte: 3}}\n", "needs the field");
  has("{type: event_count, rules: [a], group-by: [Userr], timespan: 1m, condition: {gte: 3}}\n",
      "did you mean \"User\"");
  has("{type: event_count, rules: [a], group-by: ['a\"b'], timespan: 1m, condition: {gte: 3}}\n", "names of fields");
  has("{type: temporal_ordered, rules: [a], timespan: 1m}\n", "two rules or more");
  has("{type: temporal, rules: [a, b], group-by: [w], timespan: 1m, aliases: {w: {a: User}}}\n", "about the rule b");
  has("{type: temporal, rules: [a, b], timespann: 1m}\n", "did you mean \"timespan\"");
}

std::string filtered(const std::string& filter, const std::string& source = "product: linux") {
  Documents documents;
  const auto places =
      documents.add("r.yml", kRules + ("title: F\nid: 8\nlogsource: {" + source + "}\nfilter: " + filter));
  EXPECT_TRUE(places) << places.error().message();
  const auto made = documents.convert(0, {});
  return made ? made->sql.substr(made->sql.find("event_type")) : made.error().message();
}

TEST(Filter, NarrowsDownTheRulesItNames) {
  const std::string plain = "event_type = 'exec' AND executable_path = '/a' COLLATE NOCASE";
  const std::string narrow =
      "event_type = 'exec' AND (executable_path = '/a' COLLATE NOCASE AND NOT ifnull(user_name = "
      "'root' COLLATE NOCASE, 0))";
  EXPECT_EQ(filtered("{rules: [a], s: {User: root}, condition: not s}\n"), narrow);
  EXPECT_EQ(filtered("{rules: any, s: {User: root}, condition: not s}\n"), narrow);
  EXPECT_EQ(filtered("{rules: [b, '1'], s: {User: root}, condition: not s}\n"), narrow);
  EXPECT_EQ(filtered("{rules: [b], s: {User: root}, condition: not s}\n"), plain);
  EXPECT_EQ(filtered("{rules: [a], s: {User: root}, condition: not s}\n", "product: windows"), plain);
  EXPECT_THAT(filtered("{rules: [a], s: {Userr: root}, condition: not s}\n"), HasSubstr("has no field \"Userr\""));
}

TEST(Filter, OneThatNamesNobodyIsSaid) {
  Documents documents;
  const auto places = documents.add(
      "r.yml", kRules + std::string("title: F\nlogsource: {}\nfilter: {rules: [a, z], s: {User: u}, condition: s}\n"));
  ASSERT_TRUE(places);
  EXPECT_EQ(documents.kind_of(3), DocumentKind::Filter);
  const auto applies = documents.applies_to(3);
  ASSERT_FALSE(applies);
  EXPECT_THAT(applies.error().message(), HasSubstr("no rule with the id or name z"));
}

TEST(Documents, ARuleOfACorrelationIsOneOnlyWhenItSaysSo) {
  const auto only_for = [](const char* generate) {
    Documents documents;
    const auto places = documents.add(
        "r.yml", kRules +
                     std::string("title: Whole\nid: 9\ncorrelation: {type: event_count, rules: [a], timespan: 1m, "
                                 "condition: {gte: 3}") +
                     generate + "}\n---\n");
    EXPECT_TRUE(places && places->size() == 4);
    return documents.only_for(0) + "|" + documents.only_for(1);
  };
  EXPECT_EQ(only_for(""), "Whole|");
  EXPECT_EQ(only_for(", generate: true"), "|");
}

}  // namespace
}  // namespace de::sigma
