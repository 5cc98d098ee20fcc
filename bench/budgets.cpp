#include "budgets.h"

#include <cstdio>
#include <cstdlib>

namespace de::bench {
namespace {

constexpr std::string_view kScans = "store_scans/10000/iterations:119/real_time";
constexpr std::string_view kEvents = "store_events/256/iterations:50/real_time";
constexpr std::string_view kLives = "event_lives/100/iterations:1000/real_time";
constexpr std::string_view kQueries = "event_queries/iterations:1/real_time";
constexpr std::string_view kSnapshot = "whole_snapshot/10000/iterations:1";
constexpr std::string_view kIngest = "ingest/10000/iterations:40/real_time";
constexpr std::string_view kRules = "shipped_rules/10000/iterations:9";
constexpr std::string_view kCrowd = "whole_crowded_host/10000/iterations:1";
constexpr std::string_view kIdle = "whole_idle_host/300/iterations:1";
constexpr std::string_view kRestart = "whole_restart/300/iterations:1";

constexpr Budget kBudgets[] = {
    {kSnapshot, "first_cpu_ms", "first snapshot of 10,000, /proc", true, 1'600, "ms CPU", ""},
    {kSnapshot, "steady_cpu_ms", "each snapshot after it, /proc", true, 450, "ms CPU", ""},
    {kSnapshot, "on_demand_cpu_ms", "the same without columns on demand", true, 380, "ms CPU", ""},
    {kSnapshot, "bpf_first_cpu_ms", "first snapshot of 10,000, BPF", true, 800, "ms CPU", ""},
    {kSnapshot, "bpf_sweep_cpu_ms", "each snapshot after it, BPF", true, 60, "ms CPU", ""},
    {kSnapshot, "bpf_steady_cpu_ms", "the same, compared with the model", true, 60, "ms CPU", ""},
    {kIngest, "median_ms", "10,000 records, socket to commit", true, 40, "ms", "cpu_ms"},
    {kScans, "states_per_s", "process states written, synced", false, 1'000'000, "/s", ""},
    {kScans, "bytes_per_process", "stored per process and scan", true, 10, "bytes", ""},
    {kEvents, "events_per_s", "events written, synced", false, 100'000, "/s", ""},
    {kEvents, "bytes_per_event", "stored per event, indices included", true, 200, "bytes", ""},
    {kLives, "bytes_per_life", "stored per fork, exec and exit", true, 200, "bytes", ""},
    {kLives, "cpu_us_per_event", "CPU per event, 100 a commit", true, 4, "us CPU", ""},
    {kQueries, "pid_ms", "events of a pid among a million", true, 50, "ms", ""},
    {kQueries, "name_ms", "events of a rare name among a million", true, 50, "ms", ""},
    {"mirror_delta/10000/200", "median_ms", "mirror of 10,000, a fifth changed", true, 6, "ms", "cpu_ms"},
    {kRules, "slowest_ms", "slowest shipped rule on 10,000", true, 20, "ms", ""},
    {"one_rule/10000", "p99_ms", "one rule on 10,000 processes, p99", true, 20, "ms", "p99_cpu_ms"},
    {"hundred_rules/10000", "mean_ms", "100 rules on 10,000 processes", true, 100, "ms", "mean_cpu_ms"},
    {"event_rules/0", "batch_cpu_us", "64 shipped rules on 10 new processes", true, 150, "us CPU", ""},
    {"rule_pack/144/1", "events_per_s", "events against 144 rules", false, 60'000, "/s CPU", ""},
    {"rule_pack/1630/1", "events_per_s", "events against 1,630 rules", false, 20'000, "/s CPU", ""},
    {"rule_pack/1630/1", "worst_batch_ms", "100 events against 1,630 rules", true, 10, "ms CPU", ""},
    {"rule_pack/1630/1", "load_ms", "1,630 rules read, checked, prepared", true, 5'000, "ms CPU", ""},
    {"pack_snapshot/10000/1630/iterations:20", "snapshot_cpu_ms", "a snapshot of 10,000 beside 1,630 rules", true,
     1'000, "ms CPU", ""},
    {kCrowd, "agent_private_mb", "agent beside 10,000, private", true, 40, "MB", ""},
    {kCrowd, "agent_rss_mb", "agent beside 10,000, RSS", true, 64, "MB", ""},
    {kCrowd, "procmond_private_mb", "procmond beside 10,000, private", true, 8, "MB", ""},
    {kCrowd, "procmond_buffers_mb", "the kernel's ring, mapped", true, 5, "MB", ""},
    {kCrowd, "procmond_rss_mb", "procmond beside 10,000, RSS", true, 20, "MB", ""},
    {kIdle, "percent_of_core", "both daemons, 300 idle processes", true, 0.3, "% of a core", ""},
    {kRestart, "agent_ms", "agent complete again after kill -9", true, 1'000, "ms", ""},
    {kRestart, "procmond_ms", "procmond back after kill -9", true, 1'000, "ms", ""},
};

}  // namespace

void BudgetReporter::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    auto& counters = measured_[run.run_name.str()];
    for (const auto& [name, counter] : run.counters) counters[name] = counter.value;
  }
  ConsoleReporter::ReportRuns(runs);
}

int BudgetReporter::print_budgets() const {
  double load = 0;
  if (::getloadavg(&load, 1) != 1) load = 0;
  std::printf("\nload average %.1f\n%-38s %13s %10s %20s\n", load, "what", "median", "CPU only", "budget");
  int broken = 0;
  for (const Budget& budget : kBudgets) {
    const auto run = measured_.find(budget.benchmark);
    if (run == measured_.end()) continue;  // Filtered out.
    const auto find = [&](std::string_view name) { return run->second.find(std::string(name)); };
    const auto counter = find(budget.counter);
    const auto cpu = find(budget.cpu_counter);
    const bool known = counter != run->second.end();
    const double value = known ? counter->second : 0;
    const bool kept = known && (budget.at_most ? value <= budget.limit : value >= budget.limit);
    if (!kept) ++broken;
    char cpu_text[32] = "-";
    if (cpu != run->second.end()) std::snprintf(cpu_text, sizeof cpu_text, "%.2f", cpu->second);
    std::printf("%-38.*s %13.2f %10s %8s %9.*f %-12.*s %s\n", static_cast<int>(budget.what.size()), budget.what.data(),
                value, cpu_text, budget.at_most ? "at most" : "at least", budget.limit < 1 ? 1 : 0, budget.limit,
                static_cast<int>(budget.unit.size()), budget.unit.data(),
                !known ? "NOT MEASURED"
                : kept ? "ok"
                       : "missed");
  }
  return broken;
}

}  // namespace de::bench
