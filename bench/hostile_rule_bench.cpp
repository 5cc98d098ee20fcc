// Twenty ordinary rules over a snapshot of 10,000 processes, alone and with fifty hostile ones between them that their
// budget stops. In turns, so that a machine that becomes slower favours none.
#include <benchmark/benchmark.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"
#include "ingest/detector.h"
#include "made_up.h"
#include "mirror/charge.h"
#include "mirror/hostile_statements.h"
#include "mirror/mirror.h"
#include "samples.h"

namespace {

using de::bench::quantile;

constexpr std::size_t kOrdinary = 20;
constexpr std::size_t kHostile = 50;
// A hundredth of what rules have, so that a round ends: long enough to find the caches of the processor full of others.
constexpr de::mirror::Budget kBudget{10, 32UL << 20, 1'000, 4UL << 20};

constexpr std::string_view kShapes[] = {
    "SELECT pid, name FROM processes WHERE name = 'xmrig{}'",
    "SELECT pid, name, executable_path FROM processes WHERE executable_path LIKE '/tmp/{}%'",
    "SELECT pid, name, command_line FROM processes WHERE command_line REGEXP '(curl|wget){} .*\\| *(ba)?sh'",
    "SELECT pid, name FROM processes WHERE on_disk_state = 'deleted' AND user_id = '{}'",
    "SELECT c.pid, c.name FROM processes c JOIN processes p ON p.pid = c.ppid WHERE p.name = 'nginx{}' AND c.ppid > 1",
};

// Only the processor time of this thread passes: what others do to the machine is no business of the rules.
class OwnTime final : public de::Clock {
 public:
  std::int64_t unix_ms() const override { return de::system_clock().unix_ms(); }
  std::int64_t steady_ns() const override { return de::mirror::thread_cpu_ns(); }
};

std::string rule_text(const std::string& id, const std::string& sql) {
  return "-- id: " + id + "\n-- on: snapshot\n" + sql + "\n";
}

std::string number(std::size_t of) { return (of < 10 ? "0" : "") + std::to_string(of); }
std::string id_of(std::size_t ordinary) { return "rule-" + number(ordinary); }

// Named so that they are evaluated between the ordinary ones.
bool write_hostile(const std::string& dir) {
  auto sessions = de::detect::CheckSessions::create(de::system_clock());
  if (!sessions) return false;
  std::vector<std::string> loadable;
  for (const auto& statement : de::hostile::statements()) {
    if (statement.fate == de::hostile::Fate::Refused) continue;
    auto rules = de::detect::parse_rule_text("x.sql", rule_text("x", statement.sql));
    if (rules && de::detect::check_rule(*sessions, rules->front())) loadable.push_back(statement.sql);
  }
  if (loadable.size() < kHostile) return false;
  for (std::size_t i = 0; i < kHostile; ++i) {
    const std::string id = id_of(i % kOrdinary) + "-hostile-" + number(i);
    std::ofstream(dir + "/" + id + ".sql") << rule_text(id, loadable[i * loadable.size() / kHostile]);
  }
  return true;
}

class Side {
 public:
  bool set_up(bool with_hostile) {
    for (std::size_t i = 0; i < kOrdinary; ++i)
      std::ofstream(dir_.path() + "/" + id_of(i) + ".sql") << rule_text(
          id_of(i), de::hostile::put(kShapes[i % std::size(kShapes)], i < std::size(kShapes) ? "" : std::to_string(i)));
    if (with_hostile && !write_hostile(dir_.path())) return false;
    de::ingest::DetectorOptions options;
    options.rules_dirs = {dir_.path()};
    options.budget = kBudget;
    auto detector = de::ingest::Detector::open(std::move(options), clock_);
    if (!detector || (*detector)->report()->rules->rules.size() != kOrdinary + (with_hostile ? kHostile : 0))
      return false;
    detector_ = std::move(*detector);
    return true;
  }
  void run(const std::shared_ptr<const de::mirror::Image>& image) {
    const double begin = de::bench::wall_ms();
    const auto round = detector_->run(image, de::pb::Completeness());
    rounds_ms.push_back(de::bench::wall_ms() - begin);
    stopped = round.reasons.size();
    const auto report = detector_->report();
    for (std::size_t i = 0; i < kOrdinary; ++i)
      times_us.push_back(static_cast<double>(report->health.at(id_of(i)).last_us));
  }

  std::vector<double> times_us;  // Of the ordinary rules.
  std::vector<double> rounds_ms;
  std::size_t stopped = 0;

 private:
  const OwnTime clock_;
  de::bench::ScratchDir dir_;
  std::unique_ptr<de::ingest::Detector> detector_;
};

void beside_hostile_rules(benchmark::State& state) {
  de::bench::MadeUpHost host(static_cast<std::uint32_t>(state.range(0)));
  auto mirror = de::mirror::Mirror::create();
  if (!mirror || !(*mirror)->begin_scan(1, 1'767'225'600'000)) return state.SkipWithError("the snapshot failed");
  for (const auto& record : host.processes())
    if (!(*mirror)->upsert(record, record.SerializeAsString())) return state.SkipWithError("the snapshot failed");
  const auto image = (*mirror)->finish_scan();
  Side alone, beside;
  if (!image || !alone.set_up(false) || !beside.set_up(true)) return state.SkipWithError("the rules do not load");
  for (auto _ : state) {
    alone.run(*image);
    beside.run(*image);
  }
  const double alone_us = quantile(alone.times_us, 0.99), beside_us = quantile(beside.times_us, 0.99);
  state.counters["alone_p50_us"] = quantile(alone.times_us, 0.5);
  state.counters["beside_p50_us"] = quantile(beside.times_us, 0.5);
  state.counters["alone_p99_us"] = alone_us;
  state.counters["beside_p99_us"] = beside_us;
  state.counters["p99_ratio"] = beside_us / alone_us;
  state.counters["stopped"] = static_cast<double>(beside.stopped);
  state.counters["alone_round_ms"] = quantile(alone.rounds_ms, 0.5);
  state.counters["beside_round_ms"] = quantile(beside.rounds_ms, 0.5);
}
BENCHMARK(beside_hostile_rules)->Arg(10'000)->Iterations(40)->Unit(benchmark::kMillisecond);

}  // namespace
