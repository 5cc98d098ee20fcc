// `rules backtest --events`: rules tried on recordings, through the agent's own socket, rules and alerts.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "daemoneye/broker.pb.h"
#include "daemons.h"
#include "hostile_peer.h"
#include "json_row.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace json = google::protobuf;

const std::string kCorpora = std::string(DE_SOURCE_DIR) + "/../shared/corpora/";
using Lines = std::map<std::string, std::set<std::size_t>>;  // By rule.

Ran cli(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program("daemoneye-cli"));
  return run(arguments);
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) out.push_back(line);
  return out;
}

json::Struct parse(const std::string& line) {
  json::Struct out;
  const auto parsed = json::util::JsonStringToMessage(line, &out);
  EXPECT_TRUE(parsed.ok()) << line;
  return out;
}

std::string text_of(const json::Struct& object, const std::string& name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? "" : found->second.string_value();
}

std::string print(const json::Value& value) {
  std::string out;
  EXPECT_TRUE(json::util::MessageToJsonString(value, &out).ok());
  return out;
}

// Where each rule of the directory matched.
Lines replay(const std::string& rules, const std::string& events) {
  const Ran ran = cli({"--output", "jsonl", "rules", "backtest", rules, "--events", events, "--each"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  Lines out;
  std::istringstream rows(ran.out);
  for (std::string line; std::getline(rows, line);) {
    const JsonRow row = parse_json_row(line);
    if (row.contains("rule") && row.contains("line")) out[row.at("rule")].insert(std::stoul(row.at("line")));
  }
  return out;
}

bool import(const std::string& from, const std::string& into, const std::vector<std::string>& more = {}) {
  fs::create_directories(into);
  std::vector<std::string> arguments = {"rules", "import", "--sigma", from, "--into", into};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ran ran = cli(arguments);
  EXPECT_TRUE(ran.exit_code == 0 || ran.exit_code == 3) << ran.err;
  return fs::directory_iterator(into) != fs::directory_iterator();
}

class ReplayTruth : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kCorpora + "truth")) GTEST_SKIP() << "there are no corpora beside the repository";
    ASSERT_TRUE(import(kCorpora + "sigma/rules", dir_ / "rules"));
  }

  test::TempDir dir_;
};

// Published rules over recorded events, as others say that they match.
TEST_F(ReplayTruth, PublishedRulesMatchWhatTheyShould) {
  std::map<std::string, std::vector<json::Struct>> by_file;
  for (const std::string& line : lines_of(kCorpora + "truth/matches.jsonl")) {
    json::Struct one = parse(line);
    if (fs::exists(dir_ / ("rules/sigma-" + text_of(one, "id") + ".yaml")))
      by_file[text_of(one, "events")].push_back(one);
  }
  std::size_t compared = 0;
  for (const auto& [file, wanted] : by_file) {
    std::vector<double> ids;
    for (const std::string& line : lines_of(kCorpora + "events/" + file))
      ids.push_back(parse(line).fields().at("_id").number_value());
    Lines found = replay(dir_ / "rules", kCorpora + "events/" + file);
    for (const json::Struct& one : wanted) {
      std::set<double> expected, matched;
      for (const json::Value& id : one.fields().at("match").list_value().values()) expected.insert(id.number_value());
      for (const std::size_t line : found["sigma-" + text_of(one, "id")]) matched.insert(ids.at(line - 1));
      EXPECT_EQ(matched, expected) << text_of(one, "rule") << " over " << file;
      ++compared;
    }
  }
  EXPECT_GE(compared, 323U);
  std::printf("%zu pairs of a rule and a recording agree\n", compared);
}

TEST_F(ReplayTruth, NearMissesAreTold) {
  std::string events;
  std::vector<json::Struct> vectors;
  for (const std::string& line : lines_of(kCorpora + "truth/generated_vectors.jsonl")) {
    vectors.push_back(parse(line));
    events += print(vectors.back().fields().at("event")) + "\n";
  }
  Lines found = replay(dir_ / "rules", dir_.write("events.jsonl", events));
  std::size_t compared = 0;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const std::string rule = "sigma-" + text_of(vectors[i], "id");
    if (!fs::exists(dir_ / ("rules/" + rule + ".yaml"))) continue;
    EXPECT_EQ(found[rule].contains(i + 1), text_of(vectors[i], "kind").starts_with("positive"))
        << text_of(vectors[i], "rule") << " " << text_of(vectors[i], "kind") << text_of(vectors[i], "changed");
    ++compared;
  }
  EXPECT_GE(compared, 635U);
  std::printf("%zu vectors agree\n", compared);
}

// One point of Sigma's specification each. Fields of tables that are not served stand for others of their kind.
TEST_F(ReplayTruth, TheSpecificationIsKeptPointByPoint) {
  const std::map<std::string, std::string> instead = {
      {"TargetFilename", "CurrentDirectory"}, {"DestinationIp", "User"}, {"DestinationPort", "LogonId"}};
  std::string events, placeholders = "{}";
  std::vector<std::pair<std::string, bool>> wanted;
  std::vector<std::string> names;
  for (std::string line : lines_of(kCorpora + "sigma/semantics_vectors.jsonl")) {
    for (const auto& [field, other] : instead)
      for (std::size_t at; (at = line.find(field)) != line.npos;) line.replace(at, field.size(), other);
    const json::Struct one = parse(line);
    const std::string id = std::to_string(10'000'000 + names.size()) + "-0000-4000-8000-000000000000";
    std::string detection = text_of(one, "detection");
    for (std::size_t at = 0; (at = detection.find('\n', at)) != detection.npos; at += 5)
      detection.insert(at + 1, "    ");
    dir_.write("vectors/" + id + ".yml", "title: T\nid: " + id +
                                             "\nauthor: Ann\nlevel: high\nlogsource: {product: linux, category: "
                                             "process_creation}\ndetection:\n    " +
                                             detection + "\n");
    if (one.fields().at("placeholders").has_struct_value()) placeholders = print(one.fields().at("placeholders"));
    names.push_back(text_of(one, "name"));
    for (const json::Value& event : one.fields().at("events").list_value().values()) {
      events += print(event.struct_value().fields().at("event")) + "\n";
      wanted.emplace_back("sigma-" + id, event.struct_value().fields().at("match").bool_value());
    }
  }
  ASSERT_TRUE(
      import(dir_ / "vectors", dir_ / "converted", {"--placeholders", dir_.write("placeholders.yaml", placeholders)}));
  Lines found = replay(dir_ / "converted", dir_.write("events.jsonl", events));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(found[wanted[i].first].contains(i + 1), wanted[i].second)
        << "event " << i + 1 << " of " << wanted[i].first;
  EXPECT_GE(wanted.size(), 141U);
  std::printf("%zu events of %zu points agree\n", wanted.size(), names.size());
}

constexpr const char* kRule =
    "id: curl-runs\nname: Curl\ndescription: d\nseverity: low\ncategory: c\ndedup: {keys: [name], seconds: 3600}\n"
    "sql: SELECT pid, name, command_line, ancestry FROM processes.events WHERE name = 'curl' AND event_type = 'exec'\n";
constexpr const char* kSnapshotRule =
    "id: many\nname: Many\ndescription: d\nseverity: low\ncategory: c\nsql: SELECT count(*) AS n FROM processes\n";

constexpr const char* kOffRule =
    "id: off\nname: Off\ndescription: d\nseverity: low\ncategory: c\nenabled: false\nsql: SELECT pid FROM "
    "processes.events WHERE name = 'curl'\n";

// A place for temporary directories of this test alone, which root's agent can enter as another user.
class OwnPlace {
 public:
  OwnPlace() {
    EXPECT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    ::setenv("TMPDIR", dir_.path().c_str(), 1);
  }
  ~OwnPlace() { ::unsetenv("TMPDIR"); }
  OwnPlace(const OwnPlace&) = delete;
  OwnPlace& operator=(const OwnPlace&) = delete;

  bool is_empty() const { return fs::is_empty(dir_.path()); }

 private:
  test::TempDir dir_;
};

// More events than wait for rules at a time, and a rule that would fold its matches elsewhere.
TEST(Replay, EveryMatchOfALongRecordingIsKnown) {
  test::TempDir dir;
  dir.write("rules/curl.yaml", kRule);
  std::string events;
  constexpr int kEvents = 30'000;
  for (int i = 1; i <= kEvents; ++i)
    events += R"({"pid":)" + std::to_string(i) + R"(,"name":")" + (i % 100 == 0 ? "curl" : "ls") + "\"}\n";
  const OwnPlace place;
  const Lines found = replay(dir / "rules", dir.write("events.jsonl", events));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.at("curl-runs").size(), kEvents / 100U);
  EXPECT_EQ(*found.at("curl-runs").begin(), 100U);
  EXPECT_TRUE(place.is_empty()) << "nothing is left";
}

// Rules that are slower than the store is; every event matches.
TEST(Replay, SlowRulesAreWaitedFor) {
  test::TempDir dir;
  dir.write("rules/all.yaml",
            "id: all\nname: n\ndescription: d\nseverity: low\ncategory: c\nsql: SELECT pid FROM processes.events WHERE "
            "length(replace(replace(replace(replace(command_line,'a','bb'),'b','aa'),'a','bb'),'b','aa')) > 0\n");
  std::string events;
  constexpr int kEvents = 1'500;
  for (int i = 1; i <= kEvents; ++i) events += R"({"pid":1,"command_line":")" + std::string(2'000, 'a') + "\"}\n";
  const Lines found = replay(dir / "rules", dir.write("events.jsonl", events));
  ASSERT_TRUE(found.contains("all"));
  EXPECT_EQ(found.at("all").size(), kEvents);
}

TEST(Replay, WhatCannotBeTriedIsNotANumber) {
  test::TempDir dir;
  dir.write("rules/curl.yaml", kRule);
  dir.write("rules/many.yaml", kSnapshotRule);
  dir.write("rules/off.yaml", std::string(kOffRule));
  const std::string events = dir.write("events.jsonl", "{\"Image\":\"/usr/bin/curl\"}\n");
  const Ran ran = cli({"rules", "backtest", dir / "rules", "--events", events});
  EXPECT_EQ(ran.exit_code, 3) << ran.err;
  EXPECT_TRUE(contains(ran.out, "not tried: it runs over snapshots, and a recording has none")) << ran.out;
  EXPECT_TRUE(contains(ran.err, "1 events, 3 rules, 1 matches; 2 rules were not tried on all of them")) << ran.err;
  EXPECT_TRUE(contains(ran.out, "not tried: it is not enabled")) << ran.out;
}

// More than a person looks at, but all of a minute of it at once.
TEST(Replay, RulesThatLookBackAreAskedAsOfThen) {
  test::TempDir dir;
  dir.write("sigma/many.yml",
            "title: A\nname: a\nid: 1\nauthor: Ann\nlogsource: {product: linux, category: process_creation}\n"
            "detection: {s: {Image|endswith: /ssh}, condition: s}\n---\ntitle: Many\nid: 2\nauthor: Ann\ncorrelation: "
            "{type: event_count, rules: [a], group-by: [User], timespan: 1m, condition: {gte: 3}}\n");
  ASSERT_TRUE(import(dir / "sigma", dir / "rules"));
  EXPECT_FALSE(fs::exists(dir / "rules/sigma-1.yaml")) << "part of the other";
  const auto count = [&](const std::string& third) {
    const std::string events =
        dir.write("events.jsonl",
                  "{\"UtcTime\":\"2026-01-02 03:00:00\",\"Image\":\"/bin/ssh\",\"User\":\"u\"}\n\n"
                  "{\"UtcTime\":\"2026-01-02 03:00:10\",\"Image\":\"/bin/ssh\",\"User\":\"u\"}\n"
                  "{\"UtcTime\":\"" +
                      third +
                      "\",\"Image\":\"/bin/ssh\",\"User\":\"u\"}\n"
                      "{\"UtcTime\":\"2026-01-02 04:00:10\",\"Image\":\"/bin/ls\",\"User\":\"u\"}\n");
    const Ran ran = cli({"--output", "csv", "rules", "backtest", dir / "rules", "--events", events});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran.out;
  };
  EXPECT_TRUE(contains(count("2026-01-02 03:01:00"), "sigma-2,1,")) << count("2026-01-02 03:01:00");
  EXPECT_TRUE(contains(count("2026-01-02 03:01:01"), "sigma-2,0,")) << count("2026-01-02 03:01:01");
}

TEST(Replay, LinesAreThoseOfTheFile) {
  test::TempDir dir;
  const std::string rule = dir.write("curl.yaml", kRule);
  const std::string events = dir.write("events.jsonl", "\n{\"name\":\"ls\"}\n\n{\"name\":\"curl\"}\n");
  EXPECT_EQ(replay(rule, events), (Lines{{"curl-runs", {4}}}));
}

TEST(Replay, ARuleThatFailsIsNotOneThatFoundNothing) {
  test::TempDir dir;
  const std::string rule = dir.write("broken.yaml",
                                     "id: broken\nname: n\ndescription: d\nseverity: low\ncategory: c\nsql: SELECT pid "
                                     "FROM processes.events WHERE json_extract(name, '$.a') = 1\n");
  const std::string events = dir.write("events.jsonl", "{\"name\":\"no JSON\"}\n");
  const Ran ran = cli({"rules", "backtest", rule, "--events", events});
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  EXPECT_TRUE(contains(ran.out, "1 of its runs failed")) << ran.out << ran.err;
}

TEST(Replay, MistakesAreNamed) {
  test::TempDir dir;
  const std::string rule = dir.write("curl.yaml", kRule);
  const std::string events = dir.write("events.jsonl", "{\"name\":\"curl\"}\n");
  const OwnPlace place;
  Ran ran = cli({"rules", "backtest", rule, "--events", dir.write("odd.jsonl", "{}\n{\"nmae\":\"x\"}\n")});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "odd.jsonl:2: field nmae: no column")) << ran.err;
  ran = cli({"rules", "backtest", dir.write("broken.yaml", "id: [\n"), "--events", events});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "broken.yaml:")) << ran.err;
  ran = cli({"rules", "backtest", dir.write("empty.yaml", "\n"), "--events", events});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "there is no rule in what was named")) << ran.err;
  ran = cli({"rules", "backtest", dir.write("rules.txt", kRule), "--events", events});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "rules.txt is no rule file by its name: .yaml, .yml or .sql")) << ran.err;
  ran = cli({"rules", "backtest", "curl-runs", "--events", events});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "curl-runs is neither a rule file nor a directory")) << ran.err;
  ran = cli({"rules", "backtest", rule, "--events", dir / "none.jsonl"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(contains(ran.err, "none.jsonl: No such file")) << ran.err;
  ran = cli({"rules", "backtest", rule, "--events", events, "--since", "1h"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(place.is_empty());
}

// What `query` printed can be replayed.
TEST(Replay, OfWhatThisHostStored) {
  test::TempDir dir;
  Host host;
  host.start_agent();
  host.start_procmond();
  ASSERT_TRUE(host.is_steady()) << host.log("agent") << host.log("procmond");
  const auto stored = [&] {
    (void)run({"/bin/sh", "-c", "exit 0", "replay-of-us"});
    const Ran ran = host.cli({"--output", "jsonl", "query",
                              "SELECT * FROM processes.events WHERE instr(command_line, 'replay-of-us') LIMIT 20"});
    dir.write("events.jsonl", ran.out);
    return contains(ran.out, "replay-of-us");
  };
  if (!eventually(stored, 20s)) GTEST_SKIP() << "programs are not seen when they start here";
  const std::string rule = dir.write(
      "r.yaml",
      "id: ours\nname: n\ndescription: d\nseverity: low\ncategory: c\nsql: SELECT pid, process_uid FROM "
      "processes WHERE command_line LIKE '%replay-of-us%' AND argv LIKE '%\"exit 0\"%' AND start_time_ms > 0\n");
  const Lines found = replay(rule, dir / "events.jsonl");
  ASSERT_TRUE(found.contains("ours"));
  EXPECT_GE(found.at("ours").size(), 1U);
}

TEST(Replay, OnlyOneKindOfAgentTakesRecordings) {
  Ran ran = run({program("daemoneye-agent"), "--replay"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_TRUE(contains(ran.err, "--replay needs a directory of its own: --state-dir DIR")) << ran.err;
  // procmond is no recording, and is told so.
  Host host;
  host.start_agent({"--replay"});
  host.start_procmond();
  EXPECT_TRUE(eventually([&] { return contains(host.log("procmond"), "started with --replay"); })) << host.log("agent");
  EXPECT_FALSE(fs::exists(host.dir() + "/alerts.jsonl")) << "no sink";
  // And the other way round.
  Host ordinary;
  ordinary.start_agent();
  ASSERT_TRUE(eventually(
      [&] { return ordinary.cli({"version"}).exit_code == 0 && fs::exists(ordinary.dir() + "/broker.sock"); }));
  pb::Envelope greeting;
  greeting.mutable_hello()->set_protocol_major(1);
  greeting.mutable_hello()->set_collector_id("replay");
  greeting.mutable_hello()->set_collector_type("replay");
  greeting.mutable_hello()->set_spool_id("s");
  const Deadline end = deadline_in(10s);
  Wire wire = Wire::dial_until(ordinary.dir() + "/broker.sock", end);
  ASSERT_TRUE(wire.send(frame_of(greeting), end));
  const auto answer = wire.receive(end);
  ASSERT_TRUE(answer);
  pb::Envelope refusal;
  ASSERT_TRUE(refusal.ParseFromString(*answer));
  EXPECT_TRUE(contains(refusal.refusal().reason(), "started with --replay")) << refusal.DebugString();
}

}  // namespace
}  // namespace de::system_test
