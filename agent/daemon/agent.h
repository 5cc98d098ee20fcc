// The agent, put together: every object is built here, in order, and handed what it needs.
//
// Thread: main, which becomes the io thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alert/own.h"
#include "bus/collector_session.h"
#include "bus/registry.h"
#include "catalog/catalog.h"
#include "catalog/demand.h"
#include "daemon/delivery_queue.h"
#include "daemon/launched.h"
#include "daemon/ledger_queue.h"
#include "daemon/lifecycle.h"
#include "daemoneye/base/allowance.h"
#include "daemoneye/base/pulse.h"
#include "daemoneye/base/service_notify.h"
#include "daemoneye/config/config.h"
#include "daemoneye/link/listener.h"
#include "host/host_facts.h"
#include "ingest/detector.h"
#include "ingest/event_queue.h"
#include "ingest/intake.h"
#include "ingest/stored_rows.h"
#include "integrity/canary.h"
#include "integrity/clock_watch.h"
#include "integrity/file_watch.h"
#include "serve/control.h"
#include "sink/delivery.h"
#include "store/store.h"
#include "supervise/supervisor.h"
#include "supervise/token.h"
#include "trace/tracer.h"

namespace de::daemon {

struct AgentIdentity {
  std::vector<uid_t> collector_uids;
  std::map<std::string, uid_t> users_of_collectors;  // Who must be who registers under an id, where that is configured.
  std::optional<gid_t> readers;
  std::optional<gid_t> admins;
  std::string host;
  host::SystemFacts system;
};

// Programs and configuration, there or not.
std::vector<std::string> watched_files(const config::AgentConfig& config, const config::LoadInput& input);

inline constexpr const char* kLedgerKeeper = "procmond";

class Agent {
 public:
  // Opens everything or says what stands in the way. `clock` outlives the agent.
  static Result<std::unique_ptr<Agent>> bring_up(config::AgentConfig config, config::SettingsSource source,
                                                 AgentIdentity identity, Launched launched, const Clock& clock,
                                                 ServiceNotify notify);
  ~Agent();

  // For the ledger: what the agent holds, as JSON.
  void note_privileges(const std::string& held) { audit("privileges.held", held); }
  // Returns after SIGTERM or SIGINT, everything drained.
  Result<> run();

  // The keys that a reload takes over.
  static std::vector<std::string_view> reloaded_keys();

 private:
  Agent(config::AgentConfig config, config::SettingsSource source, AgentIdentity identity, Launched launched,
        const Clock& clock);
  Result<> open();
  ingest::DetectorOptions detector_options() const;
  Result<> listen();
  Result<> open_sinks();
  Result<std::unique_ptr<sink::Sink>> make_sink(const config::SinkConfig& entry);
  void expect_collectors();
  Result<> check_genuine(const link::Peer& peer, const pb::Hello& hello);

  bool is_let_in(uid_t uid);
  link::Task<> accept_collectors();
  link::Task<> housekeeping();
  link::Task<> notify_loop();
  std::string standing_still();
  std::string describe() const;
  link::Task<> reload_rules();
  link::Task<> detect_loop();
  ingest::Round look_at_events(const pb::Completeness& known);
  link::Task<> detect_events();
  link::Task<> detect_snapshot();
  link::Task<> store_alerts(std::vector<ingest::RaisedAlert> alerts);
  link::Task<> enforce_retention();
  link::Task<> report_troubles();
  void listen_for_hangup();
  link::Task<> reload_on_hangup();
  link::Task<std::vector<serve::ChangedSetting>> reload_settings(uid_t uid);
  link::Task<std::uint64_t> switch_rule(uid_t uid, std::string rule_id, detect::RuleSwitch position);
  detect::RuleSwitches find_switches() const;
  void rules_are_new(const ingest::RuleChanges& changes);
  Result<std::vector<serve::ChangedSetting>> take_over(const config::Loaded<config::AgentConfig>& read, uid_t uid);
  void tick_supervisors();
  void open_canary();
  void watch_files();
  void watch_rules();
  std::optional<std::string> find_note(const char* name) const;
  void write_down();
  std::string why_no_canary() const;
  void watch_ourselves();
  void notice(const char* reason, const std::string& subject, std::string detail);
  void notice_rules(const ingest::RuleChanges& changes, const char* when = "");
  void advance();
  void begin_monitoring();
  void on_connected(const std::string& id);
  void on_ended(const std::string& id, const std::string& why, bool violation);
  bus::Consumers make_consumers();
  serve::Context make_context();
  link::Task<std::uint64_t> take_events(std::string collector, std::string spool_id, bus::EventBatches batches);
  bool owns_processes(const std::string& id) const;
  void describe_tables(const std::string& id);
  void forget_tables(const std::string& id);
  link::Task<std::uint64_t> take_rows(std::string collector, pb::TableRows rows);
  void show_tables();
  void tables_are_other();
  link::Task<> plan_anew();
  void begin_tasks(const std::string& id);
  void send_tasks();
  void take_result(const pb::DetectionResult& result);
  using ReadLive = std::shared_ptr<const mirror::LiveRows>;
  std::string send_read(const std::vector<mirror::LiveKey>& keys, std::size_t& next);
  link::Task<ReadLive> read_live(std::vector<mirror::LiveKey> keys, std::int64_t limit_ms);
  link::Task<> live_loop();
  link::Task<> ask_live(ingest::LiveJob job);
  void take_live(const std::vector<ingest::LiveJob>& jobs);
  struct TraceRequest {
    std::shared_ptr<const detect::Rule> rule;
    trace::Subject subject;
    std::size_t alert;  // Which of them.
  };
  std::vector<TraceRequest> find_trace_requests(const std::vector<ingest::RaisedAlert>& alerts) const;
  void begin_traces(const std::vector<TraceRequest>& requests, const std::vector<ingest::RaisedAlert>& stored);
  link::Task<> add_descendants(std::shared_ptr<const trace::Trace> trace);
  link::Task<> trace_loop();
  link::Task<> capture_next();
  link::Task<bool> collect(mirror::ColumnNeeds needs, std::int64_t limit_ms);
  link::Task<> settle();  // Returns when what collectors have sent by now is committed, or cannot be.
  pb::Completeness completeness() const;
  void audit(const std::string& action, const std::string& payload) { ledger_.append(action, payload); }
  void note_ended(const std::string& id, const std::string& why, bool violation);
  bool tell_procmond(const pb::Envelope& message);
  void stop();
  void spawn(link::Task<> task, const char* what);

  friend struct Takeover;

  config::AgentConfig config_;
  config::SettingsSource source_;
  const AgentIdentity identity_;
  const Clock& clock_;
  boost::asio::io_context io_{1};
  Pulse writer_pulse_;  // Before the threads that beat.
  Pulse detect_pulse_;
  boost::asio::thread_pool writer_{1};
  boost::asio::thread_pool detect_{1};
  boost::asio::thread_pool readers_{3};  // One more than the requests of one user that are worked on.
  boost::asio::signal_set signals_{io_};
  boost::asio::signal_set hangup_{io_};
  boost::asio::steady_timer tick_{io_};
  boost::asio::steady_timer detect_wake_{io_};
  boost::asio::steady_timer live_wake_{io_};
  boost::asio::steady_timer trace_wake_{io_};
  boost::asio::steady_timer next_notice_{io_};
  ServiceNotify notify_;

  std::unique_ptr<store::Store> store_;
  std::unique_ptr<ingest::StoredRows> stored_;
  std::unique_ptr<host::HostFacts> host_;
  std::unique_ptr<mirror::Mirror> mirror_;
  std::unique_ptr<ingest::Detector> detector_;
  std::unique_ptr<bus::Registry> registry_;
  std::unique_ptr<catalog::Catalog> catalog_;
  catalog::Demand demand_{clock_};
  ingest::LiveJobs live_jobs_;
  std::map<std::string, std::optional<pb::DetectionResult>> live_reads_;  // Tasks that somebody waits for.
  std::uint64_t live_reads_made_ = 0;
  std::unique_ptr<trace::Tracer> tracer_;
  std::uint64_t trace_failures_ = 0;  // In a row.
  std::string process_collector_;     // That demand_ speaks to; empty: none.
  std::uint64_t rules_planned_ = 0;   // The generation of rules that demand_ knows.
  std::unique_ptr<ingest::Intake> intake_;
  std::unique_ptr<StoreQueue> queue_;
  const Launched launched_;  // Before the sinks, whose threads use its launcher.
  std::vector<std::unique_ptr<sink::Delivery>> sinks_;
  std::vector<std::string> sink_names_;
  std::unique_ptr<link::Listener> broker_;
  std::unique_ptr<link::Listener> control_listener_;
  bus::Consumers consumers_;
  std::unique_ptr<serve::Context> context_;
  std::unique_ptr<serve::Control> control_;
  supervise::TokenBook tokens_;
  supervise::Supervisors supervisors_;
  std::unique_ptr<integrity::Canary> canary_;
  integrity::ClockWatch clock_watch_{clock_};
  integrity::FileWatch files_;
  bool to_write_down_ = true;                                               // How files and rules of ours are now.
  std::map<std::string, std::shared_ptr<bus::CollectorSession>> sessions_;  // Shared with their coroutines.
  std::vector<std::weak_ptr<bus::CollectorSession>> sessions_pending_;      // Not admitted yet.

  State state_ = State::Loading;
  std::int64_t started_ns_ = 0;
  std::shared_ptr<const mirror::Image> image_;        // The latest snapshot; null before the first.
  std::shared_ptr<const mirror::Image> empty_image_;  // Until then.
  std::shared_ptr<const mirror::Image> shown_;        // One of them, with the tables of other collectors.
  std::set<std::string> new_tables_;                  // Of these: told anew, and waiting for the rules that read them.
  std::shared_ptr<const mirror::Image> to_detect_;    // Waiting for the rules; null when none.
  ingest::EventQueue new_events_{clock_};             // Likewise.
  std::vector<pb::Reason> detect_reasons_;            // Of the latest snapshot,
  std::vector<pb::Reason> event_reasons_;             // and of the events since.
  std::vector<pb::Reason> live_reasons_;              // Likewise, of the latest rule with AUTO JOIN that was asked.
  alert::OwnTroubles troubles_;
  std::vector<pb::Reason> notices_;  // No alert yet.
  bool trouble_untold_ = false;      // The last alert about ourselves could not be stored.
  LedgerQueue ledger_{[this](const pb::Envelope& message) { return tell_procmond(message); }};
  std::uint64_t open_sessions_ = 0;
  // Whoever is turned away again and again fills neither log nor ledger, and takes no time from others.
  std::map<uid_t, Allowance> knocks_;  // Of those who may come as collectors, and all others as one.
  Allowance ends_told_{2, 30};
  std::uint64_t violations_untold_ = 0;  // Since the last that was.
  bool reloading_ = false;
  bool switching_ = false;
  bool detecting_ = false;  // Events that were taken from new_events_, or their alerts are being stored.
  bool stopping_ = false;
};

}  // namespace de::daemon
