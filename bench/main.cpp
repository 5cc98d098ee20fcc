// bench [--enforce] [Google Benchmark's own options]
// --enforce: exit with 1 when a budget is broken. Only a release build on an idle machine can say something about time.
#include <benchmark/benchmark.h>

#include <string_view>
#include <vector>

#include "budgets.h"

int main(int argc, char** argv) {
  bool enforce = false;
  std::vector<char*> rest;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--enforce") {
      enforce = true;
    } else {
      rest.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(rest.size());
  rest.push_back(nullptr);
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  de::bench::BudgetReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  const int broken = reporter.print_budgets();
  return enforce && broken > 0 ? 1 : 0;
}
