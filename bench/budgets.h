// The numbers we hold ourselves to (docs/architecture.md, section 13), and what bench measured.
//
// Thread: main.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace de::bench {

struct Budget {
  std::string_view benchmark;  // As registered, with its arguments.
  std::string_view counter;    // A counter it reports.
  std::string_view what;
  bool at_most;  // Otherwise: at least.
  double limit;
  std::string_view unit;
  std::string_view cpu_counter;  // The same in CPU time, for information; empty: not measured.
};

// Prints to the console as usual and remembers every counter.
class BudgetReporter final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override;

  // Prints each budget beside its measurement. The verdict is on wall time, as the budgets are; on a busy machine the
  // CPU time and the load tell why one is broken. Returns how many are broken, a missing measurement of a benchmark
  // that ran counting as one.
  int print_budgets() const;

 private:
  std::map<std::string, std::map<std::string, double>, std::less<>> measured_;
};

}  // namespace de::bench
