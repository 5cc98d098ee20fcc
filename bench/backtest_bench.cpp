// What it takes to ask about much that is stored. DE_BENCH_EVENTS is how many events there are; default a million.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "daemoneye/schema/process_columns.h"
#include "detect/rule_book.h"
#include "ingest/backtest.h"
#include "ingest/stored_rows.h"
#include "made_up.h"
#include "made_up_lives.h"
#include "mirror/session.h"
#include "samples.h"

namespace {

using de::bench::MadeUpLives;
using de::bench::MovingClock;
using de::bench::ScratchDir;

std::uint32_t wanted_events() {
  const char* given = std::getenv("DE_BENCH_EVENTS");
  return given == nullptr ? 1'000'000 : static_cast<std::uint32_t>(std::atol(given));
}

// Events are as close to each other as MadeUpLives has them; the same store serves all.
struct Stored {
  ScratchDir dir;
  MovingClock clock;
  std::unique_ptr<de::store::Store> store;
  MadeUpLives lives{clock.now_ms};
  std::int64_t from_ms = clock.now_ms;
  std::uint32_t events = wanted_events();
  de::pb::ProcessEvent middle;
  std::vector<de::pb::ProcessEvent> drawn;  // One of ten thousand.

  Stored() {
    de::store::StoreOptions options;
    options.dir = dir.path() + "/store";
    options.max_bytes = 64ULL << 30;
    auto opened = de::store::Store::open(options, clock);
    if (!opened) return;
    store = std::move(*opened);
    for (std::uint32_t stored = 0; stored < events; stored += 1'000) {
      const auto batch = lives.next(1'000);
      clock.now_ms = lives.now_ms();
      if (stored <= events / 2) middle = batch.events(500);
      if (stored % 10'000 == 0) drawn.push_back(batch.events(700));
      if (!store->append_events("bench", "spool", batch)) std::abort();
    }
  }
};

Stored& stored() {
  static Stored one;
  return one;
}

void backtest(benchmark::State& state, const std::string& sql) {
  Stored& all = stored();
  if (!all.store) return state.SkipWithError("the store does not open");
  auto rules = de::detect::parse_rule_text("bench.yaml", "id: bench\nsql: |\n  " + sql + "\n");
  auto sessions = de::detect::CheckSessions::create(all.clock);
  if (!rules || !sessions || !de::detect::check_rule(*sessions, rules->front()))
    return state.SkipWithError("the rule is not one");
  const de::ingest::StoredRows source(*all.store);
  de::ingest::BacktestOptions options;
  options.from_ms = all.from_ms;
  options.to_ms = all.clock.now_ms + 1;
  options.budget = de::mirror::kRuleBudget;
  options.time_ms = 3'600'000;
  for (auto _ : state) {
    const auto found = de::ingest::backtest(*all.store, source, rules->front(), options, de::system_clock());
    if (!found) return state.SkipWithError(found.error().what().c_str());
    state.counters["events"] = static_cast<double>(found->events);
    state.counters["matches"] = static_cast<double>(found->matches);
  }
}

void ask(benchmark::State& state, const std::string& sql) {
  Stored& all = stored();
  if (!all.store) return state.SkipWithError("the store does not open");
  const de::ingest::StoredRows source(*all.store);
  auto session = de::mirror::Session::create(de::mirror::Origin::AdHoc, de::system_clock(), &source);
  if (!session) return state.SkipWithError("no session");
  std::vector<double> samples;
  double rows = 0;
  for (auto _ : state) {
    const double begin = de::bench::wall_ms();
    const auto outcome = (*session)->run(
        sql, {}, {600'000, 64UL << 20, 1'000'000, 256UL << 20}, [](auto) {}, [](auto) { return true; });
    samples.push_back(de::bench::wall_ms() - begin);
    if (!outcome) return state.SkipWithError(outcome.error().what().c_str());
    rows = static_cast<double>(outcome->rows);
  }
  state.counters["rows"] = rows;
  state.counters["median_ms"] = de::bench::median(std::move(samples));
}

void backtest_name(benchmark::State& state) {
  backtest(state, "SELECT pid, name FROM processes.events WHERE name = 'nobody-has-it'");
}
void backtest_arguments(benchmark::State& state) {
  backtest(state, "SELECT pid, name FROM processes WHERE command_line LIKE '%/nobody/has/it%'");
}
void backtest_pattern(benchmark::State& state) {
  backtest(state, "SELECT pid, name FROM processes WHERE command_line REGEXP '/(no|any)body[0-9]+/has'");
}
void stored_by_pid(benchmark::State& state) {
  ask(state, "SELECT * FROM processes.events WHERE pid = " + std::to_string(stored().middle.process().pid()));
}
void stored_by_name(benchmark::State& state) {
  ask(state, "SELECT * FROM processes.events WHERE name = '" + stored().lives.programs()[399].name + "'");
}
void stored_by_hash(benchmark::State& state) {
  ask(state,
      "SELECT count(*) FROM processes.events WHERE executable_hash = '" + stored().lives.programs()[200].hash + "'");
}
void stored_newest(benchmark::State& state) {
  ask(state, "SELECT pid, name FROM processes.events ORDER BY event_time_ms DESC LIMIT 100");
}

// What is asked while somebody looks into something: of a process, its children, a program, a file, ten seconds. About
// events, programs and times drawn evenly from all that there are, each once with rows and once counted.
std::vector<std::pair<std::string, std::string>> mixed(std::size_t of_each) {
  Stored& all = stored();
  std::mt19937_64 random(7);
  std::vector<std::pair<std::string, std::string>> out;
  const auto span_ms = static_cast<std::uint64_t>(all.clock.now_ms - all.from_ms);
  for (std::size_t i = 0; i < of_each; ++i) {
    const auto& process = all.drawn[random() % all.drawn.size()].process();
    const auto& program = all.lives.programs()[random() % all.lives.programs().size()];
    const std::int64_t then_ms = all.from_ms + static_cast<std::int64_t>(random() % span_ms);
    const std::pair<std::string, std::string> asked[] = {
        {"pid", "pid = " + std::to_string(process.pid())},
        {"ppid", "ppid = " + std::to_string(process.ppid())},
        {"uid", "process_uid = '" + de::schema::uid_text(process.process_uid()) + "'"},
        {"name", "name = '" + program.name + "'"},
        {"hash", "executable_hash = '" + program.hash + "'"},
        {"time", "event_time_ms BETWEEN " + std::to_string(then_ms) + " AND " + std::to_string(then_ms + 10'000)}};
    for (const auto& [kind, where] : asked) {
      const std::string from = " FROM processes.events WHERE " + where;
      out.emplace_back(kind + "_rows", "SELECT event_time_ms, event_type, pid, ppid, name, command_line" + from +
                                           " ORDER BY event_time_ms DESC LIMIT 1000");
      out.emplace_back(kind + "_count", "SELECT count(*)" + from);
    }
  }
  return out;
}

double p95(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples.empty() ? 0 : samples[(samples.size() * 95 - 1) / 100];
}

void stored_mixed(benchmark::State& state) {
  Stored& all = stored();
  if (!all.store) return state.SkipWithError("the store does not open");
  const de::ingest::StoredRows source(*all.store);
  auto session = de::mirror::Session::create(de::mirror::Origin::AdHoc, de::system_clock(), &source);
  if (!session) return state.SkipWithError("no session");
  std::map<std::string, std::vector<double>> by_kind;
  for (auto _ : state) {
    for (const auto& [kind, sql] : mixed(10)) {
      const double begin = de::bench::wall_ms();
      const auto outcome = (*session)->run(
          sql, {}, {600'000, 64UL << 20, 1'000'000, 256UL << 20}, [](auto) {}, [](auto) { return true; });
      if (!outcome) return state.SkipWithError(outcome.error().what().c_str());
      by_kind[kind].push_back(de::bench::wall_ms() - begin);
    }
  }
  std::vector<double> every;
  for (auto& [kind, samples] : by_kind) {
    every.insert(every.end(), samples.begin(), samples.end());
    state.counters[kind + "_p95_ms"] = p95(samples);
  }
  state.counters["median_ms"] = de::bench::median(every);
  state.counters["p95_ms"] = p95(every);
  state.counters["worst_ms"] = *std::ranges::max_element(every);
}

BENCHMARK(stored_mixed)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(stored_by_pid)->Iterations(9)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(stored_by_name)->Iterations(9)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(stored_by_hash)->Iterations(9)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(stored_newest)->Iterations(9)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(backtest_name)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(backtest_arguments)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(backtest_pattern)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
