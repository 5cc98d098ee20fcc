// A snapshot of 10,000 processes on its way through the agent: from the first byte on a real socket to the commit of
// the last record, with the mirror up to date. Everything but the rules.
#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bus/collector_session.h"
#include "crowd.h"
#include "daemoneye/frame/frame.h"
#include "daemoneye/link/protocol.h"
#include "ingest/intake.h"
#include "made_up.h"
#include "samples.h"

namespace {

using de::bench::MadeUpHost;

constexpr int kRecordsPerChunk = 256;
constexpr std::uint32_t kIntervalMs = 30'000;

// The collector's end of the connection, with plain blocking calls.
class FakeCollector {
 public:
  explicit FakeCollector(de::UniqueFd socket) : socket_(std::move(socket)) {}

  bool write(const de::pb::Envelope& message) { return write(message.SerializeAsString()); }

  bool write(const std::string& payload) {
    std::array<std::byte, de::frame::kHeaderBytes> header{};
    de::frame::write_header(header, payload);
    return write_all(header.data(), header.size()) && write_all(payload.data(), payload.size());
  }

  bool read(de::pb::Envelope& message) {
    std::array<std::byte, de::frame::kHeaderBytes> raw{};
    if (!read_all(raw.data(), raw.size())) return false;
    const auto header = de::frame::read_header(raw, 1UL << 20);
    if (!header) return false;
    std::string payload(header->payload_bytes, '\0');
    return read_all(payload.data(), payload.size()) && message.ParseFromString(payload);
  }

  bool greet() {
    de::pb::Envelope hello;
    hello.mutable_hello()->set_protocol_major(de::link::kBrokerMajor);
    hello.mutable_hello()->set_collector_id("bench");
    hello.mutable_hello()->set_spool_id("bench");
    de::pb::Envelope answer;
    return write(hello) && read(answer) && answer.has_welcome();
  }

  // As many at a time as the agent lets us; returns when it has given every credit back: then all is committed.
  bool publish(const std::vector<std::string>& messages) {
    std::size_t sent = 0;
    std::size_t committed = 0;
    de::pb::Envelope answer;
    while (committed < messages.size()) {
      while (sent < messages.size() && sent - committed < de::bus::kCredits)
        if (!write(messages[sent++])) return false;
      if (!read(answer)) return false;
      if (answer.has_credit()) committed += answer.credit().messages();
    }
    return true;
  }

 private:
  bool write_all(const void* data, std::size_t size) {
    return ::send(socket_.get(), data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
  }
  bool read_all(void* data, std::size_t size) {
    return ::recv(socket_.get(), data, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }

  de::UniqueFd socket_;
};

de::bus::Admission own_uid() {
  de::bus::Admission admission;
  admission.uids.push_back(::getuid());
  return admission;
}

// The agent's side, on its own thread as in the agent.
class Receiver {
 public:
  static constexpr auto kReady = [](const auto&...) {};

  bool open(const std::string& dir, de::UniqueFd socket) {
    auto store = de::store::Store::open({.dir = dir + "/store"}, clock_);
    auto mirror = de::mirror::Mirror::create();
    auto connection = de::link::Connection::adopt(io_.get_executor(), std::move(socket), de::bus::kBrokerLimits);
    if (!store || !mirror || !connection) return false;
    store_ = std::move(*store);
    mirror_ = std::move(*mirror);
    intake_ = std::make_unique<de::ingest::Intake>(*store_, *mirror_, writer_, clock_, kReady);
    consumers_.acked = [](const std::string&, const std::string&) { return std::uint64_t{0}; };
    consumers_.publish = [this](std::string collector, std::string spool_id, de::pb::Publish publish) {
      return intake_->publish(std::move(collector), std::move(spool_id), std::move(publish));
    };
    consumers_.publish_events = [this](std::string collector, std::string spool_id, de::bus::EventBatches batches) {
      return intake_->publish_events(std::move(collector), std::move(spool_id), std::move(batches));
    };
    consumers_.arrived = kReady;
    consumers_.connected = [this](const std::string&) { session_->begin(kIntervalMs); };
    consumers_.ended = kReady;
    session_ = std::make_shared<de::bus::CollectorSession>(io_.get_executor(), std::move(*connection), registry_,
                                                           consumers_, clock_);
    auto work = session_->run();
    boost::asio::co_spawn(io_, std::move(work), [](std::exception_ptr, de::Result<>) {});
    thread_ = std::thread([this] { io_.run(); });
    return true;
  }

  ~Receiver() {
    if (thread_.joinable()) thread_.join();  // The session ends when the collector's end is closed.
    writer_.join();
  }

 private:
  const de::Clock& clock_ = de::system_clock();
  boost::asio::io_context io_{1};
  boost::asio::thread_pool writer_{1};
  std::unique_ptr<de::store::Store> store_;
  std::unique_ptr<de::mirror::Mirror> mirror_;
  std::unique_ptr<de::ingest::Intake> intake_;
  de::bus::Consumers consumers_;
  de::bus::Registry registry_{own_uid(), clock_};
  std::shared_ptr<de::bus::CollectorSession> session_;
  std::thread thread_;
};

std::vector<std::string> chunks_of(const MadeUpHost& host, std::uint64_t scan_id, std::int64_t now_ms) {
  std::vector<std::string> chunks;
  const auto& all = host.processes();
  for (std::size_t from = 0; from < all.size(); from += kRecordsPerChunk) {
    de::pb::Envelope envelope;
    auto& chunk = *envelope.mutable_publish()->mutable_snapshot();
    chunk.set_scan_id(scan_id);
    chunk.set_chunk(static_cast<std::uint32_t>(chunks.size()));
    chunk.set_scan_time_ms(now_ms);
    const std::size_t to = std::min(all.size(), from + kRecordsPerChunk);
    for (std::size_t i = from; i < to; ++i) *chunk.add_processes() = all[i];
    if (to == all.size()) {
      chunk.set_last(true);
      chunk.mutable_summary()->set_reported(static_cast<std::uint32_t>(all.size()));
    }
    chunks.push_back(envelope.SerializeAsString());
  }
  return chunks;
}

void ingest(benchmark::State& state) {
  const de::bench::ScratchDir dir;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return state.SkipWithError("no sockets");
  Receiver receiver;  // Outlives the collector, whose end closes the session.
  FakeCollector collector{de::UniqueFd(ends[1])};
  de::pb::Envelope begin;
  if (!receiver.open(dir.path(), de::UniqueFd(ends[0])) || !collector.greet() || !collector.read(begin))
    return state.SkipWithError("the receiver does not start");
  MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  std::int64_t now_ms = de::system_clock().unix_ms();
  std::vector<double> times_ms;
  std::vector<double> cpu_times_ms;  // Of both ends: writing to the socket, too.
  std::uint64_t scan_id = 0;
  const auto one_scan = [&] {
    const auto chunks = chunks_of(host, ++scan_id, now_ms);
    const double start = de::bench::wall_ms();
    const auto cpu_start = de::bench::cpu_time(::getpid());
    const bool done = collector.publish(chunks);
    times_ms.push_back(de::bench::wall_ms() - start);
    cpu_times_ms.push_back(static_cast<double>((de::bench::cpu_time(::getpid()) - cpu_start).count()) / 1e6);
    return done;
  };
  if (!one_scan()) return state.SkipWithError("the first scan failed");
  const double first_ms = times_ms.front();
  times_ms.clear();
  for (auto _ : state) {
    now_ms += kIntervalMs;
    host.tick(now_ms, 200);
    if (!one_scan()) return state.SkipWithError("a scan failed");
  }
  state.counters["first_ms"] = first_ms;
  state.counters["cpu_ms"] = de::bench::median(cpu_times_ms);
  state.counters["median_ms"] = de::bench::median(times_ms);
}
BENCHMARK(ingest)->Arg(10'000)->Iterations(40)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
