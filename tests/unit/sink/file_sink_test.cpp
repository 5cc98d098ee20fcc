#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "sample.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

SinkOptions file_options(const std::string& path, Format format = Format::Json) {
  return {.name = "log", .type = "file", .format = format, .path = path};
}

std::unique_ptr<Sink> make(const SinkOptions& options) {
  auto sink = make_sink(options);
  EXPECT_TRUE(sink) << sink.error().message();
  return sink ? std::move(*sink) : nullptr;
}

void deliver(Sink& sink, std::uint64_t sequence) {
  const auto done = sink.deliver(small_alert(sequence));
  EXPECT_TRUE(done) << done.error().message();
}

std::string line(std::uint64_t sequence, Format format = Format::Json) {
  return format_alert(format, small_alert(sequence));
}

TEST(MakeSink, RefusesWhatItDoesNotKnow) {
  const auto unknown = make_sink({.name = "x", .type = "fil"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Errc::Invalid);
  EXPECT_NE(unknown.error().message().find("did you mean \"file\"?"), std::string::npos) << unknown.error().message();
  EXPECT_FALSE(make_sink({.name = "", .type = "stdout"}));
  EXPECT_TRUE(make_sink({.name = "out", .type = "stdout"}));
}

TEST(MakeSink, EveryTypeHasHelp) {
  for (const SinkType& type : sink_types()) EXPECT_FALSE(type.help.empty()) << type.type;
}

TEST(FileSink, RefusesBadOptions) {
  const TempDir dir;
  auto small = file_options(dir / "a");
  small.rotate_bytes = kMinRotateBytes - 1;
  auto many = file_options(dir / "a");
  many.keep_files = kMaxKeptFiles + 1;
  for (const SinkOptions& options : {file_options(""), file_options("relative"), file_options(dir.path() + "/"),
                                     file_options(std::string("/tmp/a\0b", 8)), small, many}) {
    const auto sink = make_sink(options);
    ASSERT_FALSE(sink) << options.path;
    EXPECT_EQ(sink.error().code(), Errc::Invalid);
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "a"));
}

TEST(FileSink, RefusesWhatIsNotARegularFile) {
  const TempDir dir;
  ASSERT_EQ(::symlink((dir / "victim").c_str(), (dir / "link").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mkdir((dir / "directory").c_str(), 0700), 0);
  for (const std::string& path : {dir / "link", dir / "fifo", dir / "directory", std::string("/dev/full")})
    EXPECT_FALSE(make_sink(file_options(path))) << path;
  EXPECT_FALSE(std::filesystem::exists(dir / "victim"));
  EXPECT_FALSE(make_sink(file_options("/nonexistent/alerts")));
}

TEST(FileSink, AppendsWithTheModePromised) {
  const TempDir dir;
  const mode_t before = ::umask(0077);
  {
    const auto sink = make(file_options(dir / "a"));
    deliver(*sink, 1);
    EXPECT_TRUE(sink->sync());
  }
  ::umask(before);
  const auto again = make(file_options(dir / "a"));
  deliver(*again, 2);
  EXPECT_EQ(read_text(dir / "a"), line(1) + line(2));
  struct stat info {};
  ASSERT_EQ(::stat((dir / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0640U);
}

TEST(FileSink, KeepsTheModeTheOperatorGave) {
  const TempDir dir;
  std::ofstream(dir / "a") << "";
  ASSERT_EQ(::chmod((dir / "a").c_str(), 0600), 0);
  deliver(*make(file_options(dir / "a")), 1);
  struct stat info {};
  ASSERT_EQ(::stat((dir / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST(FileSink, CsvHasOneHeaderPerFile) {
  const TempDir dir;
  deliver(*make(file_options(dir / "a", Format::Csv)), 1);
  deliver(*make(file_options(dir / "a", Format::Csv)), 2);
  EXPECT_EQ(read_text(dir / "a"), std::string(file_header(Format::Csv)) + line(1, Format::Csv) + line(2, Format::Csv));
}

TEST(FileSink, NoticesThatItsFileWasMovedOrRemoved) {
  const TempDir dir;
  const auto sink = make(file_options(dir / "a", Format::Csv));
  deliver(*sink, 1);
  std::filesystem::rename(dir / "a", dir / "a.moved");
  deliver(*sink, 2);
  std::filesystem::remove(dir / "a");
  deliver(*sink, 3);
  const std::string header(file_header(Format::Csv));
  EXPECT_EQ(read_text(dir / "a.moved"), header + line(1, Format::Csv));
  EXPECT_EQ(read_text(dir / "a"), header + line(3, Format::Csv));
}

TEST(FileSink, ALinkPlantedAfterTheMoveIsRefused) {
  const TempDir dir;
  const auto sink = make(file_options(dir / "a"));
  deliver(*sink, 1);
  std::filesystem::rename(dir / "a", dir / "b");
  ASSERT_EQ(::symlink((dir / "victim").c_str(), (dir / "a").c_str()), 0);
  EXPECT_FALSE(sink->deliver(small_alert(2)));
  EXPECT_FALSE(std::filesystem::exists(dir / "victim"));
  EXPECT_EQ(read_text(dir / "b"), line(1));
  std::filesystem::remove(dir / "a");
  deliver(*sink, 2);
  EXPECT_EQ(read_text(dir / "a"), line(2)) << "and it recovers";
}

TEST(FileSink, RotatesWithoutLosingARecordUntilTheOldestGoes) {
  const TempDir dir;
  SinkOptions options = file_options(dir / "a");
  options.rotate_bytes = kMinRotateBytes;
  options.keep_files = 3;
  const auto sink = make(options);
  const std::uint64_t per_file = kMinRotateBytes / line(1'000).size();
  const std::uint64_t last = 1'000 + per_file * 4 - 1;
  for (std::uint64_t i = 1'000; i <= last; ++i) deliver(*sink, i);
  std::string all;
  for (const char* file : {"a.3", "a.2", "a.1", "a"}) {
    const std::string text = read_text(dir / file);
    EXPECT_LE(text.size(), kMinRotateBytes) << file;
    all += text;
  }
  std::string expected;
  for (std::uint64_t i = 1'000; i <= last; ++i) expected += line(i);
  EXPECT_EQ(all, expected);
  deliver(*sink, last + 1);
  EXPECT_FALSE(std::filesystem::exists(dir / "a.4"));
  EXPECT_EQ(read_text(dir / "a"), line(last + 1));
  EXPECT_EQ(read_text(dir / "a.3").find(line(1'000)), std::string::npos) << "the oldest file is gone";
}

TEST(FileSink, KeepsNoneWhenToldSo) {
  const TempDir dir;
  SinkOptions options = file_options(dir / "a");
  options.rotate_bytes = kMinRotateBytes;
  options.keep_files = 0;
  const auto sink = make(options);
  for (std::uint64_t i = 1'000; i < 1'030; ++i) deliver(*sink, i);
  EXPECT_FALSE(std::filesystem::exists(dir / "a.1"));
  EXPECT_LE(read_text(dir / "a").size(), kMinRotateBytes);
  EXPECT_TRUE(read_text(dir / "a").ends_with(line(1'029)));
}

TEST(FileSink, ARecordLargerThanTheLimitHasItsOwnFile) {
  const TempDir dir;
  SinkOptions options = file_options(dir / "a");
  options.rotate_bytes = kMinRotateBytes;
  const auto sink = make(options);
  deliver(*sink, 1);
  pb::Alert huge = small_alert(2);
  huge.set_description(std::string(3 * kMinRotateBytes, 'x'));
  ASSERT_TRUE(sink->deliver(huge));
  deliver(*sink, 3);
  EXPECT_EQ(read_text(dir / "a.2"), line(1));
  EXPECT_EQ(read_text(dir / "a.1"), format_alert(Format::Json, huge));
  EXPECT_EQ(read_text(dir / "a"), line(3));
}

// Writes until it fails, makes room, and expects whole lines before and after.
void expect_whole_records(const std::string& path, const std::function<void()>& make_room) {
  const auto sink = make(file_options(path));
  ASSERT_NE(sink, nullptr);
  std::string expected;
  std::uint64_t sequence = 1'000;
  for (; sequence < 100'000; ++sequence) {
    const auto done = sink->deliver(small_alert(sequence));
    if (!done) {
      EXPECT_EQ(done.error().code(), Errc::Exhausted) << done.error().message();
      break;
    }
    expected += line(sequence);
  }
  ASSERT_LT(sequence, 100'000U) << "the disk never filled";
  EXPECT_EQ(read_text(path), expected) << "no part of the refused record stays";
  EXPECT_FALSE(sink->deliver(small_alert(sequence)));
  make_room();
  deliver(*sink, sequence);
  EXPECT_EQ(read_text(path), expected + line(sequence));
}

TEST(FileSink, AFileSizeLimitLeavesWholeRecords) {
  const TempDir dir;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{10'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  expect_whole_records(dir / "a", [&] { ::setrlimit(RLIMIT_FSIZE, &before); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old);
}

TEST(FileSink, AFullDiskLeavesWholeRecords) {
  const TempDir dir;
  if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "may not mount";
  std::ofstream(dir / "ballast") << std::string(30'000, 'x');
  expect_whole_records(dir / "a", [&] { std::filesystem::remove(dir / "ballast"); });
  EXPECT_EQ(::umount2(dir.path().c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace de::sink
