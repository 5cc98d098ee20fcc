// Looks whether procmond keeps up, has the collector leave details out when it does not, and makes each step visible:
// a log line, a ledger entry, a line of the heartbeat.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <optional>

#include "audit/ledger_file.h"
#include "collect/collector.h"
#include "collect/pressure.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/broker.pb.h"

namespace de::daemon {

class PressureWatch {
 public:
  // All outlive the watch. `max_cpu_percent` as collect::Pressure has it.
  PressureWatch(collect::Collector& collector, audit::LedgerFile& ledger, const Clock& clock,
                std::uint32_t max_cpu_percent)
      : collector_(collector), ledger_(ledger), clock_(clock), pressure_(max_cpu_percent) {}

  // `waiting`, `spool`: as PressureReading has them. Called as often as one likes; looks ten times a second at most.
  void look(double waiting, double spool);
  void set_max_cpu_percent(std::uint32_t percent) { pressure_.set_max_cpu_percent(percent); }
  void fill_heartbeat(pb::Heartbeat& beat) const;

 private:
  void enter(const collect::Pressure::Change& change);

  collect::Collector& collector_;
  audit::LedgerFile& ledger_;
  const Clock& clock_;
  collect::Pressure pressure_;
  std::optional<std::int64_t> looked_ns_;
  std::int64_t since_ms_ = 0;  // When the level became what it is.
};

}  // namespace de::daemon
