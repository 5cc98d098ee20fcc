// The proc connector without a kernel: its messages as bytes, and the books that are kept over them.
#include "collect/linux/connector_books.h"

#include <gmock/gmock.h>

#include <cstring>

namespace de::collect {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <class... Ints>
std::string words(Ints... ints) {
  std::string out;
  const auto append = [&out](std::uint32_t word) { out.append(reinterpret_cast<const char*>(&word), sizeof word); };
  (append(static_cast<std::uint32_t>(ints)), ...);
  return out;
}

// As the kernel lays it out; `data` follows the event's head, filled up to what every event takes.
std::string message(std::uint32_t what, std::uint32_t cpu, std::uint32_t seq, std::string data, std::uint32_t ack = 0) {
  data.resize(std::max<std::size_t>(data.size(), 24));
  const std::string event = words(what, cpu, 1'000 + seq, 0) + data;
  std::string connector = words(1, 1, seq, ack, event.size()) + event;
  return words(16 + connector.size(), 3, 0, 0) + connector;
}
constexpr std::uint32_t kFork = 1, kExec = 2, kComm = 0x200, kExit = 0x80000000;

std::vector<ConnectorMessage> read(const std::string& bytes, std::uint32_t* malformed = nullptr) {
  ConnectorDatagram datagram(bytes);
  std::vector<ConnectorMessage> out;
  while (const auto one = datagram.next()) out.push_back(*one);
  if (malformed != nullptr) *malformed = datagram.malformed();
  return out;
}

TEST(ConnectorDatagram, Fork) {
  const auto all = read(message(kFork, 3, 9, words(10, 11, 12, 13)));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].what, ConnectorWhat::Fork);
  EXPECT_EQ(all[0].cpu, 3u);
  EXPECT_EQ(all[0].seq, 9u);
  EXPECT_EQ(all[0].time_ns, 1'009u);
  EXPECT_EQ(all[0].ppid, 11u) << "the process, not the thread that forked";
  EXPECT_EQ(all[0].task, 12u);
  EXPECT_EQ(all[0].pid, 13u);
}

TEST(ConnectorDatagram, ExecExitAckAndOthers) {
  std::uint32_t malformed = 0;
  const auto all = read(message(kExec, 0, 1, words(20, 21)) + message(kExit, 0, 2, words(30, 31, 0x300, 17)) +
                            message(0, 0, 3, words(1), 78) + message(kComm, 0, 4, words(40, 41)),
                        &malformed);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(malformed, 0u);
  EXPECT_EQ(all[0].what, ConnectorWhat::Exec);
  EXPECT_EQ(all[0].pid, 21u);
  EXPECT_EQ(all[1].what, ConnectorWhat::Exit);
  EXPECT_EQ(all[1].task, 30u);
  EXPECT_EQ(all[1].pid, 31u);
  EXPECT_EQ(all[1].status, 0x300u);
  EXPECT_EQ(all[2].what, ConnectorWhat::Ack);
  EXPECT_EQ(all[2].ack, 78u);
  EXPECT_EQ(all[2].status, 1u);
  EXPECT_EQ(all[3].what, ConnectorWhat::Other);
}

TEST(ConnectorDatagram, EveryLengthIsChecked) {
  const std::string whole = message(kFork, 0, 1, words(10, 11, 12, 13));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    std::uint32_t malformed = 0;
    EXPECT_THAT(read(whole.substr(0, size), &malformed), IsEmpty()) << size;
    EXPECT_EQ(malformed, 1u) << size;
  }
  const auto with = [&whole](std::size_t at, const std::string& bytes) {
    std::string out = whole;
    out.replace(at, bytes.size(), bytes);
    return out;
  };
  for (const std::string& bad :
       {with(0, words(0)), with(0, words(15)), with(0, words(0xffffffff)), with(0, words(whole.size() + 1)),
        with(4, words(2)), with(16, words(2)), with(20, words(7)), with(32, words(0xffff)), with(32, words(41)),
        with(32, words(15)), with(32, words(20))}) {
    std::uint32_t malformed = 0;
    EXPECT_THAT(read(bad, &malformed), IsEmpty());
    EXPECT_EQ(malformed, 1u);
  }
  std::uint32_t malformed = 0;
  EXPECT_EQ(read(with(4, words(2)) + whole, &malformed).size(), 1u) << "what follows is still read";
  EXPECT_EQ(malformed, 1u);
}

TEST(SubscriptionRequest, IsWhatTheKernelReads) {
  const SubscriptionRequest request = subscription_request(Subscription::Listen, 77);
  EXPECT_EQ(std::string(request.bytes, sizeof request.bytes), words(40, 3, 0, 0, 1, 1, 0, 77, 4, 1));
}

// ---- Books ----

// Feeds messages of CPU 0 in sequence, unless told otherwise; events come out as "fork 12 of 10", "exec 12", "exit 12
// c7".
class Books : public testing::Test {
 protected:
  void take(ConnectorMessage message) {
    books_.take(message, 500, [this](KernelEvent& event) {
      const std::string pid = std::to_string(event.pid);
      if (event.kind == KernelEventKind::Fork) events_.push_back("fork " + pid + " of " + std::to_string(event.ppid));
      if (event.kind == KernelEventKind::Exec) events_.push_back("exec " + pid);
      if (event.kind == KernelEventKind::Exit) {
        events_.push_back("exit " + pid + (event.exit_code ? " code " + std::to_string(*event.exit_code) : "") +
                          (event.exit_signal ? " signal " + std::to_string(*event.exit_signal) : ""));
      }
      last_time_ = event.time_ns;
    });
    const FeedCounts counts = books_.counts();
    EXPECT_EQ(counts.forks + counts.execs + counts.exits, events_.size());
    EXPECT_EQ(counts.happened, events_.size() + counts.dropped);
  }
  ConnectorMessage next(ConnectorWhat what, std::uint32_t pid, std::uint32_t task) {
    ConnectorMessage out;
    out.what = what;
    out.seq = seq_++;
    out.pid = pid;
    out.task = task;
    out.time_ns = 1'000;
    return out;
  }
  void fork(std::uint32_t pid, std::uint32_t task = 0) {
    ConnectorMessage message = next(ConnectorWhat::Fork, pid, task == 0 ? pid : task);
    message.ppid = 10;
    take(message);
  }
  void exec(std::uint32_t pid) { take(next(ConnectorWhat::Exec, pid, pid)); }
  void exit(std::uint32_t pid, std::uint32_t status, std::uint32_t task = 0) {
    ConnectorMessage message = next(ConnectorWhat::Exit, pid, task == 0 ? pid : task);
    message.status = status;
    take(message);
  }

  ConnectorBooks books_;
  std::vector<std::string> events_;
  std::uint64_t last_time_ = 0;
  std::uint32_t seq_ = 0xffff'fffe;  // Wraps around early on.
};

TEST_F(Books, ALifeIsThreeEvents) {
  fork(12);
  exec(12);
  exit(12, 0x700);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10", "exec 12", "exit 12 code 7"));
  EXPECT_EQ(last_time_, 1'500u);
  EXPECT_EQ(books_.counts().happened, 3u);
  EXPECT_EQ(books_.counts().dropped, 0u);
}

TEST_F(Books, SignalsAreNoCodes) {
  exit(12, 9);
  exit(13, 0x80 | 11);  // With a core dump.
  exit(14, 0xff00);
  EXPECT_THAT(events_, ElementsAre("exit 12 signal 9", "exit 13 signal 11", "exit 14 code 255"));
}

TEST_F(Books, ThreadsAreCountedAndNotDelivered) {
  fork(12);
  fork(12, 13);
  fork(12, 14);
  exit(12, 0, 13);
  exit(12, 0, 14);
  exit(12, 0);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10", "exit 12 code 0"));
  EXPECT_EQ(books_.counts().threads, 2u);
  EXPECT_EQ(books_.remembered_threads(), 0u);
}

TEST_F(Books, AProcessEndsWithItsLastThread) {
  fork(12);
  fork(12, 13);
  exit(12, 0);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10"));
  exit(12, 0x500, 13);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10", "exit 12 code 5"));
}

TEST_F(Books, AThreadThatExecutesTakesTheFirstOnesPlace) {
  fork(12);
  fork(12, 13);
  fork(12, 14);
  exit(12, 0, 14);
  exit(12, 0);  // The first one, to make room.
  exec(12);
  EXPECT_EQ(books_.remembered_threads(), 0u);
  exit(12, 0x100);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10", "exec 12", "exit 12 code 1"));
}

TEST_F(Books, OfThreadsFromBeforeNothingIsKnown) {
  exit(12, 0, 13);
  exit(12, 0);
  EXPECT_THAT(events_, ElementsAre("exit 12 code 0"));
}

TEST_F(Books, GapsAreLosses) {
  fork(12);
  seq_ += 5;
  exec(12);
  EXPECT_EQ(books_.counts().dropped, 5u);
  EXPECT_EQ(books_.counts().happened, 7u);
}

TEST_F(Books, EveryCpuCountsForItself) {
  fork(12);
  ConnectorMessage other = next(ConnectorWhat::Fork, 13, 13);
  --seq_;
  other.cpu = 1;
  other.seq = 4'000;
  take(other);
  other.seq = 4'001;
  take(other);
  exit(12, 0);
  EXPECT_EQ(books_.counts().dropped, 0u);
  other.seq = 4'003;
  take(other);
  EXPECT_EQ(books_.counts().dropped, 1u);
}

TEST_F(Books, NumbersThatGoBackAreNoLoss) {
  fork(12);
  seq_ -= 1'000;
  fork(13);
  EXPECT_EQ(books_.counts().dropped, 0u);
  ConnectorMessage nowhere = next(ConnectorWhat::Ack, 0, 0);
  nowhere.cpu = ~0U;
  --seq_;
  take(nowhere);
  fork(14);
  EXPECT_EQ(books_.counts().dropped, 0u);
}

TEST_F(Books, NobodyWaitsForAThreadWhoseEndWasLost) {
  fork(12);
  fork(12, 13);
  exit(12, 0);
  books_.overflowed();
  EXPECT_EQ(books_.remembered_threads(), 0u);
  EXPECT_EQ(books_.counts().overflows, 1u);
  fork(20);
  fork(20, 21);
  seq_ += 1;
  exit(20, 0x200);
  EXPECT_THAT(events_, ElementsAre("fork 12 of 10", "fork 20 of 10", "exit 20 code 2"));
}

TEST_F(Books, ThreadsAreRememberedUpToALimit) {
  for (std::uint32_t i = 0; i < 40'000; ++i) fork(100 + i % 7, 1'000 + i);
  EXPECT_EQ(books_.remembered_threads(), 32'768u);
  EXPECT_EQ(books_.counts().threads, 40'000u);
}

}  // namespace
}  // namespace de::collect
