// load MODE [options]: starts processes and writes down the truth about each of them. See --help.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "modes.h"

namespace {

using namespace de;
using namespace de::load;

constexpr const char* kAbout =
    R"(Starts processes whose whole truth is known, to be compared with what a monitor saw.

The truth goes to a file of JSON lines: who was forked when (a bracket of CLOCK_BOOTTIME nanoseconds), by whom, what it
executed with which arguments, how it was to end and what wait() said. The last line of the file has the totals; one
line about them is printed. What could not be started has a row, too.

Exit code: 0 all went as planned, 1 some process did not, 2 wrong usage, 3 the run itself failed.)";

struct Command {
  std::string out = "load-truth.jsonl";
  Where where;
  StormOptions storm, steady;
  double seconds = 10;
  TreesOptions trees;
  RaceOptions race;
  OddOptions odd;
};

// "storm: 2000 started, 0 refused, 2000 as expected; ...".
int summarise(const std::string& mode, const std::string& more, Truth& truth, const std::string& out) {
  const Result<Totals> totals = truth.finish();
  if (!totals) {
    std::fprintf(stderr, "load: %s\n", totals.error().message().c_str());
    return 3;
  }
  std::printf("%s: %llu started, %llu refused, %llu of %llu as expected", mode.c_str(),
              static_cast<unsigned long long>(totals->started), static_cast<unsigned long long>(totals->refused),
              static_cast<unsigned long long>(totals->as_expected), static_cast<unsigned long long>(totals->rows));
  if (totals->unawaited > 0) std::printf(", %llu not waited for", static_cast<unsigned long long>(totals->unawaited));
  if (totals->skipped > 0) std::printf(", %llu skipped", static_cast<unsigned long long>(totals->skipped));
  std::printf("%s; truth in %s\n", more.c_str(), out.c_str());
  return totals->as_expected == totals->rows ? 0 : 1;
}

std::string speed_text(const StormOptions& options, const StormSpeed& speed) {
  char text[128];
  std::snprintf(text, sizeof text, "; %.3f s, %.0f/s, %.0f us CPU each", speed.seconds,
                static_cast<double>(options.count) / std::max(speed.seconds, 1e-9), speed.cpu_us_each);
  return text;
}

// What is to be printed besides the totals.
Result<std::string> run_mode(const std::string& mode, Command& command, Truth& truth) {
  if (mode == "storm" || mode == "steady") {
    const StormOptions& options = mode == "storm" ? command.storm : command.steady;
    return speed_text(options, storm(command.where, options, truth));
  }
  if (mode == "trees") {
    DE_CHECK(trees(command.where, command.trees, truth));
  } else if (mode == "argv") {
    DE_CHECK(argv(command.where, truth));
  } else if (mode == "race") {
    DE_TRY(counts, race(command.where, command.race, truth));
    return "; " + std::to_string(counts.torn) + " received a mixture, " + std::to_string(counts.mute) +
           " reported nothing";
  } else {
    DE_CHECK(oddities(command.where, command.odd, truth));
  }
  return std::string();
}

int run(const std::string& mode, Command& command) {
  std::error_code os;
  command.where.self = std::filesystem::read_symlink("/proc/self/exe", os).string();
  if (command.where.child.empty()) {
    command.where.child = (std::filesystem::path(command.where.self).parent_path() / "load_child").string();
  }
  if (::access(command.where.child.c_str(), X_OK) != 0) {
    std::fprintf(stderr, "load: cannot execute %s; name load_child with --child\n", command.where.child.c_str());
    return 3;
  }
  const struct rlimit none {};
  ::setrlimit(RLIMIT_CORE, &none);  // Some of the children are meant to crash.
  Result<Truth> truth = Truth::create(command.out, mode, member("child", command.where.child));
  if (!truth) {
    std::fprintf(stderr, "load: %s\n", truth.error().message().c_str());
    return 3;
  }
  const Result<std::string> more = run_mode(mode, command, *truth);
  if (more) return summarise(mode, *more, *truth, command.out);
  std::fprintf(stderr, "load: %s\n", more.error().message().c_str());
  (void)truth->finish();
  return 3;
}

void add_storm(CLI::App& app, Command& command, bool& unpaced) {
  CLI::App* storm =
      app.add_subcommand("storm", "Short-lived processes, as fast as told or as fast as possible. Any user.");
  storm->add_option("--count", command.storm.count, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  storm->add_option("--rate", command.storm.rate, "How many a second, evenly")->check(CLI::Range(0.1, 1e6));
  storm->add_flag("--unpaced", unpaced, "As many a second as there can be (the default without --rate)")
      ->excludes("--rate");
  storm->add_option("--workers", command.storm.workers, "Threads")->capture_default_str()->check(CLI::Range(1, 64));
  storm->add_option("--argv-bytes", command.storm.argv_bytes, "Further bytes of arguments")
      ->check(CLI::Range(0, 1'000'000));
}

void add_steady(CLI::App& app, Command& command) {
  CLI::App* steady = app.add_subcommand(
      "steady",
      "A steady background with some processes among it that a rule is to find, to measure how long that takes. Their\n"
      "label is \"hit\", their nonce ends in \"-hit\"; they executed before forked_before_ns. Any user.");
  steady->add_option("--seconds", command.seconds, "How long")->capture_default_str()->check(CLI::Range(0.1, 86'400.0));
  steady->add_option("--rate", command.steady.rate, "Processes a second, hits included")
      ->default_val(200)
      ->check(CLI::Range(0.1, 1e5));
  steady->add_option("--hits", command.steady.hits, "How many of them are hits")->default_val(10);
  steady->add_option("--hit-ms", command.steady.hit_ms, "How long a hit lives (its worker waits)")
      ->check(CLI::Range(0, 60'000));
  steady->add_option("--workers", command.steady.workers, "Threads")->check(CLI::Range(1, 64));
}

void add_others(CLI::App& app, Command& command) {
  CLI::App* trees = app.add_subcommand(
      "trees",
      "Random trees of processes: double forks, sessions, subreapers, chains of executions, orphans that execute when\n"
      "their creator is dead. \"chain\" in the truth is who forked whom, up to the generator (0). Any user.");
  trees->add_option("--count", command.trees.count, "How many trees")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  trees->add_option("--seed", command.trees.seed, "The same number makes the same trees")->capture_default_str();
  trees->add_option("--max-nodes", command.trees.max_nodes, "Processes in the largest tree")
      ->capture_default_str()
      ->check(CLI::Range(1U, kMostNodes - 1));

  app.add_subcommand("argv",
                     "Every kind of argument list, from none to the kernel's limit. The truth is what the executed\n"
                     "program received. Any user.");
  CLI::App* race =
      app.add_subcommand("race",
                         "Executions whose path and arguments another thread rewrites meanwhile. The truth\n"
                         "is what the executed program received. Any user.");
  race->add_option("--count", command.race.count, "How many")->capture_default_str()->check(CLI::Range(1, 1'000'000));
  race->add_option("--argv-bytes", command.race.argv_bytes, "Length of the argument fought over")
      ->capture_default_str()
      ->check(CLI::Range(1, 130'000));

  CLI::App* odd = app.add_subcommand(
      "oddities",
      "One of each: deleted, replaced, linked and in-memory executables, scripts, liars, odd ends, namespaces. Any\n"
      "user; what needs root, or user namespaces, is skipped with a row that says so.");
  odd->add_option("--ms", command.odd.ms, "How long they live")->capture_default_str()->check(CLI::Range(0, 60'000));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "actor") return act({argv + 2, argv + argc});
  Command command;
  bool unpaced = false;
  CLI::App app(kAbout, "load");
  app.require_subcommand(1);
  app.fallthrough();  // --out and --child may stand after the mode.
  app.add_option("--out", command.out, "The truth file")->capture_default_str();
  app.add_option("--child", command.where.child, "The program to start (default: load_child beside this one)");
  add_storm(app, command, unpaced);
  add_steady(app, command);
  add_others(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const std::string mode = app.get_subcommands().front()->get_name();
  command.steady.count = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(command.seconds * command.steady.rate));
  return run(mode, command);
}
