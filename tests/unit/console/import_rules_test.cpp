// Rules of others, from files that may be wrong, into a directory that may not be there.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>

#include "run_fixture.h"

namespace de::console {
namespace {

using testing::HasSubstr;
using testing::Not;

class ImportRules : public Run {
 protected:
  std::string sigma(const std::string& name, const std::string& id, const std::string& detection,
                    const std::string& category = "process_creation") {
    std::filesystem::create_directories(dir_ + "/sigma/sub");
    return file("sigma/" + name, "title: T\nid: " + id + "\nauthor: Ann\nlogsource: {product: linux, category: " +
                                     category + "}\ndetection:\n  sel: {" + detection + "}\n  condition: sel\n");
  }
  Outcome import(std::vector<const char*> more = {}) {
    paths_ = dir_ + "/sigma";
    std::vector<const char*> all{"--output", "csv", "rules", "import", "--sigma", paths_.c_str()};
    all.insert(all.end(), more.begin(), more.end());
    return run_with(all);
  }
  std::string into() {
    std::filesystem::create_directory(dir_ + "/rules.d");
    return dir_ + "/rules.d";
  }
  std::string paths_;
};

TEST_F(ImportRules, SaysOfEachFileWhatBecameOfIt) {
  sigma("sub/a.yml", "one", "Image: /bin/nc");
  sigma("b.yml", "two", "DestinationPort: 4444", "network_connection");
  sigma("c.yaml", "three", "Imagge: /bin/nc");
  sigma("d.yml", "one", "Image: /bin/nc");
  file("sigma/e.txt", "no rule");
  const std::string target = into();
  const Outcome done = import({"--into", target.c_str(), "--source", "https://rules.example/"});
  EXPECT_EQ(done.code, ExitCode::Degraded) << "one of them will detect nothing";
  EXPECT_THAT(done.out, HasSubstr("sub/a.yml,"));
  EXPECT_THAT(done.out, HasSubstr("b.yml,waits,sigma-two,for a collector that tells the table network.connections"));
  EXPECT_THAT(done.out, HasSubstr("c.yaml,refused,"));
  EXPECT_THAT(done.out, HasSubstr("/sigma/c.yaml:6:9: process_creation has no field"));
  EXPECT_THAT(done.out, HasSubstr("another of these files has the same id"));
  EXPECT_THAT(done.out, Not(HasSubstr("e.txt")));
  EXPECT_THAT(done.err,
              HasSubstr("1 converted into " + target + ", 1 wait for a collector that tells their table, 2 refused"));
  const std::string rule = read(target + "/sigma-one.yaml");
  EXPECT_THAT(rule, HasSubstr("author: \"Ann\""));
  EXPECT_THAT(rule, HasSubstr("source: \"https://rules.example/"));
  EXPECT_FALSE(std::filesystem::exists(target + "/sigma-two.yaml"));
}

// They name each other across files, whichever is read first.
TEST_F(ImportRules, CorrelationsAndFiltersAreAboutOtherFiles) {
  sigma("z.yml", "one", "Image: /bin/nc");
  sigma("y.yml", "two", "Image: /bin/nc");
  file("sigma/a.yml",
       "title: Many\nid: three\nauthor: Ann\ncorrelation: {type: event_count, rules: [one], timespan: 1m, condition: "
       "{gte: 3}}\n---\ntitle: F\nfilter: {rules: [one, two], s: {User: root}, condition: not s}\n");
  file("sigma/b.yml",
       "title: Not\nid: four\ncorrelation: {type: event_count, rules: [none], timespan: 1m, condition: "
       "{gte: 3}}\n---\ntitle: G\nfilter: {rules: [none], s: {User: root}, condition: not s}\n");
  const std::string target = into();
  const Outcome done = import({"--into", target.c_str()});
  EXPECT_EQ(done.code, ExitCode::Degraded);
  EXPECT_THAT(done.out, HasSubstr("a.yml,converted,sigma-three,"));
  EXPECT_THAT(done.out, HasSubstr("a.yml,filter,\"\",narrows down 2 rules"));
  EXPECT_THAT(done.out, HasSubstr("z.yml,part,sigma-one,"));
  EXPECT_THAT(done.out, HasSubstr("y.yml,converted,sigma-two,"));
  EXPECT_THAT(done.out, HasSubstr("no rule with the id or name none is among these files"));
  EXPECT_THAT(done.err,
              HasSubstr("2 converted into " + target + ", 0 wait for a collector that tells their table, 2 refused"));
  EXPECT_THAT(read(target + "/sigma-three.yaml"), HasSubstr("'root'"));
  EXPECT_THAT(read(target + "/sigma-two.yaml"), HasSubstr("'root'"));
  EXPECT_FALSE(std::filesystem::exists(target + "/sigma-one.yaml"));
}

TEST_F(ImportRules, WritesNothingUnlessToldWhere) {
  sigma("a.yml", "one", "Image: /bin/nc");
  const Outcome looked = import();
  EXPECT_EQ(looked.code, ExitCode::Complete) << looked.err;
  EXPECT_THAT(looked.err, HasSubstr("nothing is written without --into DIR"));
  const Outcome nowhere = import({"--into", "/nowhere/rules.d"});
  EXPECT_EQ(nowhere.code, ExitCode::Usage);
  EXPECT_THAT(nowhere.err, HasSubstr("/nowhere/rules.d is not a directory"));
}

TEST_F(ImportRules, WhatIsImportedAgainIsReplaced) {
  const std::string target = into();
  sigma("a.yml", "one", "Image: /bin/nc");
  EXPECT_EQ(import({"--into", target.c_str()}).code, ExitCode::Complete);
  const auto first = std::filesystem::last_write_time(target + "/sigma-one.yaml");
  EXPECT_EQ(import({"--into", target.c_str()}).code, ExitCode::Complete);
  EXPECT_EQ(std::filesystem::last_write_time(target + "/sigma-one.yaml"), first) << "what is the same is left alone";
  sigma("a.yml", "one", "Image: /bin/ncat");
  EXPECT_EQ(import({"--into", target.c_str()}).code, ExitCode::Complete);
  EXPECT_THAT(read(target + "/sigma-one.yaml"), HasSubstr("/bin/ncat"));
}

TEST_F(ImportRules, PlaceholdersComeFromAFile) {
  sigma("a.yml", "one", "User|expand: '%admins%'");
  EXPECT_EQ(import().code, ExitCode::Degraded);
  const std::string values = file("values.yaml", "admins: [alice]\n");
  EXPECT_EQ(import({"--placeholders", values.c_str()}).code, ExitCode::Complete);
  const std::string wrong = file("wrong.yaml", "admins: alice\n");
  const Outcome refused = import({"--placeholders", wrong.c_str()});
  EXPECT_EQ(refused.code, ExitCode::Usage);
  EXPECT_THAT(refused.err, HasSubstr("wrong.yaml:1:9: expected a list of values for admins"));
  file("wrong.yaml", "admins: [[alice]]\n");
  EXPECT_THAT(import({"--placeholders", wrong.c_str()}).err, HasSubstr("a value of admins must be text"));
}

TEST_F(ImportRules, AFileThatCannotBeWrittenIsNamed) {
  const std::string target = into();
  sigma("a.yml", "one", "Image: /bin/nc");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{300, before.rlim_max};  // As a full disk: the rule is longer, what is said of it is not.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Outcome done = import({"--into", target.c_str()});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  EXPECT_EQ(done.code, ExitCode::Failed);
  EXPECT_THAT(done.err, HasSubstr(target + "/sigma-one.yaml: "));
  EXPECT_THAT(done.err, HasSubstr("File too large"));
  EXPECT_TRUE(std::filesystem::is_empty(target)) << "nothing half written stays";
}

TEST_F(ImportRules, AFileThatIsNotThereIsRefused) {
  const Outcome done = run_with({"--output", "csv", "rules", "import", "--sigma", "/nowhere/a.yml"});
  EXPECT_EQ(done.code, ExitCode::Degraded);
  EXPECT_THAT(done.out, HasSubstr("/nowhere/a.yml"));
}

}  // namespace
}  // namespace de::console
