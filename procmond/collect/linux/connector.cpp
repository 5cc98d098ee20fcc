#include "collect/linux/connector.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "collect/linux/connector_books.h"
#include "collect/linux/connector_message.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/crypto/digest.h"
#include "daemoneye/log/log.h"

namespace de::collect {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kDatagramBytes = 512;  // The kernel's have 76.
// As many batches as can wait in a large buffer: who drains gets back to other work even in a storm.
constexpr int kMaxBatches = 1024;
constexpr auto kAnswerLimit = std::chrono::seconds(1);

sockaddr_nl address(std::uint32_t groups) {
  sockaddr_nl out{};
  out.nl_family = AF_NETLINK;
  out.nl_groups = groups;
  return out;
}

std::int64_t now_ns(clockid_t clock) {
  struct timespec now {};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::int64_t boot_offset_ns() {
  const std::int64_t before = now_ns(CLOCK_MONOTONIC);
  const std::int64_t boot = now_ns(CLOCK_BOOTTIME);
  return boot - (before + now_ns(CLOCK_MONOTONIC)) / 2;
}

// Datagrams as they are received: where they go to, and whom they are from.
class Batch {
 public:
  Batch() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {bytes_[i].data(), kDatagramBytes};
      messages_[i].msg_hdr.msg_name = &senders_[i];
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  int receive(int fd) {
    for (mmsghdr& message : messages_) message.msg_hdr.msg_namelen = sizeof(sockaddr_nl);
    return ::recvmmsg(fd, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
  }
  // Nothing when it is not whole or not from the kernel: any process of root can send to our socket.
  std::string_view whole_from_kernel(std::size_t i) const {
    const msghdr& head = messages_[i].msg_hdr;
    if ((head.msg_flags & MSG_TRUNC) != 0 || head.msg_namelen != sizeof(sockaddr_nl)) return {};
    if (senders_[i].nl_family != AF_NETLINK || senders_[i].nl_pid != 0) return {};
    return {bytes_[i].data(), std::min<std::size_t>(messages_[i].msg_len, kDatagramBytes)};
  }

 private:
  std::array<std::array<char, kDatagramBytes>, kBatch> bytes_{};
  std::array<sockaddr_nl, kBatch> senders_{};
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

class ConnectorFeed final : public EventFeed {
 public:
  explicit ConnectorFeed(UniqueFd socket) : socket_(std::move(socket)), batch_(std::make_unique<Batch>()) {}
  ~ConnectorFeed() override {
    // Kernels before 6.6 do not notice that the socket is gone and would go on preparing messages for nobody. They
    // count subscriptions; newer ones know that it is always the same.
    for (; listens_ > 0; --listens_) (void)send(Subscription::Ignore, 0);
  }

  std::string name() const override { return "connector"; }
  int wake_fd() const override { return socket_.get(); }
  FeedCounts counts() const override { return books_.counts(); }
  Result<> begin() override;  // Waits for the kernel's answer.
  Result<> drain(const KernelEventFn& fn) override;

 private:
  Result<> send(Subscription what, std::uint32_t ack) const;
  Result<> listen(std::uint32_t ack);
  // Has the kernel put a message with the current sequence number of every CPU at the end of the queue.
  void ask_every_cpu();
  // Errors: Closed, Io; an empty batch is none.
  Result<std::size_t> receive();
  // The answer's status, if it is in the next batch. Errors: as receive().
  Result<std::optional<std::uint32_t>> find_answer(std::uint32_t ack);

  UniqueFd socket_;
  std::unique_ptr<Batch> batch_;
  ConnectorBooks books_;
  std::uint64_t listens_ = 0;
  std::uint64_t overflows_asked_ = 0;  // How many there had been when every CPU was asked.
};

Result<> ConnectorFeed::send(Subscription what, std::uint32_t ack) const {
  const SubscriptionRequest request = subscription_request(what, ack);
  const sockaddr_nl kernel = address(0);
  const ssize_t sent = ::sendto(socket_.get(), request.bytes, sizeof request.bytes, 0,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent == static_cast<ssize_t>(sizeof request.bytes)) return {};
  const std::error_code os = last_os_error();
  if (os == std::errc::connection_refused) {
    return fail(Errc::Unsupported, "the proc connector serves the initial network namespace only", os);
  }
  if (os == std::errc::operation_not_permitted || os == std::errc::permission_denied) {
    return fail(Errc::Denied, "subscribe to the proc connector", os);
  }
  return fail(Errc::Io, "subscribe to the proc connector", os);
}

Result<> ConnectorFeed::listen(std::uint32_t ack) {
  DE_CHECK(send(Subscription::Listen, ack));
  ++listens_;
  return {};
}

// The kernel answers a subscription, repeated or refused, on the CPU it is made on, before the call returns. A CPU that
// we may not run on is left out: what it lost shows with its next event.
void ConnectorFeed::ask_every_cpu() {
  cpu_set_t before;
  if (::sched_getaffinity(0, sizeof before, &before) != 0) return;
  const long cpus = std::min<long>(::sysconf(_SC_NPROCESSORS_CONF), CPU_SETSIZE);
  for (long cpu = 0; cpu < cpus; ++cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(cpu), &only);
    if (::sched_setaffinity(0, sizeof only, &only) == 0) (void)listen(0);
  }
  (void)::sched_setaffinity(0, sizeof before, &before);
}

Result<std::size_t> ConnectorFeed::receive() {
  for (;;) {
    const int got = batch_->receive(socket_.get());
    if (got >= 0) return static_cast<std::size_t>(got);
    const std::error_code os = last_os_error();
    if (os == std::errc::interrupted) continue;
    if (os == std::errc::resource_unavailable_try_again) return 0;
    if (os == std::errc::no_buffer_space) {
      books_.overflowed();
      continue;
    }
    const bool is_gone = os == std::errc::bad_file_descriptor || os == std::errc::not_a_socket ||
                         os == std::errc::not_connected || os == std::errc::connection_refused;
    return fail(is_gone ? Errc::Closed : Errc::Io, "read from the proc connector", os);
  }
}

Result<> ConnectorFeed::drain(const KernelEventFn& fn) {
  const std::int64_t offset_ns = boot_offset_ns();
  bool has_asked = false;
  for (int i = 0; i < kMaxBatches; ++i) {
    DE_TRY(count, receive());
    if (count == 0) {
      // The kernel has room again. The answers may be lost, too: once is enough, the next time will tell.
      if (has_asked || books_.counts().overflows == overflows_asked_) return {};
      has_asked = true;
      overflows_asked_ = books_.counts().overflows;
      ask_every_cpu();
      continue;
    }
    for (std::size_t j = 0; j < count; ++j) {
      const std::string_view bytes = batch_->whole_from_kernel(j);
      if (bytes.empty()) books_.add_malformed(1);
      ConnectorDatagram datagram(bytes);
      while (const std::optional<ConnectorMessage> message = datagram.next()) books_.take(*message, offset_ns, fn);
      books_.add_malformed(datagram.malformed());
    }
  }
  return {};
}

Result<std::optional<std::uint32_t>> ConnectorFeed::find_answer(std::uint32_t ack) {
  DE_TRY(count, receive());
  std::optional<std::uint32_t> answer;
  // Events beside it happened before the feed was open.
  for (std::size_t i = 0; i < count; ++i) {
    ConnectorDatagram datagram(batch_->whole_from_kernel(i));
    while (const std::optional<ConnectorMessage> message = datagram.next()) {
      if (message->what == ConnectorWhat::Ack && message->ack == ack + 1) answer = message->status;
    }
  }
  return answer;
}

Result<> ConnectorFeed::begin() {
  std::array<std::uint8_t, 4> random{};
  crypto::random_bytes(random);  // Everybody's answers go to everybody.
  std::uint32_t ack = 0;
  for (const std::uint8_t byte : random) ack = ack << 8 | byte;
  DE_CHECK(listen(ack));

  const auto deadline = std::chrono::steady_clock::now() + kAnswerLimit;
  for (std::uint64_t overflows = 0;;) {
    DE_TRY(answer, find_answer(ack));
    if (answer == 0U) break;
    if (answer) {
      return fail(Errc::Denied, "the proc connector takes CAP_NET_ADMIN before Linux 6.6",
                  {static_cast<int>(*answer), std::generic_category()});
    }
    if (books_.counts().overflows > overflows) {  // The answer may be among what was lost.
      overflows = books_.counts().overflows;
      DE_CHECK(listen(ack));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      return fail(Errc::Unsupported,
                  "the proc connector did not answer within a second: it serves the initial pid and user namespaces "
                  "only");
    }
    pollfd wait{socket_.get(), POLLIN, 0};
    (void)::poll(&wait, 1, static_cast<int>(left));
  }
  books_ = {};  // What was lost before the feed was open is nobody's loss.
  ask_every_cpu();
  return {};
}

Result<UniqueFd> open_socket() {
  UniqueFd out(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, kConnectorProtocol));
  if (out) return out;
  const std::error_code os = last_os_error();
  if (os == std::errc::protocol_not_supported || os == std::errc::address_family_not_supported) {
    return fail(Errc::Unsupported, "this kernel has no connector", os);
  }
  return fail(os == std::errc::operation_not_permitted || os == std::errc::permission_denied ? Errc::Denied : Errc::Io,
              "open a connector socket", os);
}

Result<> join_group(int fd) {
  const sockaddr_nl own = address(kProcGroup);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0) return {};
  const std::error_code os = last_os_error();
  if (os == std::errc::operation_not_permitted || os == std::errc::permission_denied) {
    return fail(Errc::Denied, "the proc connector takes CAP_NET_ADMIN before Linux 6.6", os);
  }
  if (os == std::errc::no_such_file_or_directory)
    return fail(Errc::Unsupported, "this kernel has no proc connector", os);
  return fail(Errc::Io, "listen to the proc connector", os);
}

// What the kernel now takes, which is twice what was asked for.
int widen_buffer(int fd, std::size_t bytes) {
  const int wanted = static_cast<int>(std::min<std::size_t>(bytes, std::numeric_limits<int>::max() / 2));
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) {
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);  // Up to net.core.rmem_max.
  }
  int granted = 0;
  socklen_t size = sizeof granted;
  (void)::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  return granted;
}

}  // namespace

Result<std::unique_ptr<EventFeed>> open_connector(std::size_t buffer_bytes, bool begin_later) {
  DE_TRY(socket, open_socket());
  const int granted_bytes = widen_buffer(socket.get(), buffer_bytes);
  DE_CHECK(join_group(socket.get()));
  auto feed = std::make_unique<ConnectorFeed>(std::move(socket));
  if (!begin_later) {
    DE_CHECK(feed->begin());
    log::info("collect", "listening to the proc connector",
              {log::field("buffer_bytes", granted_bytes), log::field("asked_bytes", buffer_bytes)});
  }
  return std::unique_ptr<EventFeed>(std::move(feed));
}

}  // namespace de::collect
