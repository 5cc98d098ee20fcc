#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>

#include "console/replace_file.h"
#include "run_fixture.h"

namespace de::console {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class SetConfig : public Run {
 protected:
  Outcome set(const char* key, const char* value, std::vector<const char*> more = {}) {
    std::vector<const char*> arguments{"config", "set", key, value, "--file", path.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_plain(arguments);
  }
  // With a person at a terminal who types `line`.
  Outcome set_at_terminal(const char* key, const char* value, const std::string& line) {
    const UniqueFd person(::posix_openpt(O_RDWR | O_NOCTTY));
    ::grantpt(person.get());
    ::unlockpt(person.get());
    const UniqueFd terminal(::open(::ptsname(person.get()), O_RDWR | O_NOCTTY));
    EXPECT_EQ(::write(person.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    const UniqueFd out(::open((dir_ + "/out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    const std::vector<const char*> arguments{"config", "set", key, value, "--file", path.c_str()};
    const char* env[] = {nullptr};
    const ExitCode code = run(arguments, env, {terminal.get(), out.get(), terminal.get()}, own_identity());
    // Echo and output come in pieces; what was written is there by now.
    ::fcntl(person.get(), F_SETFL, O_NONBLOCK);
    std::string shown;
    std::array<char, 4096> piece{};
    for (ssize_t got = 1; (got = ::read(person.get(), piece.data(), piece.size())) > 0;)
      shown.append(piece.data(), static_cast<std::size_t>(got));
    return {code, read(dir_ + "/out"), shown};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) out.push_back(entry.path().filename());
    return out;
  }

  const std::string path = dir_ + "/own.yaml";
};

TEST_F(SetConfig, OneKeyChangesAndModeAndOwnerStay) {
  file("own.yaml", "# mine\nquery:\n  max_rows: 5  # few\n");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path.c_str(), 0, 64124), 0);
  }
  const Outcome outcome = set("query.max_rows", "7");
  EXPECT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  EXPECT_EQ(outcome.out, path + ":3:13: query.max_rows was 5 and is 7; it counts after a reload\n");
  EXPECT_EQ(read(path), "# mine\nquery:\n  max_rows: 7  # few\n");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  if (::geteuid() == 0) {
    EXPECT_EQ(status.st_gid, 64124U);
  }
  for (const std::string& name : names()) EXPECT_FALSE(name.starts_with("own.yaml.")) << name << " was left behind";
  EXPECT_THAT(set("query.max_rows", "7").out, HasSubstr("is 7 already; nothing was written"));
  EXPECT_THAT(set("spool.max_mb", "9").out, HasSubstr("it counts after a restart"));
}

TEST_F(SetConfig, WhatIsWrongIsNotWritten) {
  file("own.yaml", "query: {max_rows: 5}\n");
  const Outcome range = set("query.max_rows", "0");
  EXPECT_EQ(range.code, ExitCode::Usage);
  EXPECT_THAT(range.err, HasSubstr("query.max_rows: \"0\" is out of range: 1 to 10000000"));
  const Outcome key = set("query.max_row", "7");
  EXPECT_EQ(key.code, ExitCode::Usage);
  EXPECT_THAT(key.err, HasSubstr("unknown key \"query.max_row\" (did you mean \"query.max_rows\"?)"));
  EXPECT_EQ(read(path), "query: {max_rows: 5}\n");
  file("own.yaml", "query: {max_rows: 5}\nlgo: {}\n");
  const Outcome broken = set("query.max_rows", "7");
  EXPECT_EQ(broken.code, ExitCode::Usage);
  EXPECT_THAT(broken.err, HasSubstr(path + ":2:1: unknown key \"lgo\""));
  EXPECT_EQ(read(path), "query: {max_rows: 5}\nlgo: {}\n");
  file("own.yaml", "rules:\n  dirs:\n    - /a\n");
  const Outcome list = set("rules.dirs", "/c", {"--yes"});
  EXPECT_EQ(list.code, ExitCode::Usage);
  EXPECT_THAT(list.err, HasSubstr("write by hand:  dirs: [\"/c\"]  below  rules:"));
}

TEST_F(SetConfig, WhatProtectsLessTakesYesWithoutATerminal) {
  file("own.yaml", "control: {read_only: true}\n");
  const Outcome refused = set("control.read_only", "false");
  EXPECT_EQ(refused.code, ExitCode::Usage);
  EXPECT_THAT(refused.err, HasSubstr("control.read_only: from true to false protects less. Members of control.admins"));
  EXPECT_THAT(refused.err, HasSubstr("--yes"));
  EXPECT_EQ(read(path), "control: {read_only: true}\n");
  EXPECT_EQ(set("control.read_only", "false", {"--yes"}).code, ExitCode::Complete);
  EXPECT_EQ(read(path), "control: {read_only: false}\n");
  EXPECT_EQ(set("control.read_only", "true").code, ExitCode::Complete) << "what protects more is not asked about";
  EXPECT_EQ(set("collect.unmasked_arguments", "true").code, ExitCode::Usage);
  EXPECT_EQ(set("collect.environment", "yes").code, ExitCode::Usage);
  EXPECT_EQ(set("database.retention_days", "1").code, ExitCode::Usage);
}

TEST_F(SetConfig, APersonIsAsked) {
  file("own.yaml", "");
  for (const char* no : {"\n", "no\n", "y\n", "yes please\n"}) {
    const Outcome refused = set_at_terminal("collect.environment", "true", no);
    EXPECT_EQ(refused.code, ExitCode::Failed) << no;
    EXPECT_THAT(refused.err, HasSubstr("Environments hold secrets"));
    EXPECT_THAT(refused.err, HasSubstr("Type yes to set it all the same:"));
    EXPECT_EQ(read(path), "") << no;
  }
  const Outcome agreed = set_at_terminal("collect.environment", "true", "yes\n");
  EXPECT_EQ(agreed.code, ExitCode::Complete) << agreed.err;
  EXPECT_EQ(read(path), "collect:\n  environment: true\n");
}

TEST_F(SetConfig, ALinkStaysALink) {
  file("real.yaml", "query.max_rows: 5\n");
  std::filesystem::create_symlink("real.yaml", path);
  EXPECT_EQ(set("query.max_rows", "7").code, ExitCode::Complete);
  EXPECT_TRUE(std::filesystem::is_symlink(path));
  EXPECT_EQ(read(dir_ + "/real.yaml"), "query.max_rows: 7\n");
}

// As somebody who is not root: root's file would be the system's.
TEST_F(SetConfig, WithoutAFileItIsOnesOwn) {
  const std::string home = "XDG_CONFIG_HOME=" + dir_ + "/home";
  std::filesystem::create_directory(dir_ + "/home");
  ASSERT_EQ(::chmod(dir_.c_str(), 0777), 0);
  ASSERT_EQ(::chmod((dir_ + "/home").c_str(), 0777), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setgid(64123) + ::setuid(64123) != 0) ::_exit(99);
    const Outcome outcome = run_in({"config", "set", "cli.output", "json"}, {home.c_str(), nullptr});
    const bool told = outcome.out.find("it counts after the next command") != outcome.out.npos;
    ::_exit(outcome.code == ExitCode::Complete && told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read(dir_ + "/home/daemoneye/config.yaml"), "cli:\n  output: json\n");
  struct stat facts {};
  ASSERT_EQ(::stat((dir_ + "/home/daemoneye/config.yaml").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777U, 0600U);
}

TEST_F(SetConfig, AFileThatChangedMeanwhileIsLeftAlone) {
  file("own.yaml", "new: text\n");
  const auto replaced = replace_file(path, "mine", "old: text\n", 0600);
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code(), Errc::Conflict);
  EXPECT_EQ(read(path), "new: text\n");
  EXPECT_FALSE(replace_file(path, "mine", "", 0600)) << "it appeared meanwhile";
  EXPECT_TRUE(replace_file(path, "mine", "new: text\n", 0600));
  EXPECT_EQ(replace_file(dir_ + "/no/such.yaml", "mine", "", 0600).error().code(), Errc::NotFound);
}

}  // namespace
}  // namespace de::console
