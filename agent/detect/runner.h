// Runs rules.
//
// Thread: the thread that owns the Session.
#pragma once

#include <cstdint>
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
  std::vector<std::size_t> events;      // Of a run over new events: which of them each row is about.
  std::vector<mirror::LiveKey> wanted;  // Not read yet: these are no matches.
  std::vector<pb::Reason> missing;      // Why the stored events it read may be incomplete.

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
// `tables`: what is known of those of other collectors; of tables nobody knows the test's own rows tell the columns.
Result<TestReport> test_rule(const Rule& rule, const Clock& clock,
                             const std::shared_ptr<const mirror::ForeignTables>& tables = nullptr);

// The rows of one test as a snapshot. Errors: Invalid (unknown column, wrong type, pid twice).
Result<std::shared_ptr<const mirror::Image>> test_image(const RuleTest& test, std::int64_t now_ms);

}  // namespace de::detect
