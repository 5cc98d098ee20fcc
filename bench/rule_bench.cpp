// Rules over a snapshot of 10,000 processes: one at a time, and a hundred in a row as after every scan.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "alert/raise.h"
#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"
#include "detect/runner.h"
#include "made_up.h"
#include "mirror/mirror.h"
#include "mirror/session.h"
#include "samples.h"
#include "sink/format.h"

namespace {

using de::bench::MadeUpHost;
using de::bench::quantile;
using de::bench::thread_cpu_ms;
using de::bench::wall_ms;

// What rules look like: names, paths, arguments, parents; few or no matches.
constexpr std::string_view kStatements[] = {
    "SELECT pid, name FROM processes WHERE name = 'xmrig'",
    "SELECT pid, name, executable_path FROM processes WHERE executable_path LIKE '/tmp/%'",
    "SELECT pid, name, command_line FROM processes WHERE command_line REGEXP '(curl|wget) .*\\| *(ba)?sh'",
    "SELECT pid, name FROM processes WHERE on_disk_state = 'deleted' AND user_id = '0'",
    "SELECT c.pid, c.name, p.name AS parent FROM processes c JOIN processes p ON p.pid = c.ppid "
    "WHERE p.name = 'nginx' AND c.name = 'dash'",
};

class Bench {
 public:
  explicit Bench(std::uint32_t processes) : host_(processes) {}

  bool set_up() {
    auto mirror = de::mirror::Mirror::create();
    if (!mirror || !(*mirror)->begin_scan(1, 1'767'225'600'000)) return false;
    for (const auto& record : host_.processes())
      if (!(*mirror)->upsert(record, record.SerializeAsString())) return false;
    auto image = (*mirror)->finish_scan();
    auto session = de::mirror::Session::create(de::mirror::Origin::Rule, de::system_clock());
    if (!image || !session || !(*session)->load(*image)) return false;
    session_ = std::move(*session);
    return true;
  }

  de::Result<de::detect::Matches> run(std::size_t number) {
    de::detect::Rule rule;
    rule.id = "bench";
    rule.sql = kStatements[number % std::size(kStatements)];
    return de::detect::run_rule(*session_, rule, de::mirror::kRuleBudget);
  }

  de::mirror::Session& session() { return *session_; }

 private:
  MadeUpHost host_;
  std::unique_ptr<de::mirror::Session> session_;
};

void one_rule(benchmark::State& state) {
  Bench bench(static_cast<std::uint32_t>(state.range(0)));
  if (!bench.set_up()) return state.SkipWithError("the snapshot failed");
  std::vector<double> times_ms;
  std::vector<double> cpu_times_ms;
  std::size_t number = 0;
  for (auto _ : state) {
    const double begin = wall_ms();
    const double cpu_begin = thread_cpu_ms();
    const auto matches = bench.run(number++);
    if (!matches) return state.SkipWithError(matches.error().message().c_str());
    times_ms.push_back(wall_ms() - begin);
    cpu_times_ms.push_back(thread_cpu_ms() - cpu_begin);
  }
  state.counters["p99_ms"] = quantile(times_ms, 0.99);
  state.counters["p99_cpu_ms"] = quantile(cpu_times_ms, 0.99);
}
BENCHMARK(one_rule)->Arg(10'000)->Unit(benchmark::kMillisecond);

void hundred_rules(benchmark::State& state) {
  Bench bench(static_cast<std::uint32_t>(state.range(0)));
  if (!bench.set_up()) return state.SkipWithError("the snapshot failed");
  const double begin = wall_ms();
  const double cpu_begin = thread_cpu_ms();
  for (auto _ : state) {
    for (std::size_t number = 0; number < 100; ++number) {
      const auto matches = bench.run(number);
      if (!matches) return state.SkipWithError(matches.error().message().c_str());
    }
  }
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["mean_ms"] = (wall_ms() - begin) / rounds;
  state.counters["mean_cpu_ms"] = (thread_cpu_ms() - cpu_begin) / rounds;
}
BENCHMARK(hundred_rules)->Arg(10'000)->Unit(benchmark::kMillisecond);

// Every rule we ship, each several times: the median of the slowest.
void shipped_rules(benchmark::State& state) {
  Bench bench(static_cast<std::uint32_t>(state.range(0)));
  if (!bench.set_up()) return state.SkipWithError("the snapshot failed");
  auto book = de::detect::RuleBook::open({DE_SOURCE_DIR "/packaging/rules"}, de::system_clock());
  if (!book || !(*book)->reload()) return state.SkipWithError("the rules do not load");
  const auto rules = (*book)->snapshot();
  std::vector<std::vector<double>> times_ms(rules->rules.size());
  double all_ms = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < rules->rules.size(); ++i) {
      const double begin = wall_ms();
      const auto matches = de::detect::run_rule(bench.session(), *rules->rules[i], de::mirror::kRuleBudget);
      if (!matches) return state.SkipWithError(matches.error().message().c_str());
      times_ms[i].push_back(wall_ms() - begin);
      all_ms += times_ms[i].back();
    }
  }
  double slowest_ms = 0;
  for (std::size_t i = 0; i < times_ms.size(); ++i) {
    const double median_ms = de::bench::median(times_ms[i]);
    if (median_ms <= slowest_ms) continue;
    slowest_ms = median_ms;
    state.SetLabel(rules->rules[i]->id);
  }
  state.counters["rules"] = static_cast<double>(rules->rules.size());
  state.counters["slowest_ms"] = slowest_ms;
  state.counters["all_ms"] = all_ms / static_cast<double>(state.iterations());
}
BENCHMARK(shipped_rules)->Arg(10'000)->Iterations(9)->Unit(benchmark::kMillisecond);

// From matching rows to the lines a sink writes: 100 alerts with their ancestors.
void hundred_alerts(benchmark::State& state) {
  Bench bench(static_cast<std::uint32_t>(state.range(0)));
  if (!bench.set_up()) return state.SkipWithError("the snapshot failed");
  de::detect::Rule rule;
  rule.id = "bench";
  rule.sql = "SELECT pid, name, executable_path, user_id, command_line FROM processes LIMIT 100";
  const auto matches = de::detect::run_rule(bench.session(), rule, de::mirror::kRuleBudget);
  if (!matches) return state.SkipWithError(matches.error().message().c_str());
  de::alert::Context context;
  context.completeness.set_complete(true);
  std::size_t bytes = 0;
  for (auto _ : state) {
    de::alert::Lineage lineage(bench.session());  // A new one each time: nothing is cached from the run before.
    for (const auto& alert : de::alert::raise(rule, *matches, context, lineage, de::system_clock()))
      bytes += de::sink::format_alert(de::sink::Format::Json, alert).size();
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(hundred_alerts)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
