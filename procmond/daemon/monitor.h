// procmond after the drop of privileges: scans on time, spools events, hands snapshots to the uplink.
//
// Thread: main, which becomes the io thread; the collector has one thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <memory>
#include <string>

#include "audit/ledger_file.h"
#include "collect/collector.h"
#include "daemon/event_pump.h"
#include "daemon/pressure_watch.h"
#include "daemon/sources.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/pulse.h"
#include "daemoneye/base/service_notify.h"
#include "daemoneye/config/config.h"
#include "spool/spool.h"
#include "uplink/uplink.h"

namespace de::daemon {

class Monitor {
 public:
  // `ledger` and `clock` outlive the monitor.
  static Result<std::unique_ptr<Monitor>> create(config::ProcmondConfig config, config::SettingsSource source,
                                                 std::vector<uid_t> agent_uids, OpenedSources sources,
                                                 std::unique_ptr<spool::Spool> spool, audit::LedgerFile& ledger,
                                                 const Clock& clock, ServiceNotify notify);
  ~Monitor();

  // Returns after SIGTERM or SIGINT, the spool synced.
  Result<> run();

  // The keys that SIGHUP takes over.
  static std::vector<std::string_view> reloaded_keys();

 private:
  struct ScanDone {
    pb::ScanSummary summary;
    std::deque<std::string> chunks;  // Serialised Envelopes.
    collect::EventList events;
  };

  Monitor(config::ProcmondConfig config, config::SettingsSource source, std::unique_ptr<spool::Spool> spool,
          audit::LedgerFile& ledger, const Clock& clock);
  collect::CollectorOptions collector_options(std::shared_ptr<collect::Opener> opener) const;
  uplink::Hooks make_hooks();
  link::Task<> scan_loop();
  link::Task<> one_scan();
  void begin(link::Task<> work);
  link::Task<> on_collector(std::function<void(collect::Collector&)> change);
  link::Task<> run_task(pb::DetectionTask task, std::function<void(pb::DetectionResult)> done);
  Result<ScanDone> scan(std::uint64_t scan_id, bool with_snapshot);
  void settle_spool_trouble();
  void spool_events(const spool::EncodedEvents& events);
  void note_spooled(const Result<>& spooled);
  link::Task<> sync_loop();
  Result<> start_pump();
  void take_collected(collect::Collected collected);
  void enter(const char* action, const std::string& payload);  // Into the ledger.
  void on_feed_end(const std::string& reason);
  void note_findings(std::vector<pb::Finding> findings);
  void note_loss(const collect::Collected& collected);
  void adjust_to_pressure();
  link::Task<> pressure_loop();
  void look_at_pressure();
  void look_at_opener();
  void add_troubles(pb::Heartbeat& beat) const;
  link::Task<> notify_loop();
  std::string standing_still();
  std::string describe() const;
  void fill_heartbeat(pb::Heartbeat& beat) const;
  void add_source_findings(pb::Heartbeat& beat) const;
  void add_settings_finding(pb::Heartbeat& beat) const;
  void set_interval(std::uint32_t interval_ms);
  void listen_for_hangup();
  link::Task<> reload();
  void take_over(const config::Loaded<config::ProcmondConfig>& read);
  void stop();

  friend struct Takeover;

  config::ProcmondConfig config_;
  config::SettingsSource source_;
  const Clock& clock_;
  boost::asio::io_context io_{1};
  Pulse collect_pulse_;  // Before the thread that beats.
  boost::asio::thread_pool collect_{1};
  boost::asio::signal_set signals_{io_};
  boost::asio::signal_set hangup_{io_};
  boost::asio::steady_timer next_scan_{io_};
  boost::asio::steady_timer next_sync_{io_};
  boost::asio::steady_timer next_look_{io_};
  boost::asio::steady_timer next_notice_{io_};
  ServiceNotify notify_;
  std::unique_ptr<spool::Spool> spool_;
  audit::LedgerFile& ledger_;
  std::unique_ptr<collect::Collector> collector_;  // On `collect_` only once run() has begun.
  std::unique_ptr<PressureWatch> pressure_;
  std::unique_ptr<uplink::Uplink> uplink_;
  std::string backend_;          // "bpf", "connector" or "polling".
  std::string why_not_better_;   // Empty: nothing is better.
  std::string why_no_iterator_;  // Empty: there is one.
  std::unique_ptr<collect::EventFeed> spare_;
  std::string why_no_spare_;         // Empty: there is one.
  std::unique_ptr<EventPump> pump_;  // After what it uses: ends first.
  std::uint32_t interval_ms_;
  std::uint32_t stretched_ms_;  // The interval in force: longer while the spool is under pressure.
  std::uint64_t scan_id_ = 0;
  std::string trouble_;               // Of the latest scan; empty: none.
  std::int64_t spool_failed_ns_ = 0;  // When they last could not.
  std::string spool_trouble_;         // Since events could not be spooled, until they can.
  collect::Counts collect_counts_;
  std::vector<pb::Finding> findings_;  // Of the latest interval.
  std::uint64_t books_checked_ = 0;
  std::string feed_trouble_;  // A better way to see events was taken away; empty: none.
  bool opener_is_gone_ = false;
  std::string settings_refused_;  // Why the latest reload changed nothing.
  std::string settings_waiting_;  // Changed keys that take a restart.
  bool scan_requested_ = false;
  bool stopping_ = false;
};

}  // namespace de::daemon
