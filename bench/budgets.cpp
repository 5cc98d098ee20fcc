#include "budgets.h"

#include <cstdio>
#include <cstdlib>

namespace de::bench {
namespace {

constexpr std::string_view kScans = "store_scans/10000/iterations:119/real_time";
constexpr std::string_view kEvents = "store_events/256/iterations:50/real_time";

constexpr Budget kBudgets[] = {
    {kScans, "states_per_s", "process states written, synced", false, 1'000'000, "/s", ""},
    {kScans, "bytes_per_process", "stored per process and scan", true, 10, "bytes", ""},
    {kEvents, "events_per_s", "events written, synced", false, 100'000, "/s", ""},
    {kEvents, "bytes_per_event", "stored per event, indices included", true, 200, "bytes", ""},
    {"one_rule/10000", "p99_ms", "one rule on 10,000 processes, p99", true, 20, "ms", "p99_cpu_ms"},
    {"hundred_rules/10000", "mean_ms", "100 rules on 10,000 processes", true, 100, "ms", "mean_cpu_ms"},
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
  std::printf("\nload average %.1f\n%-36s %14s %14s %26s\n", load, "budget", "measured", "CPU only", "limit");
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
    std::printf("%-36.*s %14.2f %14s %8s %11.0f %-5.*s %s\n", static_cast<int>(budget.what.size()), budget.what.data(),
                value, cpu_text, budget.at_most ? "at most" : "at least", budget.limit,
                static_cast<int>(budget.unit.size()), budget.unit.data(),
                !known ? "NOT MEASURED"
                : kept ? "ok"
                       : "BROKEN");
  }
  return broken;
}

}  // namespace de::bench
