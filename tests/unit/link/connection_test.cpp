#include "daemoneye/link/connection.h"

#include <fcntl.h>

#include "daemoneye/process.pb.h"
#include "fixture.h"

namespace de::link {
namespace {

using ConnectionTest = LinkTest;
using Text = Result<std::string>;

TEST_F(ConnectionTest, WritesTheFrameOfTheFormat) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  ASSERT_TRUE(run(connection.write("123456789", 1s)));
  EXPECT_EQ(raw->receive(100), std::string("\x09\0\0\0\x83\x92\x06\xe3", 8) + "123456789");
}

TEST_F(ConnectionTest, WhoWatchesIsToldOnceThatThePeerLeft) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  int told = 0;
  const HangUpWatch watch(connection, [&told] { ++told; });
  settle();
  EXPECT_EQ(told, 0);
  raw->send("more than was asked for");
  settle();
  EXPECT_EQ(told, 0) << "something unread is no hanging up";
  raw.reset();
  settle();
  EXPECT_EQ(told, 1);
}

TEST_F(ConnectionTest, WhoNoLongerWatchesIsToldNothing) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  int told = 0;
  {
    const HangUpWatch watch(connection, [&told] { ++told; });
  }
  {
    const HangUpWatch late(connection, [&told] { told += 10; });
    raw.reset();
  }
  settle();
  EXPECT_EQ(told, 0);
}

TEST_F(ConnectionTest, HeaderAndPayloadLeaveInOneSystemCall) {
  std::optional<RawPeer> raw;  // A packet socket keeps the borders of system calls.
  Connection connection = pair_with(raw, kLarge, SOCK_SEQPACKET);
  const std::string payload(100'000, 'x');
  ASSERT_TRUE(run(connection.write(payload, 1s)));
  EXPECT_EQ(raw->receive(200'000).size(), payload.size() + frame::kHeaderBytes);
}

TEST_F(ConnectionTest, ReadsFramesOneByOneThenCleanEnd) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  raw->send(framed("first") + framed("second"));
  raw->close();
  EXPECT_EQ(run(connection.read(1s)).value(), "first");
  EXPECT_EQ(run(connection.read(1s)).value(), "second");
  const Text end = run(connection.read(1s));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), Errc::Closed);
}

TEST_F(ConnectionTest, ReadsAFrameThatArrivesByteByByte) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  std::optional<Text> text;
  start(connection.read(5s), text);
  for (const char byte : framed("slow")) {
    settle();
    EXPECT_FALSE(text);
    raw->send(std::string_view(&byte, 1));
  }
  EXPECT_EQ(finish(text).value(), "slow");
}

struct BadFrame {
  const char* name;
  std::string bytes;
  Errc code;
};

class ConnectionRefuses : public LinkTest, public testing::WithParamInterface<BadFrame> {};

TEST_P(ConnectionRefuses, AndReadsNothingMore) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  raw->send(GetParam().bytes);
  ASSERT_EQ(::shutdown(raw->fd(), SHUT_WR), 0);
  const Text first = run(connection.read(1s));
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), GetParam().code) << first.error().message();
  const Text second = run(connection.read(1s));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::Closed);
  // The session may say goodbye before it ends.
  EXPECT_TRUE(run(connection.write("refused", 1s)));
  EXPECT_EQ(raw->receive(100), framed("refused"));
}

std::string with_flipped_byte(std::string bytes, std::size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
  return bytes;
}

INSTANTIATE_TEST_SUITE_P(
    Frames, ConnectionRefuses,
    testing::Values(BadFrame{"NothingAtAll", "", Errc::Closed},
                    BadFrame{"CutInHeader", framed("hello").substr(0, 5), Errc::Corrupt},
                    BadFrame{"HeaderOnly", framed("hello").substr(0, 8), Errc::Corrupt},
                    BadFrame{"CutInPayload", framed("hello").substr(0, 10), Errc::Corrupt},
                    BadFrame{"EmptyPayload", std::string(8, '\0'), Errc::Corrupt},
                    BadFrame{"ChecksumChanged", with_flipped_byte(framed("hello"), 5), Errc::Corrupt},
                    BadFrame{"PayloadChanged", with_flipped_byte(framed("hello"), 9) + framed("next"), Errc::Corrupt},
                    BadFrame{"OneOverTheLimit", framed(std::string(1025, 'x')), Errc::TooLarge},
                    BadFrame{"LengthOfFourGigabytes", std::string(8, '\xff'), Errc::TooLarge}),
    [](const auto& row) { return row.param.name; });

TEST_F(ConnectionTest, LimitsAreInclusiveInBothDirections) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw, Limits{10, 20});
  raw->send(framed(std::string(10, 'r')));
  EXPECT_TRUE(run(connection.read(1s)));
  EXPECT_TRUE(run(connection.write(std::string(20, 'w'), 1s)));
}

TEST_F(ConnectionTest, AnotherLimitCountsFromTheNextFrameOn) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw, Limits{10, 20});
  connection.limit_reads(100'000);
  const std::string large(100'000, 'r');
  raw->send(framed(large));
  EXPECT_EQ(run(connection.read(1s)).value(), large) << "and comes whole, however it was made room for";
  connection.limit_reads(5);
  raw->send(framed("123456"));
  EXPECT_EQ(run(connection.read(1s)).error().code(), Errc::TooLarge);
}

TEST_F(ConnectionTest, RefusedWritesSendNothing) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw, Limits{10, 20});
  EXPECT_EQ(run(connection.write(std::string(21, 'w'), 1s)).error().code(), Errc::TooLarge);
  EXPECT_EQ(run(connection.write("", 1s)).error().code(), Errc::Invalid);
  ASSERT_TRUE(run(connection.write("fine", 1s)));
  EXPECT_EQ(raw->receive(100), framed("fine"));
}

TEST_F(ConnectionTest, SilentPeerTimesOutAndTheConnectionIsClosed) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  EXPECT_EQ(run(connection.read(20ms)).error().code(), Errc::Timeout);
  EXPECT_FALSE(connection.is_open());
  EXPECT_EQ(run(connection.read(20ms)).error().code(), Errc::Timeout);
  EXPECT_EQ(run(connection.write("x", 20ms)).error().code(), Errc::Timeout);
  EXPECT_EQ(raw->receive(1), "");  // The peer sees the end.
}

TEST_F(ConnectionTest, DeadlineCoversTheWholeFrameNotEachByte) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  std::optional<Text> text;
  const auto begin = std::chrono::steady_clock::now();
  start(connection.read(50ms), text);
  const std::string bytes = framed(std::string(1000, 'x'));
  for (std::size_t i = 0; !text && i < bytes.size(); ++i) {
    (void)::send(raw->fd(), &bytes[i], 1, MSG_NOSIGNAL);  // Fails once the deadline has closed the other end.
    io_.restart();
    io_.run_for(5ms);
  }
  EXPECT_EQ(finish(text).error().code(), Errc::Timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST_F(ConnectionTest, PeerThatDoesNotReadTimesOutTheWriter) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw, kLarge);
  EXPECT_EQ(run(connection.write(std::string(4u << 20, 'x'), 30ms)).error().code(), Errc::Timeout);
  EXPECT_FALSE(connection.is_open());
}

TEST_F(ConnectionTest, HugeAndNegativeLimitsAreTakenAsTheirNearestSense) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  raw->send(framed("there"));
  EXPECT_EQ(run(connection.read(std::chrono::milliseconds::max())).value(), "there");
  EXPECT_EQ(run(connection.read(std::chrono::milliseconds::min())).error().code(), Errc::Timeout);
}

TEST_F(ConnectionTest, CloseEndsThePendingReadAsCancelled) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  std::optional<Text> text;
  start(connection.read(10s), text);
  settle();
  connection.close();
  EXPECT_EQ(finish(text).error().code(), Errc::Cancelled);
  EXPECT_EQ(run(connection.read(1s)).error().code(), Errc::Cancelled);
  EXPECT_EQ(run(connection.write("x", 1s)).error().code(), Errc::Cancelled);
}

TEST_F(ConnectionTest, DestroyingAndMovingUnderAPendingReadIsSafe) {
  std::optional<RawPeer> raw;
  std::optional<Connection> connection = pair_with(raw);
  std::optional<Text> text;
  start(connection->read(10s), text);
  settle();
  std::optional<Connection> moved(std::move(*connection));
  connection.reset();
  raw->send(framed("still read"));
  EXPECT_EQ(finish(text).value(), "still read");

  std::optional<Text> second;
  start(moved->read(10s), second);
  settle();
  moved.reset();
  EXPECT_EQ(finish(second).error().code(), Errc::Cancelled);
}

TEST_F(ConnectionTest, AssigningClosesWhatWasThere) {
  std::optional<RawPeer> first;
  std::optional<RawPeer> second;
  Connection connection = pair_with(first);
  connection = pair_with(second);
  EXPECT_EQ(first->receive(1), "");
  ASSERT_TRUE(run(connection.write("x", 1s)));
  EXPECT_EQ(second->receive(100), framed("x"));
}

TEST_F(ConnectionTest, SecondReadOrWriteAtTheSameTimeIsRefusedAndHarmless) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw, kLarge);
  std::optional<Text> reading;
  std::optional<Result<>> writing;
  start(connection.read(5s), reading);
  start(connection.write(std::string(4u << 20, 'x'), 5s), writing);
  settle();
  EXPECT_EQ(run(connection.read(1s)).error().code(), Errc::Conflict);
  EXPECT_EQ(run(connection.write("y", 1s)).error().code(), Errc::Conflict);
  raw->send(framed("answer"));
  EXPECT_EQ(finish(reading).value(), "answer");
  EXPECT_FALSE(writing);
  connection.close();
  EXPECT_EQ(finish(writing).error().code(), Errc::Cancelled);
}

TEST_F(ConnectionTest, LastWordsOfAPeerAreReadAfterAFailedWrite) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  raw->send(framed("refused: version 9"));
  raw->close();
  EXPECT_EQ(run(connection.write("x", 1s)).error().code(), Errc::Closed);
  EXPECT_EQ(run(connection.write("x", 1s)).error().code(), Errc::Closed);
  EXPECT_EQ(run(connection.read(1s)).value(), "refused: version 9");
  EXPECT_EQ(run(connection.read(1s)).error().code(), Errc::Closed);
}

TEST_F(ConnectionTest, ClosedConnectionRefusesEverything) {
  Connection nothing;
  EXPECT_FALSE(nothing.is_open());
  EXPECT_EQ(nothing.limits().read_bytes, 0u);
  EXPECT_NE(nothing.peer().uid, 0u);
  EXPECT_EQ(run(nothing.read(1s)).error().code(), Errc::Closed);
  EXPECT_EQ(run(nothing.write("x", 1s)).error().code(), Errc::Closed);
  nothing.close();
}

TEST_F(ConnectionTest, AdoptRefusesWhatIsNotASocket) {
  UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto adopted = Connection::adopt(io_.get_executor(), std::move(file), kSmall);
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().code(), Errc::Io);
}

TEST_F(ConnectionTest, PeerIsTheProcessOnTheOtherEnd) {
  std::optional<RawPeer> raw;
  const Connection connection = pair_with(raw);
  EXPECT_EQ(connection.peer().uid, ::geteuid());
  EXPECT_EQ(connection.peer().gid, ::getegid());
  EXPECT_EQ(connection.peer().pid, ::getpid());
  std::vector<gid_t> own(65536);
  own.resize(static_cast<std::size_t>(::getgroups(static_cast<int>(own.size()), own.data())));
  EXPECT_EQ(connection.peer().groups, own);
}

TEST(Peer, BelongsByPrimaryOrSupplementaryGroup) {
  const Peer peer{1, 10, 100, {20, 30}};
  for (const gid_t group : {10u, 20u, 30u}) EXPECT_TRUE(peer.belongs_to(group));
  for (const gid_t group : {0u, 1u, 100u}) EXPECT_FALSE(peer.belongs_to(group));
  EXPECT_FALSE(Peer{}.belongs_to(0));
}

TEST_F(ConnectionTest, MessagesGoThroughAndAnythingElseIsCorrupt) {
  std::optional<RawPeer> raw;
  Connection connection = pair_with(raw);
  pb::ProcessRecord record;
  record.set_pid(4242);
  ASSERT_TRUE(run(write_message(connection, record, 1s)));
  raw->send(raw->receive(100));
  const Result<pb::ProcessRecord> back = run(read_message<pb::ProcessRecord>(connection, 1s));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->pid(), 4242u);

  EXPECT_EQ(run(write_message(connection, pb::ProcessRecord(), 1s)).error().code(), Errc::Invalid);
  raw->send(framed("\xff\xff\xff"));
  EXPECT_EQ(run(read_message<pb::ProcessRecord>(connection, 1s)).error().code(), Errc::Corrupt);
}

TEST_F(ConnectionTest, LargestFramesCrossInBothDirectionsAtOnce) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Connection left = std::move(*Connection::adopt(io_.get_executor(), UniqueFd(ends[0]), kLarge));
  Connection right = std::move(*Connection::adopt(io_.get_executor(), UniqueFd(ends[1]), kLarge));
  const std::string a(4u << 20, 'a');
  const std::string b(4u << 20, 'b');
  std::optional<Result<>> sent_left;
  std::optional<Result<>> sent_right;
  std::optional<Text> got_left;
  std::optional<Text> got_right;
  start(left.write(a, 10s), sent_left);
  start(right.write(b, 10s), sent_right);
  start(left.read(10s), got_left);
  start(right.read(10s), got_right);
  EXPECT_TRUE(finish(got_left).value() == b);
  EXPECT_TRUE(finish(got_right).value() == a);
  EXPECT_TRUE(finish(sent_left));
  EXPECT_TRUE(finish(sent_right));
}

}  // namespace
}  // namespace de::link
