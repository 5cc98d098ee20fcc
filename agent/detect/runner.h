// Runs rules, and keeps the books about how each of them fares.
//
// Thread: the thread that owns the Session. Health is one thread's too.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "detect/rule.h"
#include "mirror/batch_session.h"
#include "mirror/image.h"
#include "mirror/session.h"

namespace de::detect {

// Every matching row, owned. rows[i].values(j) belongs to columns[j].
struct Matches {
  std::vector<std::string> columns;
  std::vector<pb::Row> rows;
  bool truncated = false;
  std::uint64_t elapsed_us = 0;
  std::uint64_t vm_steps = 0;
  std::vector<std::size_t> events;  // Of a run over new events: which of them each row is about.
  std::vector<pb::Reason> missing;  // Why the stored events it read may be incomplete.

  // The value of a row by column name (first column of that name), or null.
  const pb::Value* find(const pb::Row& row, std::string_view column) const;
};

// Errors: those of Session::run, prefixed with the rule's id.
Result<Matches> run_rule(mirror::Session& session, const Rule& rule, const mirror::Budget& budget);

// Over the events that are loaded; `statement` is the rule's. Errors: those of BatchSession::run, prefixed alike.
Result<Matches> run_rule(mirror::BatchSession& session, std::size_t statement, const Rule& rule,
                         const mirror::Budget& budget);

struct TestFailure {
  std::string test;     // RuleTest::name
  std::string message;  // "expected a match, found none", "expected no match, found 2: pid=11 name=sh"
  int line = 0;
};

struct TestReport {
  std::size_t passed = 0;
  std::vector<TestFailure> failures;
};

// Runs the rule's tests, each over its own rows and nothing else. A rule without tests passes none.
// Errors: Io, Exhausted (SQLite cannot be set up); everything about the rule itself is a TestFailure.
Result<TestReport> test_rule(const Rule& rule, const Clock& clock);

// The rows of one test as a snapshot. Errors: Invalid (unknown column, wrong type, pid twice).
Result<std::shared_ptr<const mirror::Image>> test_image(const RuleTest& test, std::int64_t now_ms);

struct RuleHealth {
  bool healthy = true;
  std::string reason;  // Why not; empty when healthy.
  std::uint64_t runs = 0;
  std::uint64_t matches = 0;
  std::uint64_t failures = 0;
  std::uint64_t slow_runs = 0;
  std::uint64_t last_us = 0;
  std::uint64_t worst_us = 0;
};

// A rule is unhealthy after kFailuresToUnhealthy failed, kSlowToUnhealthy slow, or one capped run in a row, and healthy
// again after one good run. It is still run: unhealthy is a report, not a verdict.
class HealthBook {
 public:
  static constexpr std::uint64_t kSlowUs = 100'000;  // The promise is 100 ms a rule.
  static constexpr int kFailuresToUnhealthy = 1;
  static constexpr int kSlowToUnhealthy = 3;

  void record(const Rule& rule, const Result<Matches>& result);
  // Forgets rules that are not in `rules` any more, and starts over for those whose SQL changed.
  void keep_only(std::span<const std::shared_ptr<const Rule>> rules);
  // Null for a rule that never ran.
  const RuleHealth* find(std::string_view rule_id) const;

 private:
  struct Entry {
    RuleHealth health;
    std::string sql;
    int failed_in_a_row = 0;
    int slow_in_a_row = 0;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace de::detect
