// All rules of the rule directories, hot-reloaded. A broken file never replaces a good rule: the last good version of
// that file stays in force and the file is listed with its error.
//
// Thread: one thread loads and reloads; the snapshots are immutable and may go anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "detect/rule.h"
#include "detect/rule_switch.h"
#include "mirror/batch_session.h"
#include "mirror/session.h"

namespace de::detect {

struct FileError {
  std::string file;
  std::string message;          // Begins with "file:line:column:" where a place is known.
  bool last_good_kept = false;  // Older rules of this file are still in force.
};

struct RuleSet {
  std::vector<std::shared_ptr<const Rule>> rules;  // Disabled ones too; by priority, then id.
  std::vector<FileError> errors;
  std::vector<std::string> warnings;
  std::vector<std::string> deleted;  // By an operator; their files are still there.
  std::uint64_t generation = 0;      // Grows with every change of rules or errors.

  const Rule* find(std::string_view id) const;
};

// What rules are checked with.
struct CheckSessions {
  // `tables`: those of collectors that are here; null: none. Errors: Io, Exhausted.
  static Result<CheckSessions> create(const Clock& clock,
                                      std::shared_ptr<const mirror::ForeignTables> tables = nullptr);
  Result<> set_tables(std::shared_ptr<const mirror::ForeignTables> tables);

  std::unique_ptr<mirror::Session> snapshot;
  std::unique_ptr<mirror::BatchSession> batch;
};

// Everything `rules validate` checks on one rule: its SQL passes the gate, `dedup.keys` are result columns, `requires`
// names existing tables and columns, `on` and `window` are possible. Fills `on` where the file does not say it. A rule
// that requires a table of a collector that is not here is good, but not ready.
// Errors: Invalid, with "file:line:column:".
Result<mirror::Statement> check_rule(CheckSessions& sessions, Rule& rule);

class RuleBook {
 public:
  // Directories that do not exist (yet) are empty. `clock` outlives the book. Errors: Io, Exhausted.
  static Result<std::unique_ptr<RuleBook>> open(std::vector<std::string> directories, const Clock& clock,
                                                RuleSwitches switches = {});
  ~RuleBook();
  RuleBook(const RuleBook&) = delete;
  RuleBook& operator=(const RuleBook&) = delete;

  // Looks at the directories (not their sub-directories) for *.yaml, *.yml and *.sql and takes over what changed
  // since the last call. Cheap when nothing did: a stat per file. Returns whether the rule set changed.
  // Errors: Io (the SQL session broke); a bad file or directory is listed in the set, not returned.
  Result<bool> reload();

  // The tables of collectors that are here from now on. Rules that one of these was missing for, and those that read
  // one, are checked anew; whether the rule set changed. Errors: as reload().
  Result<bool> set_tables(std::shared_ptr<const mirror::ForeignTables> tables);

  const RuleSwitches& switches() const;
  // Instead of those before. A new generation.
  void set_switches(RuleSwitches switches);

  std::shared_ptr<const RuleSet> snapshot() const;

 private:
  class Impl;
  explicit RuleBook(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::detect
