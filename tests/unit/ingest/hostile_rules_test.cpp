// The hostile statements as rules: refused when their file is read, with its name and a line, or evaluated within
// bounds beside an ordinary rule that misses nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "ingest/detector.h"
#include "mirror/charge.h"
#include "mirror/hostile_statements.h"
#include "mirror/mirror.h"

namespace de::ingest {
namespace {

using hostile::Fate;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint32_t kProcesses = 2'000;
constexpr std::int64_t kBudgetMs = 20;
constexpr mirror::Budget kSmall{kBudgetMs, 32UL << 20, 1'000, 4UL << 20};

std::string id_of(std::size_t number) { return "hostile-" + std::to_string(number); }

class HostileRules : public testing::Test {
 protected:
  HostileRules() {
    char name[] = "/tmp/de-hostile-XXXXXX";
    dir_ = ::mkdtemp(name);
    std::ofstream(dir_ + "/ordinary.yaml") << "id: ordinary\nsql: SELECT pid, name FROM processes WHERE name = 'p7'\n";
  }
  ~HostileRules() override { std::filesystem::remove_all(dir_); }

  std::string path_of(std::size_t number) const { return dir_ + "/" + id_of(number) + ".sql"; }
  void write(std::size_t number, const std::string& sql) const {
    std::ofstream(path_of(number), std::ios::binary) << "-- id: " << id_of(number) << "\n" << sql << "\n";
  }
  void open() {
    DetectorOptions options;
    options.rules_dirs = {dir_};
    options.budget = kSmall;
    detector_ = std::move(*Detector::open(options, system_clock()));
    rules_ = detector_->report()->rules;
  }
  std::string error_of(std::size_t number) const {
    for (const detect::FileError& error : rules_->errors)
      if (error.file == path_of(number)) return error.message;
    return {};
  }

  std::string dir_;
  std::unique_ptr<Detector> detector_;
  std::shared_ptr<const detect::RuleSet> rules_;
};

std::shared_ptr<const mirror::Image> image() {
  auto mirror = std::move(*mirror::Mirror::create());
  EXPECT_TRUE(mirror->begin_scan(1, 1'767'355'200'000));
  for (std::uint32_t pid = 1; pid <= kProcesses; ++pid) {
    pb::ProcessRecord record;
    record.set_pid(pid);
    record.set_ppid(pid / 2);
    record.set_name("p" + std::to_string(pid));
    record.add_command_line(std::string(pid % 1'000 == 0 ? 60'000 : 50, 'a'));
    EXPECT_TRUE(mirror->upsert(record, record.SerializeAsString()));
  }
  return *mirror->finish_scan();
}

TEST_F(HostileRules, AreRefusedWithFileAndLine) {
  const auto& statements = hostile::statements();
  for (std::size_t i = 0; i < statements.size(); ++i) write(i, statements[i].sql);
  open();
  std::size_t refused = 0;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const std::string error = error_of(i);
    const std::string shown = statements[i].kind + ": " + statements[i].sql.substr(0, 300);
    if (statements[i].fate == Fate::Refused) {
      EXPECT_NE(error, "") << shown;
    }
    EXPECT_TRUE(error.empty() || rules_->find(id_of(i)) == nullptr) << shown;
    if (error.empty()) continue;
    ++refused;
    EXPECT_THAT(error, StartsWith(path_of(i) + ":")) << shown;
    // What is no text at all is not looked at as SQL.
    if (statements[i].kind != "odd text" && statements[i].fate == Fate::Refused) {
      EXPECT_THAT(error, HasSubstr(statements[i].why)) << shown;
    }
  }
  EXPECT_NE(rules_->find("ordinary"), nullptr);
  std::cout << statements.size() << " statements, " << refused << " refused when read, " << rules_->rules.size() - 1
            << " loaded" << std::endl;
}

// The first few of each kind that the gate lets through.
TEST_F(HostileRules, RunWithinBoundsBesideAnOrdinaryOne) {
  constexpr int kOfEachKind = 12;
  std::map<std::string, int> written;
  const auto& statements = hostile::statements();
  for (std::size_t i = 0; i < statements.size(); ++i)
    if (statements[i].fate != Fate::Refused && written[statements[i].kind]++ < kOfEachKind) write(i, statements[i].sql);
  open();
  const pb::Completeness whole;
  const std::int64_t begin_ns = mirror::thread_cpu_ns();
  const Round round = detector_->run(image(), whole);
  const std::int64_t cpu_ms = (mirror::thread_cpu_ns() - begin_ns) / 1'000'000;
  EXPECT_GE(round.rules_run, 60U);
  // Twice the budget for each, and ten times that where the machine is slow.
  EXPECT_LE(cpu_ms, static_cast<std::int64_t>(round.rules_run) * 2 * kBudgetMs * 10);
  std::cout << round.rules_run << " rules, " << round.reasons.size() << " of them not evaluated, " << cpu_ms
            << " ms of processor time" << std::endl;
  std::size_t found = 0;
  for (const RaisedAlert& raised : round.alerts)
    if (raised.alert.rule_id() == "ordinary") ++found;
  EXPECT_EQ(found, 1U);
  EXPECT_GE(round.reasons.size(), 40U);
  for (const pb::Reason& reason : round.reasons) EXPECT_THAT(reason.detail(), HasSubstr("hostile-"));
}

TEST_F(HostileRules, DoNotKeepNewEventsFromOthers) {
  const auto& statements = hostile::statements();
  for (std::size_t i = 0; i < statements.size(); ++i)
    if (statements[i].kind == "costly for each process" || statements[i].kind == "edges") write(i, statements[i].sql);
  open();
  const auto collector = std::make_shared<const std::string>("procmond");
  std::vector<NewEvent> events;
  for (std::uint32_t pid = 1; pid <= 20; ++pid) {
    auto event = std::make_shared<pb::ProcessEvent>();
    event->set_event_type(pb::EVENT_TYPE_EXEC);
    event->set_event_time_ms(1'767'355'200'000);
    event->mutable_process()->set_pid(pid);
    event->mutable_process()->set_name("p" + std::to_string(pid));
    event->mutable_process()->add_command_line(std::string(pid % 2 == 0 ? 60'000 : 50, 'a'));
    events.push_back({collector, std::move(event)});
  }
  const std::int64_t begin_ns = mirror::thread_cpu_ns();
  const Round round = detector_->run_events(events, pb::Completeness());
  const std::int64_t cpu_ms = (mirror::thread_cpu_ns() - begin_ns) / 1'000'000;
  EXPECT_GE(round.rules_run, 20U);
  EXPECT_LE(cpu_ms, static_cast<std::int64_t>(round.rules_run) * 2 * kBudgetMs * 10);
  std::size_t found = 0;
  for (const RaisedAlert& raised : round.alerts)
    if (raised.alert.rule_id() == "ordinary") ++found;
  EXPECT_EQ(found, 1U);
}

}  // namespace
}  // namespace de::ingest
