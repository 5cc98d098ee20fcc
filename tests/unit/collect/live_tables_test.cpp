// Rows that are read when somebody asks: of real processes, within bounds, and of nobody who is gone.
#include "collect/live_tables.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "collect/tasks.h"
#include "daemoneye/schema/process_columns.h"
#include "own_source.h"
#include "silent_files.h"

namespace de::collect {
namespace {

using namespace test;
using testing::HasSubstr;

pb::DetectionTask live_task(const char* table, std::initializer_list<std::int64_t> pids) {
  pb::DetectionTask out;
  out.set_task_id("l-1");
  out.set_task_type(pb::READ_LIVE);
  out.mutable_live_read()->set_table(table);
  for (const std::int64_t pid : pids) out.mutable_live_read()->add_keys()->set_int_value(pid);
  return out;
}

pb::DetectionResult read_now(const pb::DetectionTask& task, ProcessSource& source, bool environments = true) {
  pb::DetectionResult result = run_task(task, source, nullptr, environments);
  EXPECT_EQ(result.task_id(), "l-1");
  if (!result.success()) {
    EXPECT_EQ(result.rows_size(), 0);
  }
  const int columns = task.live_read().table() == "processes.command_lines" ? 3 : 4;
  for (const pb::TableRow& row : result.rows()) EXPECT_EQ(row.cells_size(), columns);
  return result;
}

OwnSource environment_source() {
  SourceOptions options;
  options.collect_environment = true;
  return real_source(options);
}

// By the third column; of one process.
std::map<std::string, std::string> by_key(const pb::DetectionResult& result) {
  std::map<std::string, std::string> out;
  for (const pb::TableRow& row : result.rows()) {
    const pb::Literal& key = row.cells(2);
    const pb::Literal& value = row.cells(3);
    out[key.has_int_value() ? std::to_string(key.int_value()) : key.string_value()] =
        value.has_string_value() ? value.string_value() : "NULL";
  }
  return out;
}

TEST(LiveFiles, AreThoseThatTheProcessHasOpen) {
  TempDir dir;
  const std::string kept = dir.write("kept \n name", "x"), gone = dir.write("gone", "x");
  const Child child([&] {
    (void)!::dup2(::open(kept.c_str(), O_RDONLY), 100);
    (void)!::dup2(::open(gone.c_str(), O_RDWR), 101);
    (void)!::dup2(::socket(AF_UNIX, SOCK_STREAM, 0), 102);
    (void)!::unlink(gone.c_str());
  });
  const OwnSource source = real_source();
  const pb::DetectionResult result = read_now(live_task("processes.open_files", {child.pid()}), *source);
  ASSERT_TRUE(result.success()) << result.error_message();
  EXPECT_FALSE(result.has_error_message());
  const auto files = by_key(result);
  EXPECT_EQ(files.at("100"), kept);
  EXPECT_EQ(files.at("101"), gone + " (deleted)");
  EXPECT_THAT(files.at("102"), HasSubstr("socket:["));
  const std::string uid = schema::uid_text(look(*source, child.pid()).process_uid());
  for (const pb::TableRow& row : result.rows()) {
    EXPECT_EQ(row.cells(0).int_value(), child.pid());
    EXPECT_EQ(row.cells(1).string_value(), uid);
  }
}

TEST(LiveFiles, OfTheProcessesThatAreAskedForAndThere) {
  const Child one([] {}), two([] {});
  std::uint32_t gone = 0, thread = 0;
  {
    const Child short_lived([] {});
    gone = short_lived.pid();
  }
  std::thread([&] {
    thread = static_cast<std::uint32_t>(::gettid());
    const OwnSource source = real_source();
    const pb::DetectionResult result = read_now(
        live_task("processes.open_files", {two.pid(), gone, one.pid(), thread, two.pid(), 0, -1, INT64_MAX, 1LL << 32}),
        *source);
    ASSERT_TRUE(result.success()) << result.error_message();
    std::map<std::int64_t, int> rows;
    for (const pb::TableRow& row : result.rows()) ++rows[row.cells(0).int_value()];
    EXPECT_EQ(rows.size(), 2u);
    EXPECT_GE(rows[one.pid()], 3);
    EXPECT_EQ(rows[one.pid()], rows[two.pid()]) << "each once";
    // What no process can have is not what everybody has.
    const pb::DetectionResult none = read_now(live_task("processes.open_files", {0, -1, 1LL << 40}), *source);
    EXPECT_TRUE(none.success());
    EXPECT_EQ(none.rows_size(), 0);
  }).join();
}

TEST(LiveFiles, AtMostFourThousandOfOneProcess) {
  const Child hoarder([] {
    const rlimit many{10'000, 10'000};
    ::setrlimit(RLIMIT_NOFILE, &many);
    for (int i = 0; i < 5'000; ++i) (void)!::open("/dev/null", O_RDONLY);
  });
  const OwnSource source = real_source();
  const pb::DetectionResult result = read_now(live_task("processes.open_files", {hoarder.pid()}), *source);
  ASSERT_TRUE(result.success());
  EXPECT_EQ(result.rows_size(), 4096);
  EXPECT_EQ(result.error_message(), "pid " + std::to_string(hoarder.pid()) + " has more than is told");
}

TEST(LiveFiles, WhatIsAskedForWronglyIsRefusedWithTheReason) {
  const OwnSource source = real_source();
  const auto why = [&](const pb::DetectionTask& task) {
    const pb::DetectionResult result = read_now(task, *source, false);
    EXPECT_FALSE(result.success());
    return result.error_message();
  };
  EXPECT_THAT(why(live_task("processes", {1})), HasSubstr("'processes'"));
  EXPECT_THAT(why(live_task("processes.environments", {1})), HasSubstr("collect.environment"));
  EXPECT_THAT(why(live_task("processes.open_files", {})), HasSubstr("1 to 64"));
  pb::DetectionTask task = live_task("processes.open_files", {});
  for (int pid = 1; pid <= 65; ++pid) task.mutable_live_read()->add_keys()->set_int_value(pid);
  EXPECT_THAT(why(task), HasSubstr("1 to 64"));
  task = live_task("processes.open_files", {1});
  task.mutable_live_read()->add_keys()->set_string_value("1");
  EXPECT_THAT(why(task), HasSubstr("integer"));
  task.mutable_live_read()->mutable_keys(1)->clear_value();
  EXPECT_THAT(why(task), HasSubstr("integer"));
  task.clear_live_read();
  EXPECT_THAT(why(task), HasSubstr("live_read"));
}

Child with_environment(std::vector<std::string> entries) {
  return Child([entries = std::move(entries)]() mutable {
    char sleep[] = "/bin/sleep", time[] = "1000";
    char* argv[] = {sleep, time, nullptr};
    std::vector<char*> envp;
    for (std::string& entry : entries) envp.push_back(entry.data());
    envp.push_back(nullptr);
    ::execve(sleep, argv, envp.data());
  });
}

TEST(LiveEnvironments, AreMaskedAndDivided) {
  const Child child = with_environment({"COLOR=blue", "API_TOKEN=abc", "EMPTY=", "SUM=a=b", "nothing", "=x"});
  const OwnSource source = environment_source();
  const pb::DetectionResult result = read_now(live_task("processes.environments", {child.pid()}), *source);
  ASSERT_TRUE(result.success()) << result.error_message();
  EXPECT_FALSE(result.has_error_message());
  EXPECT_EQ(by_key(result), (std::map<std::string, std::string>{{"COLOR", "blue"},
                                                                {"API_TOKEN", "[REDACTED]"},
                                                                {"EMPTY", ""},
                                                                {"SUM", "a=b"},
                                                                {"nothing", "NULL"},
                                                                {"", "x"}}));
  // As the column has it.
  const pb::ProcessRecord record = look(*source, child.pid());
  ASSERT_EQ(record.environment_size(), result.rows_size());
  EXPECT_EQ(record.environment(1), "API_TOKEN=[REDACTED]");
}

TEST(LiveCommandLines, AreWholeAndMasked) {
  const Child child([] {
    std::string long_argument(200'000 / 2, 'x');
    char sleep[] = "/bin/sh", flag[] = "-c", script[] = "kill -STOP $$", secret[] = "--password=geheim";
    char* argv[] = {sleep, flag, script, secret, long_argument.data(), nullptr};
    char* none[] = {nullptr};
    ::execve(sleep, argv, none);
  });
  const OwnSource source = real_source();
  pb::DetectionResult result;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  do {
    result = read_now(live_task("processes.command_lines", {child.pid()}), *source);
  } while (result.rows_size() == 1 && result.rows(0).cells(2).string_value().size() < 100'000 &&
           std::chrono::steady_clock::now() < until);
  ASSERT_EQ(result.rows_size(), 1) << result.error_message();
  const std::string& line = result.rows(0).cells(2).string_value();
  EXPECT_THAT(line, testing::StartsWith("/bin/sh -c kill -STOP $$ --password=[REDACTED] xxx"));
  EXPECT_GT(line.size(), 100'000U) << "beyond what `processes` shows";
  EXPECT_EQ(result.rows(0).cells(1).string_value(), schema::uid_text(look(*source, child.pid()).process_uid()));
}

TEST(LiveEnvironments, ThatWereCutSaySo) {
  std::vector<std::string> entries;
  for (int i = 0; i < 40; ++i) entries.push_back("K" + std::to_string(i) + "=" + std::string(10'000, 'x'));
  const Child child = with_environment(entries);
  const pb::DetectionResult result =
      read_now(live_task("processes.environments", {child.pid()}), *environment_source());
  ASSERT_TRUE(result.success());
  EXPECT_LT(result.rows_size(), 40);
  EXPECT_GT(result.rows_size(), 20);
  EXPECT_EQ(result.error_message(), "pid " + std::to_string(child.pid()) + " has more than is told");
}

// Each of its processes has a thousand files with names of 2,000 bytes.
class ManyFiles final : public ProcessSource {
 public:
  Result<Sweep> sweep(const RecordFn&, const SameFn&, const Demand&) override { return Sweep{}; }
  Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) override {
    EXPECT_EQ(wanted, kNothing);
    for (const std::uint32_t pid : pids) {
      pb::ProcessRecord record;
      record.set_pid(pid);
      record.set_process_uid(std::string(16, static_cast<char>(pid)));
      fn(record, std::nullopt);
    }
    return Sweep{};
  }
  Result<Executable> open_executable(std::uint32_t, std::string_view) override { return fail(Errc::NotFound, "none"); }
  Result<Executable> open_file(const std::string&) override { return fail(Errc::NotFound, "none"); }
  const std::string& boot_id() const override { return boot_; }
  std::int64_t boot_time_ms() const override { return 0; }
  Result<OpenFiles> open_files(std::uint32_t pid, std::string_view, std::size_t) override {
    if (pid == 2) return fail(Errc::NotFound, "gone meanwhile");
    OpenFiles out;
    for (std::uint32_t i = 0; i < 1'000; ++i) out.files.push_back({i, std::string(2'000, 'x')});
    out.files[7].path.reset();
    return out;
  }

 private:
  const std::string boot_ = "boot";
};

TEST(LiveFiles, ALargeAnswerIsCappedAndSaysSo) {
  ManyFiles source;
  const pb::DetectionResult result = read_now(live_task("processes.open_files", {1, 2, 3, 4}), source);
  ASSERT_TRUE(result.success());
  EXPECT_LT(result.ByteSizeLong(), 3'600'000u);
  EXPECT_GT(result.ByteSizeLong(), 3'400'000u);
  EXPECT_EQ(result.error_message(),
            "result capped: " + std::to_string(result.rows_size()) + " of 3000 rows fit the answer");
  EXPECT_EQ(result.rows(7).cells(3).value_case(), pb::Literal::VALUE_NOT_SET);
  const pb::DetectionResult whole = read_now(live_task("processes.open_files", {1, 2}), source);
  EXPECT_EQ(whole.rows_size(), 1'000);
  EXPECT_FALSE(whole.has_error_message());
}

TEST(LiveFiles, AProcessThatDoesNotAnswerKeepsNobodyWaiting) {
  if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
  TempDir dir;
  dir.write("sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
  for (const char* pid : {"10", "11"}) {
    const std::string name = pid;
    dir.write(name + "/stat", name + " (p) S 1 1 1 0 -1 4194560 0 0 0 0 5 7 0 0 20 0 1 0 100 1 1 1 4096 5000 6000 0\n");
    dir.write(name + "/cmdline", std::string("p\0", 2));
    std::filesystem::create_directories(dir / (name + "/fd"));
    std::filesystem::create_symlink("/held by " + name, dir / (name + "/fd/3"));
  }
  { const SilentFiles first(dir / "10/fd"); }  // Makes the mount namespace, before there are threads.
  SourceOptions options;
  options.proc_root = dir.path();
  options.deadline = std::chrono::milliseconds(200);
  const OwnSource source = real_source(options);
  auto silent = std::make_unique<SilentFiles>(dir / "10/fd");
  ASSERT_TRUE(silent->is_mounted()) << std::strerror(errno);
  silent->fall_silent();
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const pb::DetectionResult result = read_now(live_task("processes.open_files", {10, 11}), *source);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    EXPECT_TRUE(result.success()) << result.error_message();
    ASSERT_EQ(result.rows_size(), 1);
    EXPECT_EQ(result.rows(0).cells(3).string_value(), "/held by 11");
  }
  EXPECT_EQ(source->state().stuck, 1u) << "it is not asked again while it hangs";
  silent.reset();
  for (int tries = 0; tries < 100 && source->state().stuck > 0; ++tries) ::usleep(50'000);
  EXPECT_EQ(by_key(read_now(live_task("processes.open_files", {10}), *source)).at("3"), "/held by 10");
}

}  // namespace
}  // namespace de::collect
