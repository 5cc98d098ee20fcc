// Everything an operator's request can reach.
//
// Thread: io; the pools are where blocking work goes.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bus/registry.h"
#include "catalog/catalog.h"
#include "catalog/demand.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/link/task.h"
#include "ingest/detector.h"
#include "ingest/event_queue.h"
#include "ingest/intake.h"
#include "integrity/canary.h"
#include "mirror/session.h"
#include "mirror/stored_source.h"
#include "sink/delivery.h"
#include "store/store.h"
#include "supervise/supervisor.h"
#include "trace/tracer.h"

namespace de::serve {

struct LedgerBacklog {
  std::uint64_t waiting = 0;  // Entries procmond has not confirmed yet.
  std::uint64_t lost = 0;
};

// A key of the configuration whose value was not the same when it was read again.
struct ChangedSetting {
  std::string key;
  std::string before;
  std::string after;
  std::string where;
  bool in_force = false;  // Else it takes a restart.
};

struct SettingsState {
  bool read_only = false;            // No request may change anything.
  std::string refused;               // Why the latest reload changed nothing; empty: it was taken over.
  std::vector<std::string> waiting;  // Keys that were changed and take a restart.
};

struct BacktestLimits {
  mirror::Budget run;               // Of the rule, once.
  std::int64_t time_ms = 0;         // Of all runs.
  std::uint32_t dedup_seconds = 0;  // When the rule does not say.
};

struct Context {
  const Clock& clock;
  store::Store& store;
  bus::Registry& registry;
  ingest::Intake& intake;
  const mirror::StoredSource& stored;
  const mirror::HostSource* host;  // Null: nobody is told about the host.
  ingest::Detector& detector;      // Only report() here; the rest belongs to `detect`.
  const catalog::Catalog& catalog;
  const catalog::Demand& demand;
  trace::Tracer& tracer;
  boost::asio::thread_pool& readers;
  boost::asio::thread_pool& detect;
  std::vector<std::unique_ptr<sink::Delivery>>& sinks;
  const supervise::Supervisors& supervisors;
  const integrity::Canary& canary;
  mirror::Budget query_budget;
  BacktestLimits backtest;
  std::string file_dir;  // Where long answers wait to be read.
  std::function<std::shared_ptr<const mirror::Image>()> image;
  // Returns when everything that collectors have sent by now can be read from the store, or cannot be stored.
  std::function<link::Task<>()> settle;
  // Has columns on demand collected. Returns whether the current snapshot has them, which takes a moment.
  std::function<link::Task<bool>(mirror::ColumnNeeds needs, std::int64_t limit_ms)> collect;
  // Reads from processes. What is in neither part of the answer did not come in time.
  std::function<link::Task<std::shared_ptr<const mirror::LiveRows>>(std::vector<mirror::LiveKey> keys,
                                                                    std::int64_t limit_ms)>
      read_live;
  std::size_t max_live = 0;  // Processes, for one statement.
  std::function<pb::Completeness()> completeness;
  std::function<std::string()> state;  // Of the agent's state machine.
  // An entry for the ledger: action and JSON payload.
  std::function<void(const std::string& action, const std::string& payload)> audit;
  std::function<LedgerBacklog()> ledger;
  std::function<ingest::EventQueueCounts()> new_events;
  // Reads the configuration again for the user `uid`. An error means that everything is as it was.
  std::function<link::Task<std::vector<ChangedSetting>>(uid_t uid)> reload;
  // Switches a rule for the user `uid`, and returns the new generation of the rules. An error means that everything is
  // as it was.
  std::function<link::Task<std::uint64_t>(uid_t uid, std::string rule_id, detect::RuleSwitch position)> switch_rule;
  SettingsState settings;
};

}  // namespace de::serve
