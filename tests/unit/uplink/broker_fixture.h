// procmond's end of the broker session, with the agent played by the test on a real socket. The clock stands still
// unless the test moves it; spool and ledger are real.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "audit/ledger_file.h"
#include "daemoneye/ledger/verify.h"
#include "daemoneye/link/listener.h"
#include "spool/spool.h"
#include "uplink/uplink.h"

namespace de::uplink {

using namespace std::chrono_literals;

class StillClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 5'000'000;
};

struct LedgerLine {
  std::string actor;
  std::string action;
  std::string payload;
};

class BrokerTest : public testing::Test {
 protected:
  BrokerTest() {
    char name[] = "/tmp/de-uplink-XXXXXX";
    dir_ = ::mkdtemp(name);
    options_.broker_socket = dir_ + "/broker.sock";
    options_.boot_id = "boot-1";
    options_.hostname = "host-1";
    options_.agent_uids = {::geteuid()};
    link::ListenOptions listen{options_.broker_socket, 0600, std::nullopt, {4u << 20, 4u << 20}};
    auto listener = link::Listener::open(io_.get_executor(), std::move(listen));
    if (!listener) throw std::runtime_error(listener.error().message());
    listener_.emplace(std::move(*listener));
    spool::SpoolOptions spool;
    spool.dir = dir_ + "/spool";
    spool_ = std::move(*spool::Spool::open(spool, clock_));
    ledger_ = std::move(*audit::LedgerFile::open(dir_ + "/ledger", clock_));
    hooks_.set_interval = [this](std::uint32_t interval_ms) { intervals_.push_back(interval_ms); };
    hooks_.scan_now = [this] { ++scans_asked_; };
    hooks_.run_task = [this](pb::DetectionTask task, std::function<void(pb::DetectionResult)> done) {
      tasks_.push_back({std::move(task), std::move(done)});
    };
    hooks_.revoke_task = [this](std::string task_id) { revoked_.push_back(std::move(task_id)); };
    hooks_.end_session = [this] { ++sessions_ended_; };
    hooks_.fill_heartbeat = [](pb::Heartbeat& beat) { beat.set_status("ok"); };
  }
  ~BrokerTest() override {
    if (uplink_) stop();
    std::filesystem::remove_all(dir_);
  }

  void start() {
    uplink_ = std::make_unique<Uplink>(io_.get_executor(), options_, hooks_, *spool_, *ledger_, clock_);
    boost::asio::co_spawn(io_, uplink_->run(), [this](const std::exception_ptr& thrown, Result<>) {
      if (thrown) std::rethrow_exception(thrown);
      running_ = false;
    });
    running_ = true;
  }
  // Ends run(), whatever the session is doing.
  void stop() {
    uplink_->stop();
    peer_.close();
    if (listener_) listener_->close();
    drive([this] { return !running_; });
    EXPECT_FALSE(running_);
  }

  // Runs the io thread until `done`, for at most ten seconds.
  template <class Done>
  void drive(Done done) {
    io_.restart();
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!done() && std::chrono::steady_clock::now() < until) io_.run_one_for(100ms);
  }
  // Runs what is ready and nothing else.
  void settle() {
    io_.restart();
    while (io_.poll_one() != 0) {
    }
  }
  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> outcome;
    boost::asio::co_spawn(io_, std::move(task), [&outcome](const std::exception_ptr& thrown, T value) {
      if (thrown) std::rethrow_exception(thrown);
      outcome.emplace(std::move(value));
    });
    drive([&] { return outcome.has_value(); });
    if (!outcome) throw std::runtime_error("the task did not end");
    return std::move(*outcome);
  }

  // The agent's side.
  void accept() {
    auto accepted = run(listener_->accept());
    ASSERT_TRUE(accepted) << accepted.error().message();
    peer_ = std::move(*accepted);
  }
  Result<pb::Envelope> next_any() { return run(link::read_message<pb::Envelope>(peer_, 5s)); }
  Result<pb::Envelope> next() {
    for (;;) {
      auto message = next_any();
      if (!message || !(message->has_heartbeat() || message->has_alive())) return message;
    }
  }
  // One message that has to come now; empty when none does. Nothing can be read from this session afterwards.
  std::optional<pb::Envelope> next_if_ready() {
    auto reading = std::make_shared<std::optional<Result<pb::Envelope>>>();
    auto work = [](link::Connection& peer) -> link::Task<pb::Envelope> {
      for (;;) {
        auto message = co_await link::read_message<pb::Envelope>(peer, 5s);
        if (!message || !(message->has_heartbeat() || message->has_alive())) co_return message;
      }
    };
    boost::asio::co_spawn(io_, work(peer_), [reading](const std::exception_ptr&, Result<pb::Envelope> message) {
      *reading = std::move(message);
    });
    settle();
    if (!*reading || !**reading) return std::nullopt;
    return ***reading;
  }
  void say(const pb::Envelope& message) { ASSERT_TRUE(run(link::write_message(peer_, message, 5s))); }
  void say_bytes(std::string payload) { ASSERT_TRUE(run(peer_.write(std::move(payload), 5s))); }

  pb::Hello accept_hello() {
    accept();
    const auto hello = next_any();
    EXPECT_TRUE(hello) << hello.error().message();
    EXPECT_TRUE(hello && hello->has_hello());
    return hello ? hello->hello() : pb::Hello();
  }
  void welcome(std::uint32_t credits = 64, std::uint64_t acked = 0) {
    pb::Envelope message;
    message.mutable_welcome()->set_credits(credits);
    message.mutable_welcome()->set_acked_sequence(acked);
    message.mutable_welcome()->set_heartbeat_interval_ms(10'000);
    say(message);
  }
  void begin() {
    pb::Envelope message;
    message.mutable_begin();
    say(message);
  }
  void credit(std::uint32_t messages) {
    pb::Envelope message;
    message.mutable_credit()->set_messages(messages);
    say(message);
  }
  // A whole session up to monitoring.
  void monitor(std::uint32_t credits = 64, std::uint64_t acked = 0) {
    accept_hello();
    welcome(credits, acked);
    begin();
    drive([this] { return uplink_->wants_snapshots(); });
  }
  // Reads to the end of the session: why it ended as the agent sees it.
  Errc end_of_session() {
    for (;;) {
      const auto message = next_any();
      if (!message) return message.error().code();
    }
  }

  void add_events(std::size_t count) {
    std::vector<pb::ProcessEvent> events(count);
    for (auto& event : events) event.set_event_time_ms(clock_.unix_ms());
    spool::EncodedEvents encoded;
    for (const pb::ProcessEvent& event : events) encoded.add(event);
    ASSERT_TRUE(spool_->append(encoded));
    if (uplink_) uplink_->wake();
  }
  std::vector<LedgerLine> ledger_lines() const {
    std::vector<LedgerLine> lines;
    const auto report = ledger::verify_path(dir_ + "/ledger", [&](const ledger::Entry& entry) {
      lines.push_back({entry.actor, entry.action, entry.payload});
    });
    EXPECT_TRUE(report && report->is_whole());
    return lines;
  }

  struct AskedTask {
    pb::DetectionTask task;
    std::function<void(pb::DetectionResult)> done;
  };

  std::string dir_;
  boost::asio::io_context io_;
  StillClock clock_;
  Options options_;
  Hooks hooks_;
  std::optional<link::Listener> listener_;
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<audit::LedgerFile> ledger_;
  std::unique_ptr<Uplink> uplink_;
  bool running_ = false;
  link::Connection peer_;
  std::vector<std::uint32_t> intervals_;
  int scans_asked_ = 0;
  std::vector<AskedTask> tasks_;
  std::vector<std::string> revoked_;
  int sessions_ended_ = 0;
};

// "1-256", for the sequences of a batch.
inline std::string sequences(const pb::Envelope& message) {
  const auto& events = message.publish().events().events();
  if (events.empty()) return "none";
  return std::to_string(events.begin()->sequence()) + "-" + std::to_string(events.rbegin()->sequence());
}

}  // namespace de::uplink
