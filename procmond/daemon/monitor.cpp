#include "daemon/monitor.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <cstdlib>

#include "collect/describe.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::uint32_t kLongestIntervalMs = 3'600'000;
constexpr std::int64_t kSettledNs = 1'000'000'000;
constexpr double kPressureOn = 0.7;
constexpr double kPressureOff = 0.5;
constexpr std::size_t kBuffersWaiting = 8;
constexpr std::size_t kChunkBytes = 2UL << 20;  // Half of what a frame may hold.

std::string host_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return {};
  return host.data();
}

}  // namespace

Monitor::Monitor(config::ProcmondConfig config, config::SettingsSource source, std::unique_ptr<spool::Spool> spool,
                 audit::LedgerFile& ledger, const Clock& clock)
    : config_(std::move(config)),
      source_(std::move(source)),
      clock_(clock),
      spool_(std::move(spool)),
      ledger_(ledger),
      interval_ms_(config_.scan_interval_ms),
      stretched_ms_(config_.scan_interval_ms) {}

Monitor::~Monitor() { collect_.join(); }

collect::CollectorOptions Monitor::collector_options(std::shared_ptr<collect::Opener> opener) const {
  collect::CollectorOptions options;
  options.source.collect_environment = config_.collect_environment;
  options.source.mask_arguments = !config_.unmasked_arguments;
  options.source.opener = std::move(opener);
  options.source.deadline = std::chrono::milliseconds(config_.proc_deadline_ms);
  options.on_demand = config_.collect_on_demand;
  options.hash.state_dir = config_.paths.state_dir + "/collect";
  options.hash.bytes_per_second = static_cast<std::uint64_t>(config_.hash_budget_mb_per_s) << 20;
  options.hash.max_file_bytes = static_cast<std::uint64_t>(config_.hash_max_file_mb) << 20;
  return options;
}

Result<std::unique_ptr<Monitor>> Monitor::create(config::ProcmondConfig config, config::SettingsSource source,
                                                 std::vector<uid_t> agent_uids, OpenedSources sources,
                                                 std::unique_ptr<spool::Spool> spool, audit::LedgerFile& ledger,
                                                 const Clock& clock, ServiceNotify notify) {
  std::unique_ptr<Monitor> monitor(new Monitor(std::move(config), std::move(source), std::move(spool), ledger, clock));
  monitor->notify_ = std::move(notify);
  monitor->backend_ = sources.feed ? sources.feed->name() : "polling";
  monitor->why_not_better_ = std::move(sources.why_not_better);
  monitor->why_no_iterator_ = std::move(sources.why_no_iterator);
  monitor->spare_ = std::move(sources.spare);
  monitor->why_no_spare_ = std::move(sources.why_no_spare);
  const collect::CollectorOptions options = monitor->collector_options(std::move(sources.opener));
  DE_TRY(collector, collect::Collector::create(options, clock, std::move(sources.feed), std::move(sources.iterator)));
  monitor->collector_ = std::move(collector);
  monitor->pressure_ =
      std::make_unique<PressureWatch>(*monitor->collector_, ledger, clock, monitor->config_.events_max_cpu_percent);

  uplink::Options uplink_options;
  uplink_options.broker_socket = monitor->config_.paths.broker_socket;
  uplink_options.boot_id = monitor->collector_->boot_id();
  uplink_options.hostname = host_name();
  uplink_options.agent_uids = std::move(agent_uids);
  uplink_options.schema = collect::describe(options);
  if (const char* token = std::getenv("DAEMONEYE_SPAWN_TOKEN")) uplink_options.spawn_token = token;
  monitor->uplink_ = std::make_unique<uplink::Uplink>(monitor->io_.get_executor(), std::move(uplink_options),
                                                      monitor->make_hooks(), *monitor->spool_, ledger, clock);
  return monitor;
}

Result<Monitor::ScanDone> Monitor::scan(std::uint64_t scan_id, bool with_snapshot) {
  ScanDone done;
  pb::Envelope envelope;
  pb::SnapshotChunk* chunk = nullptr;
  std::size_t bytes = 0;
  std::uint32_t next = 0;
  const std::int64_t time_ms = clock_.unix_ms();
  const auto open_chunk = [&] {
    envelope.Clear();
    envelope.mutable_publish()->set_topic("events.process.batch");
    chunk = envelope.mutable_publish()->mutable_snapshot();
    chunk->set_scan_id(scan_id);
    chunk->set_chunk(next++);
    chunk->set_scan_time_ms(time_ms);
    bytes = 0;
  };
  const auto on_record = [&](pb::ProcessRecord& record) {
    if (!with_snapshot || fault::drops("uplink")) return;
    const std::size_t size = record.ByteSizeLong();
    if (chunk->processes_size() >= static_cast<int>(uplink::kRecordsPerChunk) || bytes + size > kChunkBytes) {
      done.chunks.push_back(envelope.SerializeAsString());
      open_chunk();
    }
    bytes += size;
    chunk->add_processes()->Swap(&record);
  };
  open_chunk();
  DE_TRY(summary, collector_->scan(on_record, done.events));
  done.summary = summary;
  if (with_snapshot) {
    chunk->set_last(true);
    *chunk->mutable_summary() = summary;
    done.chunks.push_back(envelope.SerializeAsString());
  }
  return done;
}

link::Task<> Monitor::one_scan() {
  const std::uint64_t scan_id = ++scan_id_;
  const bool with_snapshot = uplink_->wants_snapshots();
  auto job = [this, scan_id, with_snapshot] { return scan(scan_id, with_snapshot); };
  auto done = co_await link::run_on(collect_, std::move(job));
  if (!done) {
    trouble_ = done.error().message();
    log::error("collect", "scan failed", {log::field("reason", trouble_)});
    co_return fail(std::move(done).error());
  }
  trouble_.clear();
  auto counts_job = [this]() -> Result<collect::Counts> { return collector_->counts(); };
  auto counts = co_await link::run_on(collect_, std::move(counts_job));
  if (counts) collect_counts_ = *counts;
  auto books_job = [this]() -> Result<std::vector<pb::Finding>> { return collector_->check_books(); };
  auto findings = co_await link::run_on(collect_, std::move(books_job));
  if (findings) {
    ++books_checked_;
    note_findings(std::move(*findings));
  }
  spool::EncodedEvents encoded;
  for (const pb::ProcessEvent& event : done->events) encoded.add(event);
  spool_events(encoded);
  if (!done->chunks.empty()) uplink_->offer_snapshot(std::move(done->chunks));
  adjust_to_pressure();
  co_return Result<>{};
}

void Monitor::spool_events(const spool::EncodedEvents& events) {
  settle_spool_trouble();
  if (events.empty()) return;
  note_spooled(spool_->append(events));
  uplink_->wake();
}

void Monitor::note_spooled(const Result<>& spooled) {
  if (spooled) return;
  // One line for a trouble that lasts; the heartbeat repeats it and the spool counts.
  if (spool_trouble_.empty())
    log::error("spool", "events could not be spooled", {log::field("reason", spooled.error().message())});
  spool_trouble_ = spooled.error().message();
  spool_failed_ns_ = clock_.steady_ns();
}

// Usually the agent has committed everything long before: what it has needs no copy of ours.
link::Task<> Monitor::sync_loop() {
  while (!stopping_) {
    next_sync_.expires_after(std::chrono::milliseconds(config_.spool_sync_ms));
    boost::system::error_code ec;
    co_await next_sync_.async_wait(link::into(ec));
    note_spooled(spool_->sync_what_waits());
  }
  co_return Result<>{};
}

// On a disk that is full a small write still succeeds now and then: it takes a while without a failure.
void Monitor::settle_spool_trouble() {
  if (spool_trouble_.empty() || clock_.steady_ns() - spool_failed_ns_ < kSettledNs || !spool_->sync()) return;
  spool_trouble_.clear();
  log::info("spool", "events are spooled again");
}

Result<> Monitor::start_pump() {
  if (collector_->wake_fd() < 0) return {};
  EventPump::Limits limits;
  limits.latency_ms = config_.events_latency_ms;
  // What the kernel had room for grows when it becomes events; one full buffer is no pressure yet.
  limits.waiting_bytes = kBuffersWaiting * (std::size_t{config_.events_buffer_mb} << 20);
  EventPump::Hooks hooks;
  hooks.hand_on = [this](collect::Collected collected) { take_collected(std::move(collected)); };
  hooks.on_end = [this](const std::string& reason) { on_feed_end(reason); };
  DE_TRY(pump, EventPump::start(io_.get_executor(), *collector_, limits, std::move(hooks)));
  pump_ = std::move(pump);
  return {};
}

void Monitor::take_collected(collect::Collected collected) {
  look_at_pressure();
  const std::size_t bytes = collected.events.bytes.size();
  spool_events(collected.events);
  if (collected.lost > 0) note_loss(collected);
  if (pump_) pump_->taken(bytes);
}

void Monitor::enter(const char* action, const std::string& payload) {
  const auto entered = ledger_.append("procmond", action, payload);
  if (!entered) log::error("audit", "ledger entry failed", {log::field("reason", entered.error().message())});
}

// Numbers are given out for what was lost, so that whoever reads the events sees the hole; a scan finds out at once
// what is true now.
void Monitor::note_loss(const collect::Collected& collected) {
  spool_->append_lost(collected.lost, collected.from_ms, collected.to_ms);
  log::warn("collect", "the kernel had no room for events",
            {log::field("lost", std::to_string(collected.lost)), log::field("hint", "raise events.buffer_mb")});
  enter("events.lost",
        "{\"count\":" + std::to_string(collected.lost) + ",\"from_ms\":" + std::to_string(collected.from_ms) +
            ",\"to_ms\":" + std::to_string(collected.to_ms) + ",\"why\":\"the kernel's buffer was full\"}");
  uplink_->wake();
  scan_requested_ = true;
  next_scan_.cancel();
}

// The next best that still works without privileges; the difference between scans always does.
void Monitor::on_feed_end(const std::string& reason) {
  pump_.reset();
  std::unique_ptr<collect::EventFeed> next;
  std::string why = backend_ + ": " + reason;
  if (backend_ == "bpf") {
    if (const Result<> begun = spare_ ? spare_->begin() : fail(Errc::Unsupported, why_no_spare_)) {
      next = std::move(spare_);
    } else {
      why += "; connector: " + begun.error().message();
    }
  }
  const std::string to = next ? next->name() : "polling";
  take_collected(collector_->replace_feed(std::move(next)));
  log::error("collect", "another way to see events from now on",
             {log::field("was", backend_), log::field("is", to), log::field("reason", reason)});
  enter("backend.degraded",
        "{\"from\":" + json_string(backend_) + ",\"to\":" + json_string(to) + ",\"why\":" + json_string(reason) + "}");
  why_not_better_ = std::move(why);
  feed_trouble_ = "events are only seen by " + to + ", because " + backend_ + " ended: " + reason;
  backend_ = to;
  uplink_->beat_now();
  if (const Result<> started = start_pump(); !started)
    log::error("collect", "no thread for events", {log::field("reason", started.error().message())});
  scan_requested_ = true;
  next_scan_.cancel();
}

// Slower scans while nobody takes the events away; back to normal when there is room again.
void Monitor::adjust_to_pressure() {
  const double fill = spool_->fill();
  if (fill > kPressureOn) {
    stretched_ms_ = std::min<std::uint32_t>(stretched_ms_ + stretched_ms_ / 2, kLongestIntervalMs);
  } else if (fill < kPressureOff) {
    stretched_ms_ = interval_ms_;
  }
}

void Monitor::look_at_pressure() { pressure_->look(pump_ ? pump_->fill() : 0, spool_->fill()); }

// What comes is looked at when it comes; that nothing comes any more is seen here.
link::Task<> Monitor::pressure_loop() {
  while (!stopping_) {
    look_at_pressure();
    look_at_opener();
    next_look_.expires_after(std::chrono::seconds(1));
    boost::system::error_code ec;
    co_await next_look_.async_wait(link::into(ec));
  }
  co_return Result<>{};
}

link::Task<> Monitor::scan_loop() {
  std::int64_t next_ns = clock_.steady_ns();
  while (!stopping_) {
    scan_requested_ = false;
    auto scanned = co_await one_scan();
    (void)scanned;  // Logged, shown by the heartbeat, tried again on time.
    next_ns = clock_.steady_ns() + static_cast<std::int64_t>(stretched_ms_) * 1'000'000;
    while (!stopping_ && !scan_requested_ && clock_.steady_ns() < next_ns) {
      next_scan_.expires_after(std::chrono::nanoseconds(next_ns - clock_.steady_ns()));
      boost::system::error_code ec;
      co_await next_scan_.async_wait(link::into(ec));
      // A new interval counts from the last scan.
      next_ns = std::min(next_ns, clock_.steady_ns() + static_cast<std::int64_t>(stretched_ms_) * 1'000'000);
    }
  }
  co_return Result<>{};
}

Result<> Monitor::run() {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.async_wait([this](boost::system::error_code ec, int) {
    if (!ec) stop();
  });
  listen_for_hangup();
  const auto on_end = [](std::exception_ptr failure, Result<>) {
    if (failure) std::rethrow_exception(failure);
  };
  DE_CHECK(start_pump());
  boost::asio::co_spawn(io_, uplink_->run(), on_end);
  boost::asio::co_spawn(io_, scan_loop(), on_end);
  boost::asio::co_spawn(io_, sync_loop(), on_end);
  boost::asio::co_spawn(io_, pressure_loop(), on_end);
  if (notify_.is_connected()) boost::asio::co_spawn(io_, notify_loop(), on_end);
  io_.run();
  pump_.reset();
  DE_CHECK(spool_->sync());
  log::info("procmond", "stopped");
  return {};
}

void Monitor::stop() {
  stopping_ = true;
  notify_.stopping();
  if (pump_) pump_->stop();
  uplink_->stop();
  next_scan_.cancel();
  next_sync_.cancel();
  next_look_.cancel();
  next_notice_.cancel();
  signals_.cancel();
  hangup_.cancel();
}

}  // namespace de::daemon
