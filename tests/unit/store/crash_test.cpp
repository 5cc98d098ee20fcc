// A writer that is killed at any moment loses nothing that it was told is stored, and leaves no half scan.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "daemoneye/base/byte_order.h"
#include "store_fixture.h"

namespace de::store {
namespace {

constexpr int kRounds = 10;

struct Ack {
  std::uint64_t events = 0;
  std::uint64_t scans = 0;
  std::uint64_t alerts = 0;
};

std::vector<pb::ProcessRecord> scan_records(std::uint64_t id) {
  std::vector<pb::ProcessRecord> out;
  // Every third scan is new from end to end and too large for one transaction.
  const std::uint32_t size = id % 3 == 0 ? 4500 : 60;
  const std::uint32_t from = id % 3 == 0 ? static_cast<std::uint32_t>(id * 5000) : 0;
  for (std::uint32_t n = 0; n < size; ++n) out.push_back(process(from + n, kNoon, static_cast<std::uint32_t>(id)));
  return out;
}

// In the child: writes for ever and reports each acknowledgement.
[[noreturn]] void write_until_killed(const StoreOptions& options, Ack done, int report_fd) {
  FakeClock clock;
  auto opened = Store::open(options, clock);
  if (!opened) ::_exit(3);
  Store& store = **opened;
  for (;;) {
    clock.now_ms = kNoon + static_cast<std::int64_t>(done.scans) * 1000;
    const std::uint64_t next = done.events + 1;
    auto appended = store.append_events("c", "s", events(next, next + 49, clock.now_ms));
    if (!appended) ::_exit(4);
    done.events = appended->acked_sequence;
    ScanMeta meta = meta_of(done.scans + 1, clock.now_ms);
    if (!store_scan(store, meta, scan_records(meta.scan_id))) ::_exit(5);
    ++done.scans;
    pb::Alert a = alert("alert-" + std::to_string(done.alerts + 1));
    const std::vector<std::string> sinks = {"file"};
    if (!store.put_alert(a, sinks, 0)) ::_exit(6);
    done.alerts = a.sequence();
    if (::write(report_fd, &done, sizeof done) != sizeof done) ::_exit(7);
  }
}

Ack last_report(int fd, Ack last) {
  Ack ack;
  while (::read(fd, &ack, sizeof ack) == sizeof ack) last = ack;
  return last;
}

// What is there now; at least what was acknowledged.
Ack check(const Store& store, const Ack& acked) {
  Ack found;
  found.events = store.acked_sequence("c", "s");
  const auto stored = stored_events(store);
  EXPECT_EQ(stored.size(), found.events);
  if (!stored.empty()) {
    EXPECT_EQ(stored.rbegin()->first, found.events);
  }
  EXPECT_GE(found.events, acked.events);
  for (const auto& [key, rows] : read_all(store, 0, INT64_MAX)) {
    const std::uint64_t id = std::get<2>(key);
    EXPECT_EQ(id, ++found.scans);
    EXPECT_EQ(rows, rows_of(scan_records(id))) << "scan " << id;
  }
  EXPECT_GE(found.scans, acked.scans);
  const auto alerts = store.list_alerts({.limit = 10'000, .rule_id = {}, .severity = {}});
  EXPECT_TRUE(alerts);
  found.alerts = alerts->size();
  EXPECT_GE(found.alerts, acked.alerts);
  EXPECT_EQ(store.pending("file", 1000)->size(), found.alerts);
  EXPECT_TRUE(store.stats()->quarantined.empty());
  return found;
}

TEST(Crash, KillingTheWriterLosesNothingAcknowledged) {
  TempDir dir;
  StoreOptions options;
  options.dir = dir / "store";
  std::mt19937 random(20260102);
  Ack state;
  for (int round = 0; round < kRounds; ++round) {
    int report[2];
    ASSERT_EQ(::pipe(report), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(options, state, report[1]);
    ::close(report[1]);
    ::usleep(static_cast<useconds_t>(20'000 + random() % 500'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer gave up with " << WEXITSTATUS(status);
    const Ack acked = last_report(report[0], state);
    ::close(report[0]);
    FakeClock clock;
    auto store = Store::open(options, clock);
    ASSERT_TRUE(store) << store.error().message();
    state = check(**store, acked);
    if (HasFailure()) break;
  }
  std::printf("killed %d times: %llu events, %llu scans\n", kRounds, static_cast<unsigned long long>(state.events),
              static_cast<unsigned long long>(state.scans));
}

}  // namespace
}  // namespace de::store
