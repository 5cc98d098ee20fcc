// The control server with everything behind it real: store, mirror, rules, registry. Clients are played on its socket.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "daemoneye/link/dial.h"
#include "ingest/stored_rows.h"
#include "serve/control.h"

namespace de::serve {

using namespace std::chrono_literals;

// A date that stands still; time limits are real.
class FixedDate final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return system_clock().steady_ns(); }
  std::int64_t now_ms = 1'767'355'200'000;  // 2026-01-02T12:00:00Z
};

// A whole answer, values as text.
struct Reply {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::size_t pages = 0;
  std::optional<pb::Trailer> trailer;
  Errc end = Errc::Io;  // Why reading stopped after the trailer, or without one.

  pb::Status status() const { return trailer ? trailer->status() : pb::STATUS_FAILED; }
  std::string message() const { return trailer ? trailer->message() : "no trailer"; }
  // The second column of the row whose first one is `name`; of the third with `column` 2.
  std::string at(const std::string& name, std::size_t column = 1) const {
    for (const auto& row : rows)
      if (row[0] == name) return row.at(column);
    return "no row " + name;
  }
};

inline std::string text_of(const pb::Value& value) {
  if (value.has_integer()) return std::to_string(value.integer());
  if (value.has_real()) return std::to_string(value.real());
  if (value.has_blob()) return "blob:" + value.blob();
  return value.has_text() ? value.text() : "NULL";
}

class ControlTest : public testing::Test {
 protected:
  ControlTest() {
    char name[] = "/tmp/de-serve-XXXXXX";
    dir_ = ::mkdtemp(name);
    std::filesystem::create_directory(dir_ + "/rules");
    store::StoreOptions options;
    options.dir = dir_ + "/store";
    store_ = std::move(*store::Store::open(options, clock_));
    stored_ = std::make_unique<ingest::StoredRows>(*store_);
    mirror_ = std::move(*mirror::Mirror::create());
    ingest::DetectorOptions detector;
    detector.rules_dirs = {dir_ + "/rules"};
    detector.budget = mirror::kRuleBudget;
    detector.host = "host-1";
    detector_ = std::move(*ingest::Detector::open(detector, clock_));
    intake_ = std::make_unique<ingest::Intake>(*store_, *mirror_, writer_, clock_, [](auto) {});
    known_.set_complete(true);
    start(std::nullopt);
  }
  ~ControlTest() override {
    listener_->close();
    drive([this] { return ended_; });
    control_.reset();
    writer_.join();
    readers_.join();
    detect_.join();
    std::filesystem::remove_all(dir_);
  }

  void start(std::optional<gid_t> readers) {
    context_.reset(new Context{
        clock_,
        *store_,
        registry_,
        *intake_,
        *stored_,
        nullptr,  // No host.
        *detector_,
        catalog_,
        demand_,
        tracer_,
        readers_,
        detect_,
        sinks_,
        supervisors_,
        canary_,
        mirror::kAdHocBudget,
        BacktestLimits{mirror::kRuleBudget, 10'000, 300},
        dir_ + "/store",
        [this] { return image_; },
        [this] { return settle(); },
        [this](mirror::ColumnNeeds needs, std::int64_t) { return collect(std::move(needs)); },
        [this](std::vector<mirror::LiveKey> keys, std::int64_t) { return read_live(std::move(keys)); },
        std::size_t{3},
        [this] { return known_; },
        [] { return "SteadyState"; },
        [this](const std::string& action, const std::string& payload) { audited_.push_back(action + " " + payload); },
        [] {
          return LedgerBacklog{3, 0};
        },
        [] {
          return ingest::EventQueueCounts{7, 4, 2};
        },
        [this](uid_t uid) { return reload(uid); },
        [this](uid_t uid, std::string rule_id, detect::RuleSwitch position) {
          return switch_rule(uid, std::move(rule_id), position);
        },
        SettingsState{}});
    control_ = std::make_unique<Control>(
        io_.get_executor(), ControlOptions{readers, "daemoneye", admins_, "daemoneye-admin", limits_}, *context_);
    link::ListenOptions listen{dir_ + "/control.sock", 0600, std::nullopt, kControlLimits};
    listener_.emplace(std::move(*link::Listener::open(io_.get_executor(), std::move(listen))));
    boost::asio::co_spawn(io_, control_->run(*listener_),
                          [this](const std::exception_ptr&, const Result<>&) { ended_ = true; });
  }

  link::Task<std::uint64_t> switch_rule(uid_t uid, std::string rule_id, detect::RuleSwitch position) {
    if (rule_id == "none") co_return fail(Errc::NotFound, "no rule none");
    switched_.push_back(std::to_string(uid) + " " + rule_id + " " + std::string(detect::to_text(position)));
    co_return 9U;
  }
  // What the agent does for columns that are not in every snapshot.
  link::Task<bool> collect(mirror::ColumnNeeds needs) {
    collected_.push_back(std::move(needs));
    co_return can_collect_;
  }
  // What procmond would read: one file of each process, named after it.
  link::Task<std::shared_ptr<const mirror::LiveRows>> read_live(std::vector<mirror::LiveKey> keys) {
    auto out = std::make_shared<mirror::LiveRows>();
    for (const mirror::LiveKey& key : keys) {
      live_read_.push_back(key.pid);
      const std::string path = "/file/" + std::to_string(key.pid);
      if (live_fails_.empty())
        out->rows[key].push_back({key.pid, std::string("uid"), std::int64_t{3}, path});
      else
        out->failed[key.table] = live_fails_;
      if (!live_cut_.empty()) out->cut[key.table] = live_cut_;
    }
    co_return std::shared_ptr<const mirror::LiveRows>(std::move(out));
  }
  // What the agent does before a query is answered.
  link::Task<> settle() {
    if (on_settle_) on_settle_();
    boost::asio::steady_timer pause(io_);
    while (is_held_) {
      boost::system::error_code ec;
      pause.expires_after(1ms);
      co_await pause.async_wait(link::into(ec));
    }
    co_return Result<>{};
  }

  link::Task<std::vector<ChangedSetting>> reload(uid_t uid) {
    reloaded_by_.push_back(uid);
    co_return reloaded_;
  }

  template <class Done>
  void drive(Done done) {
    io_.restart();
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < until) io_.run_one_for(100ms);
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

  void restart(std::optional<gid_t> readers, std::optional<gid_t> admins) {
    listener_->close();
    drive([this] { return ended_; });
    ended_ = false;
    admins_ = admins;
    start(readers);
  }

  // Root only. The server decides by what it is itself, so only the moment of connecting belongs to the other user.
  link::Connection connect_as_other() {
    ::chmod(dir_.c_str(), 0755);
    ::chmod((dir_ + "/control.sock").c_str(), 0666);
    std::optional<Result<link::Connection>> dialled;
    EXPECT_EQ(::seteuid(65'534), 0);
    boost::asio::co_spawn(io_, link::dial(dir_ + "/control.sock", {4u << 20, 4u << 20}, 5s),
                          [&](const std::exception_ptr&, Result<link::Connection> made) { dialled = std::move(made); });
    io_.restart();
    while (!dialled && io_.poll_one() != 0) {
    }
    EXPECT_EQ(::seteuid(0), 0);
    return std::move(**dialled);
  }
  link::Connection connect() {
    auto dialled = run(link::dial(dir_ + "/control.sock", {4u << 20, 4u << 20}, 5s));
    if (!dialled) throw std::runtime_error(dialled.error().message());
    return std::move(*dialled);
  }
  static boost::asio::awaitable<Reply> read_reply(link::Connection& connection) {
    Reply reply;
    for (;;) {
      auto message = co_await link::read_message<pb::ControlReply>(connection, 10s);
      if (!message) {
        reply.end = message.error().code();
        co_return reply;
      }
      if (message->has_trailer()) reply.trailer = message->trailer();
      for (const std::string& column : message->header().columns()) reply.columns.push_back(column);
      if (message->has_page()) ++reply.pages;
      for (const pb::Row& row : message->page().rows()) {
        auto& values = reply.rows.emplace_back();
        for (const pb::Value& value : row.values()) values.push_back(text_of(value));
      }
    }
  }
  static boost::asio::awaitable<Reply> exchange(link::Connection& connection, std::string payload) {
    auto sent = co_await connection.write(std::move(payload), 5s);
    (void)sent;  // A server that hung up early may still have answered.
    co_return co_await read_reply(connection);
  }
  Reply ask_bytes(std::string payload) {
    link::Connection connection = connect();
    return run(exchange(connection, std::move(payload)));
  }
  Reply ask(pb::ControlRequest request) {
    if (request.protocol_major() == 0) request.set_protocol_major(1);
    return ask_bytes(request.SerializeAsString());
  }
  Reply query(const std::string& sql) { return ask(query_request(sql)); }
  static pb::ControlRequest query_request(const std::string& sql) {
    pb::ControlRequest request;
    request.set_protocol_major(1);
    request.mutable_query()->set_sql(sql);
    return request;
  }

  // A snapshot of processes with pids 1..count.
  void snapshot(std::uint32_t count, const std::string& name = "proc") {
    ASSERT_TRUE(mirror_->begin_scan(1, clock_.now_ms));
    for (std::uint32_t pid = 1; pid <= count; ++pid) {
      pb::ProcessRecord record;
      record.set_pid(pid);
      record.set_name(name + std::to_string(pid));
      record.set_process_uid(std::string(16, static_cast<char>(pid)));
      ASSERT_TRUE(mirror_->upsert(record, record.SerializeAsString()));
    }
    auto image = mirror_->finish_scan();
    ASSERT_TRUE(image);
    image_ = *image;
  }
  void rule_file(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/rules/" + name) << text;
    ASSERT_TRUE(detector_->reload());
  }
  std::string put_alert(const std::string& id, pb::Severity severity, const std::string& rule = "demo") {
    pb::Alert alert;
    alert.set_id(id);
    alert.set_rule_id(rule);
    alert.set_title("title of " + id);
    alert.set_severity(severity);
    alert.set_alert_time_ms(clock_.now_ms);
    alert.mutable_completeness()->set_complete(true);
    const std::vector<std::string> sinks = {"file"};
    EXPECT_TRUE(store_->put_alert(alert, sinks, 0));
    return id;
  }

  std::string dir_;
  FixedDate clock_;
  boost::asio::io_context io_;
  boost::asio::thread_pool writer_{1};
  boost::asio::thread_pool readers_{2};
  boost::asio::thread_pool detect_{1};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<ingest::StoredRows> stored_;
  std::unique_ptr<ingest::Detector> detector_;
  std::unique_ptr<ingest::Intake> intake_;
  bus::Registry registry_{bus::Admission{}, clock_};
  std::vector<std::unique_ptr<sink::Delivery>> sinks_;
  supervise::Supervisors supervisors_;
  integrity::Canary canary_{{}, {}, clock_};
  std::shared_ptr<const mirror::Image> image_;
  pb::Completeness known_;
  catalog::Catalog catalog_{clock_, catalog::Limits()};
  catalog::Demand demand_{clock_};
  trace::Tracer tracer_{clock_, {}};
  std::vector<mirror::ColumnNeeds> collected_;
  bool can_collect_ = true;
  std::vector<std::int64_t> live_read_;
  std::string live_fails_, live_cut_;
  std::vector<std::string> audited_;
  std::vector<std::string> switched_;
  std::optional<gid_t> admins_;
  AdmissionLimits limits_{100'000, Control::kMaxConnections + 1, 64UL << 20};  // Out of the way.
  std::vector<uid_t> reloaded_by_;
  Result<std::vector<ChangedSetting>> reloaded_;  // What the next reload comes to.
  std::function<void()> on_settle_;
  bool is_held_ = false;  // What settles does not.
  std::unique_ptr<Context> context_;
  std::unique_ptr<Control> control_;
  std::optional<link::Listener> listener_;
  bool ended_ = false;
};

}  // namespace de::serve
