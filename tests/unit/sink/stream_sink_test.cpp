#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "daemoneye/base/unique_fd.h"
#include "sample.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

TEST(StreamSink, WritesRecordsOneAfterAnother) {
  const TempDir dir;
  const UniqueFd fd(::open((dir / "out").c_str(), O_WRONLY | O_CREAT, 0600));
  const auto sink = make_stream_sink("out", Format::Csv, fd.get(), kWriteLimit);
  ASSERT_TRUE(sink->deliver(small_alert(1)));
  ASSERT_TRUE(sink->deliver(small_alert(2)));
  ASSERT_TRUE(sink->sync());
  EXPECT_EQ(read_text(dir / "out"), std::string(file_header(Format::Csv)) + format_alert(Format::Csv, small_alert(1)) +
                                        format_alert(Format::Csv, small_alert(2)));
}

TEST(StreamSink, AFullDiskIsAnError) {
  const UniqueFd fd(::open("/dev/full", O_WRONLY));
  ASSERT_TRUE(fd);
  const auto sink = make_stream_sink("full", Format::Json, fd.get(), kWriteLimit);
  for (int i = 0; i < 2; ++i) {
    const auto done = sink->deliver(small_alert(1));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Errc::Io);
    EXPECT_EQ(done.error().message(), "write to full: No space left on device");
  }
}

TEST(StreamSink, AReaderThatLeftIsClosed) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  reader.reset();
  const auto done = make_stream_sink("pipe", Format::Json, writer.get(), kWriteLimit)->deliver(small_alert(1));
  ::signal(SIGPIPE, old);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Errc::Closed);
}

TEST(StreamSink, LargeRecordsPassThroughAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  pb::Alert alert = small_alert(1);
  alert.set_description(std::string(300'000, 'x'));
  std::string got;
  std::thread reading([&] {
    char buffer[10'000];
    for (ssize_t n = 0; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;)
      got.append(buffer, static_cast<std::size_t>(n));
  });
  const auto done = make_stream_sink("pipe", Format::Json, writer.get(), kWriteLimit)->deliver(alert);
  writer.reset();
  reading.join();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(got, format_alert(Format::Json, alert));
}

TEST(StreamSink, AStuckReaderCostsTimeNotTheThreadAndTheNextLineIsItsOwn) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  pb::Alert large = small_alert(1);
  large.set_description(std::string(200'000, 'x'));  // More than a pipe holds.
  const auto sink = make_stream_sink("pipe", Format::Json, writer.get(), std::chrono::milliseconds(100));
  const auto stuck = sink->deliver(large);
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().code(), Errc::Timeout);
  std::string got;
  std::thread reading([&] {
    char buffer[10'000];
    for (ssize_t n = 0; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;)
      got.append(buffer, static_cast<std::size_t>(n));
  });
  const auto done = sink->deliver(small_alert(2));
  writer.reset();
  reading.join();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(got.ends_with("x\n" + format_alert(Format::Json, small_alert(2)))) << got.substr(got.size() - 200);
}

}  // namespace
}  // namespace de::sink
