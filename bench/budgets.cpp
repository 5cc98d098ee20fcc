#include "budgets.h"

#include <cstdio>

namespace de::bench {
namespace {

constexpr Budget kBudgets[] = {
    {"store_scans/10000/iterations:60", "states_per_s", "process states written, synced", false, 1'000'000, "/s"},
    {"store_scans/10000/iterations:60", "bytes_per_process", "stored per process and scan", true, 10, "bytes"},
    {"store_events", "events_per_s", "events written, synced", false, 100'000, "/s"},
    {"store_events", "bytes_per_event", "stored per event, indices included", true, 200, "bytes"},
    {"one_rule/10000", "p99_ms", "one rule on 10,000 processes, p99", true, 20, "ms"},
    {"hundred_rules/10000", "mean_ms", "100 rules on a snapshot of 10,000", true, 100, "ms"},
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
  std::printf("\n%-42s %18s %24s\n", "budget", "measured", "limit");
  int broken = 0;
  for (const Budget& budget : kBudgets) {
    const auto run = measured_.find(budget.benchmark);
    if (run == measured_.end()) continue;  // Filtered out.
    const auto counter = run->second.find(std::string(budget.counter));
    const bool known = counter != run->second.end();
    const double value = known ? counter->second : 0;
    const bool kept = known && (budget.at_most ? value <= budget.limit : value >= budget.limit);
    if (!kept) ++broken;
    std::printf("%-42.*s %18.2f %8s %12.0f %-5.*s %s\n", static_cast<int>(budget.what.size()), budget.what.data(),
                value, budget.at_most ? "at most" : "at least", budget.limit, static_cast<int>(budget.unit.size()),
                budget.unit.data(),
                !known ? "NOT MEASURED"
                : kept ? "ok"
                       : "BROKEN");
  }
  return broken;
}

}  // namespace de::bench
