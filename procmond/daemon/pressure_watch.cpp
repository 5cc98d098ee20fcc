#include "daemon/pressure_watch.h"

#include <ctime>
#include <string>

#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::int64_t kLookEveryNs = 100'000'000;

std::int64_t cpu_used_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);  // Cannot fail for our own process.
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

void PressureWatch::look(double waiting, double spool) {
  collect::PressureReading reading;
  reading.now_ns = clock_.steady_ns();
  if (looked_ns_ && reading.now_ns - *looked_ns_ < kLookEveryNs) return;
  looked_ns_ = reading.now_ns;
  reading.ring = collector_.take_peak_fill();
  reading.waiting = waiting;
  reading.spool = spool;
  reading.cpu_ns = cpu_used_ns();
  const auto change = pressure_.observe(reading);
  if (!change) return;
  collector_.shed(change->to);
  if (change->to != change->from) since_ms_ = clock_.unix_ms();
  enter(*change);
}

void PressureWatch::enter(const collect::Pressure::Change& change) {
  const char* const left_out = collect::to_text(change.to);
  const char* action = "pressure.rose";
  const char* said = "details of processes are left out";
  if (change.to == change.from) {
    action = "pressure.stays";
    said = "details of processes stay left out, for another reason";
  } else if (change.to < change.from) {
    action = "pressure.fell";
    said = "fewer details of processes are left out";
  }
  log::write(change.to < change.from ? log::Level::Info : log::Level::Warn, "pressure", said,
             {log::field("left_out", left_out), log::field("why", change.why)});
  const auto entered =
      ledger_.append("procmond", action,
                     "{\"from\":" + number(static_cast<std::uint64_t>(change.from)) +
                         ",\"to\":" + number(static_cast<std::uint64_t>(change.to)) + ",\"left_out\":\"" + left_out +
                         "\",\"why\":" + json_string(change.why) + "}");
  if (!entered) log::error("audit", "ledger entry failed", {log::field("reason", entered.error().message())});
}

void PressureWatch::fill_heartbeat(pb::Heartbeat& beat) const {
  const collect::ShedCounts shed = collector_.shed_counts();
  const collect::Shedding level = pressure_.level();
  pb::Finding& finding = *beat.add_findings();
  finding.set_component("pressure");
  finding.set_level(level == collect::Shedding::Nothing ? pb::Finding::OK : pb::Finding::DEGRADED);
  std::string detail = "level " + number(static_cast<std::uint64_t>(level)) + ": " + collect::to_text(level);
  detail += " left out";
  if (level != collect::Shedding::Nothing)
    detail += " since " + std::string(to_iso8601(since_ms_).text) + " because " + pressure_.why();
  finding.set_detail(detail + "; so far " + number(shed.environments) + " environments, " + number(shed.hashes) +
                     " hashes, " + number(shed.arguments) + " argument tails");
  auto& counters = *beat.mutable_counters();
  counters["pressure_level"] = static_cast<std::uint64_t>(level);
  counters["pressure_rises"] = pressure_.rises();
  counters["environments_shed"] = shed.environments;
  counters["hashes_shed"] = shed.hashes;
  counters["argument_tails_shed"] = shed.arguments;
  const auto seconds = [this](collect::Shedding at) {
    return static_cast<std::uint64_t>(pressure_.time_ns()[static_cast<std::size_t>(at)] / 1'000'000'000);
  };
  counters["seconds_shedding_environments"] = seconds(collect::Shedding::Environment);
  counters["seconds_shedding_hashes"] = seconds(collect::Shedding::Hashes);
  counters["seconds_shedding_arguments"] = seconds(collect::Shedding::Arguments);
}

}  // namespace de::daemon
