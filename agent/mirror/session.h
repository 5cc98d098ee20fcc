// Runs SELECT statements of rules and operators over an Image. The SQL gate is in here: whatever the text says, a
// session only reads the tables, columns and functions that are on its lists, and stops at its budget.
//
// Names: `processes`, `processes.snapshots` and `snapshots` are the current snapshot, `processes.events` and `events`
// what happened, `processes.history` and `history` the snapshots that are stored, `scans` one row for each of them,
// `alerts` the alerts, `traces` what traces captured. `users`, `time`, `file` and others are about the host
// (schema/host_columns.h).
//
// Thread: one thread at a time, any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "mirror/host_source.h"
#include "mirror/image.h"
#include "mirror/live.h"
#include "mirror/needs.h"
#include "mirror/stored_source.h"
#include "mirror/value.h"

namespace de::mirror {

// What one run may cost. Time and memory overruns are errors; rows and bytes cut the answer and mark it truncated.
struct Budget {
  std::int64_t time_ms;
  std::size_t memory_bytes;  // SQLite's own allocations above what the session holds already.
  std::size_t rows;
  std::size_t bytes;  // Of the values delivered.
  // Absent: `time_ms` is what the clock says. Else it is what the run computes itself, and this is what the clock may
  // say at the most: a host that is busy with something else must not keep rules from being evaluated.
  std::int64_t patience_ms = 0;
  // Set from another thread when nobody waits for the outcome any more: the run ends with Cancelled. Outlives the run.
  const std::atomic<bool>* is_unwanted = nullptr;
};

constexpr Budget kAdHocBudget{5'000, 64UL << 20, 100'000, 64UL << 20};
constexpr Budget kRuleBudget{1'000, 32UL << 20, 1'000, 4UL << 20};

// Decides the longest statement: 16 KiB typed by a person, 128 KiB in a rule file.
enum class Origin : std::uint8_t { AdHoc, Rule };
constexpr std::size_t kAdHocSqlBytes = 16UL << 10;

// What a run read of a stored table.
struct Looked {
  std::string_view table;    // As in schema::tables().
  std::int64_t from_ms = 0;  // kNoStartMs: from the first;
  std::int64_t to_ms = 0;    // half open; kNoEndMs: to the last.
  std::uint64_t rows = 0;
  std::uint64_t looks = 0;  // A table that is joined is read once for each row it is joined to.
};

struct Outcome {
  std::uint64_t rows = 0;  // Delivered.
  bool truncated = false;  // The row or byte cap cut it, or the callback said stop.
  std::uint64_t elapsed_us = 0;
  std::uint64_t vm_steps = 0;  // SQLite's measure of work; the same for the same data.
  std::vector<Looked> stored;
  // Why what is stored and it looked at may be incomplete.
  std::vector<pb::Reason> missing;
  // Of live tables: what must be read before the statement can be answered. The rows of this run are not an answer.
  std::vector<LiveKey> wanted;
};

// What is known about a statement that passed the gate, without running it.
struct Statement {
  std::vector<std::string> columns;  // Names of the result columns.
  int parameters = 0;
  // Every look at what is stored begins at a certain time.
  bool stored_have_start = true;
  std::vector<std::string> tables;        // As in schema::tables(), sorted.
  std::vector<std::string> columns_used;  // "processes.pid", sorted.
  std::vector<std::string> functions;     // Sorted, lower case.
};

struct Explanation {
  Statement statement;
  std::vector<std::string> plan;      // EXPLAIN QUERY PLAN, one line a step, indented by two spaces a level.
  std::vector<std::string> warnings;  // "every row of x is combined with every row of y: add a join condition ...".
};

class Session {
 public:
  using OnColumns = std::function<void(std::span<const std::string>)>;
  // The row and its text are valid during the call only. Returns whether to go on.
  using OnRow = std::function<bool(std::span<const Value>)>;

  // Starts with the empty image. `clock`, `stored` and `host` outlive the session; without them their tables are empty.
  // Errors: Io, Exhausted.
  static Result<std::unique_ptr<Session>> create(Origin origin, const Clock& clock,
                                                 const StoredSource* stored = nullptr,
                                                 const HostSource* host = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From now on statements see `image`. Not from within a callback. Errors: Conflict (a statement is running), Io.
  Result<> load(std::shared_ptr<const Image> image);
  const std::shared_ptr<const Image>& image() const;

  // From now on statements see no other rules' traces than these; null lifts the limit.
  void see_traces_of(std::shared_ptr<const std::set<std::string>> rules = nullptr);
  // From now on statements see nothing that is stored but what is of this time; the defaults lift the limit.
  void see_stored(std::int64_t from_ms = kNoStartMs, std::int64_t to_ms = kNoEndMs);

  // From now on live tables have these rows; what is not among them is wanted, of at most so many processes. Null:
  // there is nobody who reads them.
  void see_live(std::shared_ptr<const LiveRows> rows = nullptr, std::size_t max_wanted = 0);

  // Runs one SELECT; `params` fill its `?` in order and must be as many. `on_columns` is called once before the first
  // row (also when there is none). Rows already delivered before an error are not to be used.
  // Errors: Invalid (refused, wrong SQL, wrong number of parameters, failure of a function such as a bad pattern),
  // Timeout, Exhausted (memory), Io, those of the source of what is stored.
  Result<Outcome> run(std::string_view sql, std::span<const Value> params, const Budget& budget,
                      const OnColumns& on_columns, const OnRow& on_row);

  // The gate without running; also compiles every constant REGEXP pattern. Errors: Invalid, Timeout, Exhausted.
  Result<Statement> validate(std::string_view sql);
  Result<Explanation> explain(std::string_view sql);
  // What it reads that is not in every snapshot. Errors: those of validate().
  Result<ColumnNeeds> needs(std::string_view sql, bool of_history);

 private:
  class Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::mirror
