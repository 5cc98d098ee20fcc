// Collector sessions of an agent, with the collectors played by the test on real sockets. What they publish is
// "committed" by the test: at once, or when it says so.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/collector_session.h"
#include "still_clock.h"

namespace de::bus {

using namespace std::chrono_literals;

// One collector: the agent's session and the test's end of it.
struct Played {
  std::shared_ptr<CollectorSession> session;
  link::Connection end;
  std::optional<Result<>> ended;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    consumers_.acked = [this](const std::string&, const std::string&) { return committed_before_; };
    consumers_.publish = [this](std::string collector, std::string, pb::Publish publish) {
      return commit(std::move(collector), std::move(publish));
    };
    consumers_.publish_events = [this](std::string collector, std::string, EventBatches batches) {
      pb::Publish together;
      for (const auto& batch : batches) together.mutable_events()->MergeFrom(*batch);
      return commit(std::move(collector), std::move(together));
    };
    consumers_.arrived = [this](const std::string&, const std::string& spool_id, const auto& events, std::size_t) {
      for (const pb::ProcessEvent& event : events->events())
        arrived_.push_back(spool_id + " " + std::to_string(event.sequence()));
    };
    consumers_.ledger_appended = [this](const std::string& id, const pb::LedgerAppended& appended) {
      notes_.push_back(id + " entered " + std::to_string(appended.sequence()));
    };
    consumers_.task_result = [this](const std::string& id, const pb::DetectionResult& result) {
      notes_.push_back(id + " answered " + result.task_id());
    };
    consumers_.connected = [this](const std::string& id) { notes_.push_back(id + " connected"); };
    consumers_.ended = [this](const std::string& id, const std::string&, bool violation) {
      notes_.push_back(id + (violation ? " violated" : " ended"));
    };
  }
  ~SessionTest() override {
    release();
    for (const auto& played : played_) {
      played->end.close();
      drive([&] { return played->ended.has_value(); });
    }
  }

  static Admission only_us() {
    Admission out;
    out.uids = {::geteuid()};
    return out;
  }

  link::Task<std::uint64_t> commit(std::string collector, pb::Publish publish) {
    commits_.push_back({collector, publish});
    while (held_) {
      hold_.expires_at(boost::asio::steady_timer::time_point::max());
      boost::system::error_code ec;
      co_await hold_.async_wait(link::into(ec));
    }
    if (commit_error_) co_return fail(*commit_error_, "commit failed");
    const auto& events = publish.events().events();
    co_return events.empty() ? std::uint64_t{0} : events.rbegin()->sequence();
  }
  void release() {
    held_ = false;
    hold_.cancel();
  }

  template <class Done>
  void drive(Done done) {
    io_.restart();
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!done() && std::chrono::steady_clock::now() < until) io_.run_one_for(100ms);
  }
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

  Played& connect() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    const link::Limits wide{8u << 20, 8u << 20};
    auto ours = link::Connection::adopt(io_.get_executor(), UniqueFd(ends[0]), kBrokerLimits);
    auto theirs = link::Connection::adopt(io_.get_executor(), UniqueFd(ends[1]), wide);
    Played& played = *played_.emplace_back(std::make_unique<Played>());
    played.session =
        std::make_shared<CollectorSession>(io_.get_executor(), std::move(*ours), registry_, consumers_, clock_);
    played.end = std::move(*theirs);
    boost::asio::co_spawn(io_, played.session->run(), [&played](const std::exception_ptr& thrown, Result<> ended) {
      if (thrown) std::rethrow_exception(thrown);
      played.ended = std::move(ended);
    });
    return played;
  }
  static pb::Envelope hello(const std::string& id) {
    pb::Envelope message;
    message.mutable_hello()->set_protocol_major(1);
    message.mutable_hello()->set_collector_id(id);
    message.mutable_hello()->set_spool_id("spool-" + id);
    message.mutable_hello()->set_last_sequence(1'000);
    return message;
  }
  // A collector that was welcomed, and may publish when `begin`.
  Played& admit(const std::string& id, bool begin = true) {
    Played& played = connect();
    say(played, hello(id));
    const auto answer = next(played);
    EXPECT_TRUE(answer && answer->has_welcome());
    drive([&] { return registry_.collectors().count(id) != 0; });
    if (begin) {
      played.session->begin(5'000);
      EXPECT_TRUE(next(played)->has_begin());
    }
    return played;
  }

  void say(Played& played, const pb::Envelope& message) { say_bytes(played, message.SerializeAsString()); }
  void say_bytes(Played& played, std::string payload) { (void)run(played.end.write(std::move(payload), 5s)); }
  Result<pb::Envelope> next_any(Played& played) { return run(link::read_message<pb::Envelope>(played.end, 5s)); }
  Result<pb::Envelope> next(Played& played) {
    for (;;) {
      auto message = next_any(played);
      if (!message || !(message->has_heartbeat() || message->has_alive())) return message;
    }
  }
  // Whether anything but a heartbeat is there to read. Nothing can be read from this collector afterwards.
  bool has_answer(Played& played) {
    auto got = std::make_shared<bool>(false);
    auto work = [](link::Connection& end, std::shared_ptr<bool> seen) -> link::Task<> {
      for (;;) {
        auto message = co_await link::read_message<pb::Envelope>(end, 5s);
        if (!message) co_return fail(std::move(message).error());
        if (!message->has_heartbeat() && !message->has_alive()) *seen = true;
      }
    };
    boost::asio::co_spawn(io_, work(played.end, got), [](const std::exception_ptr&, const Result<>&) {});
    settle();
    return *got;
  }
  Errc end_of(Played& played) {
    for (;;) {
      const auto message = next_any(played);
      if (message) continue;
      drive([&] { return played.ended.has_value(); });
      return message.error().code();
    }
  }
  static pb::Envelope events(std::uint64_t first, std::uint64_t last) {
    pb::Envelope message;
    for (std::uint64_t i = first; i <= last; ++i)
      message.mutable_publish()->mutable_events()->add_events()->set_sequence(i);
    return message;
  }
  bool noted(const std::string& note) const { return std::find(notes_.begin(), notes_.end(), note) != notes_.end(); }
  const Collector& at(const std::string& id) { return registry_.collectors().at(id); }

  struct Commit {
    std::string collector;
    pb::Publish publish;
  };

  boost::asio::io_context io_;
  StillClock clock_;
  Registry registry_{only_us(), clock_};
  Consumers consumers_;
  std::uint64_t committed_before_ = 0;
  bool held_ = false;  // Commits do not end until release().
  boost::asio::steady_timer hold_{io_};
  std::optional<Errc> commit_error_;
  std::vector<Commit> commits_;
  std::vector<std::string> arrived_;  // "spool sequence"
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<Played>> played_;
};

}  // namespace de::bus
