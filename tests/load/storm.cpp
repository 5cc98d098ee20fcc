// Storms and steady streams: one thread per worker, each with every worker-th process, all of them alike but for their
// nonce and exit code. Nothing is written and nothing allocated while it lasts.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "modes.h"
#include "start.h"

namespace de::load {
namespace {

constexpr std::uint64_t kCodes = 100;
constexpr std::size_t kLongestArgument = 100'000;  // The kernel takes 128 KiB in one.

std::uint64_t steady_ns() {
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_until(std::uint64_t due_ns) {
  const struct timespec due {
    static_cast<time_t>(due_ns / 1'000'000'000U), static_cast<long>(due_ns % 1'000'000'000U)
  };
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) == EINTR) continue;
}

double cpu_us() {
  double out = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    struct rusage used {};
    ::getrusage(who, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime}) {
      out += static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    }
  }
  return out;
}

// Evenly spread: process `index` of `count` is a hit when the share of hits before it grows with it.
bool is_hit(const StormOptions& options, std::uint64_t index) {
  return (index + 1) * options.hits / options.count != index * options.hits / options.count;
}

std::string nonce_of(const StormOptions& options, const Truth& truth, std::uint64_t index) {
  return truth.nonce(index + 1) + (is_hit(options, index) ? "-hit" : "");
}

int code_of(std::uint64_t index) { return static_cast<int>(index % kCodes); }

class Worker {
 public:
  Worker(const Where& where, const StormOptions& options, const Truth& truth, std::vector<Life>& lives)
      : where_(where), options_(options), truth_(truth), lives_(lives) {
    for (std::uint64_t left = options.argv_bytes; left > 0;) {
      const std::size_t size = std::min<std::size_t>(left, kLongestArgument);
      padding_.emplace_back(size - 1, 'x');  // Its NUL counts, too.
      left -= size;
    }
  }

  void run(unsigned first, std::uint64_t began_ns) {
    ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    const double interval_ns = options_.rate > 0 ? 1e9 / options_.rate : 0;
    for (std::uint64_t i = first; i < options_.count; i += options_.workers) {
      const std::uint64_t due_ns = began_ns + static_cast<std::uint64_t>(static_cast<double>(i) * interval_ns);
      // Late: at once. A pause of the machine is made up for by a burst, so that the sum stays right.
      if (interval_ns > 0 && steady_ns() < due_ns) sleep_until(due_ns);
      start(i);
    }
  }

 private:
  void start(std::uint64_t i) {
    std::string program = where_.child;
    std::string nonce = nonce_of(options_, truth_, i);
    std::string what = numbers(code_of(i), is_hit(options_, i) ? options_.hit_ms : 0);
    raw_.assign({program.data(), nonce.data(), what.data()});
    for (std::string& text : padding_) raw_.push_back(text.data());
    raw_.push_back(nullptr);
    std::array<char*, 1> environment{nullptr};
    Life life = spawn(where_.child, raw_.data(), environment.data());
    wait_for(life);
    lives_[i] = life;
  }

  const Where& where_;
  const StormOptions& options_;
  const Truth& truth_;
  std::vector<Life>& lives_;
  std::vector<std::string> padding_;
  std::vector<char*> raw_;
};

}  // namespace

StormSpeed storm(const Where& where, const StormOptions& options, Truth& truth) {
  std::vector<Life> lives(options.count);
  const double cpu_before = cpu_us();
  const std::uint64_t began_ns = steady_ns();
  std::vector<std::thread> threads;
  threads.reserve(options.workers);
  for (unsigned i = 0; i < options.workers; ++i) {
    threads.emplace_back([&, i] { Worker(where, options, truth, lives).run(i, began_ns); });
  }
  for (std::thread& thread : threads) thread.join();
  StormSpeed speed;
  speed.seconds = static_cast<double>(steady_ns() - began_ns) / 1e9;
  speed.cpu_us_each = (cpu_us() - cpu_before) / static_cast<double>(std::max<std::uint64_t>(options.count, 1));

  for (std::uint64_t i = 0; i < options.count; ++i) {
    Row row;
    row.id = i + 1;
    row.nonce = nonce_of(options, truth, i);
    row.exe = where.child;
    if (is_hit(options, i)) row.label = "hit";
    row.expect_code = code_of(i);
    copy_life(lives[i], row);
    truth.add(row);
  }
  return speed;
}

}  // namespace de::load
