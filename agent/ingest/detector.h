// Runs the rules over every published snapshot and over every batch of new events, and turns what they match into
// alerts. One run at a time; while one runs, only the newest image waits, and new events wait in an EventQueue.
//
// Thread: detect (a pool of one), except where a method says any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "alert/lineage.h"
#include "alert/raise.h"
#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"
#include "detect/rule_health.h"
#include "ingest/live_rules.h"
#include "ingest/rule_changes.h"
#include "ingest/standing_matches.h"
#include "mirror/batch_session.h"
#include "mirror/session.h"

namespace de::ingest {

// What arrived, with where it came from.
struct NewEvent {
  std::shared_ptr<const std::string> collector;
  std::shared_ptr<const pb::ProcessEvent> event;
};

struct DetectorOptions {
  std::vector<std::string> rules_dirs;
  mirror::Budget budget;
  std::uint32_t dedup_seconds = 300;    // Of rules that do not say.
  std::uint32_t max_cpu_percent = 100;  // Of the time, for each rule; 100 is no limit.
  bool folds = true;                    // False: every match is an alert of its own, whatever rules say.
  std::string host;
  detect::RuleSwitches switches;  // What operators said in earlier runs.
  mirror::BatchOptions batch;
  std::uint32_t max_live_reads = 60;                // Of processes, in a minute, for one rule with AUTO JOIN.
  const mirror::HostSource* host_source = nullptr;  // Outlives the detector; null: rules see no host.
};

struct RaisedAlert {
  pb::Alert alert;
  std::int64_t dedupe_window_ms = 0;
};

struct Round {
  std::vector<RaisedAlert> alerts;
  std::vector<pb::Reason> reasons;  // Rules that could not be evaluated.
  std::vector<LiveJob> live;        // Rules that are to be asked with run_live().
  std::uint64_t rules_run = 0;
  std::uint64_t elapsed_us = 0;
};

using WhyNever = std::map<std::string, std::string, std::less<>>;  // By the id of a rule that can never match here.

struct RuleReport {
  std::shared_ptr<const detect::RuleSet> rules;
  std::map<std::string, detect::RuleHealth> health;  // By rule id; absent for rules that never ran.
  std::shared_ptr<const WhyNever> why_never;
};

class Detector {
 public:
  // Errors: those of RuleBook::open and Session::create.
  // `events` outlives the detector; without it there is no history to look back at.
  static Result<std::unique_ptr<Detector>> open(DetectorOptions options, const Clock& clock,
                                                const mirror::StoredSource* stored = nullptr);

  // Of every run of a rule from now on.
  void set_budget(const mirror::Budget& budget) { options_.budget = budget; }
  void set_max_cpu_percent(std::uint32_t percent) { health_.set_max_cpu_percent(percent); }
  void set_dedup_seconds(std::uint32_t seconds) { options_.dedup_seconds = seconds; }
  // Looks at the rule directories; nothing when nothing changed.
  Result<std::optional<RuleChanges>> reload();
  // All switches as they would be with this one. Errors: NotFound (no such rule), Exhausted (too many switches).
  Result<detect::RuleSwitches> switches_with(const std::string& rule_id, detect::RuleSwitch position) const;
  RuleChanges set_switches(detect::RuleSwitches switches);
  // How many rules look at new events, and how many of them at every one; done by itself after every change.
  void log_prepared() const;
  // The rules that can be asked of single events, over these; `rules_run` counts those that could match.
  Round run_events(std::span<const NewEvent> events, const pb::Completeness& completeness);
  Round run(std::shared_ptr<const mirror::Image> image, const pb::Completeness& completeness);
  // Only the rules that read one of these tables.
  Round run_over(std::shared_ptr<const mirror::Image> image, const std::set<std::string>& tables,
                 const pb::Completeness& completeness);
  // One of Round::live. `wanted` comes back with what must be read from processes first; then nothing was raised, and
  // it is to be called again with these `rows`. With `is_last` what is still missing makes the answer incomplete.
  Round run_live(const LiveJob& job, std::shared_ptr<const mirror::Image> image,
                 std::shared_ptr<const mirror::LiveRows> rows, bool is_last, const pb::Completeness& completeness,
                 std::vector<mirror::LiveKey>& wanted);
  // Other collectors are here from now on. Nothing when no rule is other for it. Errors: those of RuleBook.
  Result<std::optional<RuleChanges>> set_tables(std::shared_ptr<const mirror::ForeignTables> tables);
  // As of the last reload or round. Any thread.
  std::shared_ptr<const RuleReport> report() const;

 private:
  Detector(DetectorOptions options, const Clock& clock, std::unique_ptr<detect::RuleBook> book,
           std::unique_ptr<mirror::Session> session, std::unique_ptr<mirror::BatchSession> batch);
  void prepare_event_rules();
  RuleChanges take_over_from(const detect::RuleSet& before);
  // Whether there is no time left for it; `asked`: of how many events or snapshots it then is not asked.
  bool passes_over(const detect::Rule& rule, std::uint64_t asked, Round& round);
  void take_over(const detect::Rule& rule, const Result<detect::Matches>& matches, std::int64_t begin_ns,
                 const alert::Context& context, Round& round);
  std::vector<RaisedAlert> raise(const detect::Rule& rule, const detect::Matches& matches,
                                 const alert::Context& context);
  Round run_rules(std::shared_ptr<const mirror::Image> image, const std::set<std::string>* tables,
                  const pb::Completeness& completeness);
  void find_hopeless();
  void publish_report();

  DetectorOptions options_;
  const Clock& clock_;
  std::unique_ptr<detect::RuleBook> book_;
  std::unique_ptr<mirror::Session> session_;
  std::unique_ptr<mirror::BatchSession> batch_;
  // By the number of their statement; prepared once per generation of the rule book.
  std::vector<std::shared_ptr<const detect::Rule>> event_rules_;
  std::vector<pb::Reason> unprepared_;
  std::vector<mirror::EventRow> rows_;  // Reused.
  std::shared_ptr<const WhyNever> why_never_ = std::make_shared<WhyNever>();
  bool has_environment_ = true;  // Of processes is told by a collector.
  std::int64_t reported_ns_ = 0;
  alert::Lineage lineage_;
  detect::HealthBook health_;
  StandingMatches standing_;
  LiveBudget live_budget_;
  mutable std::mutex report_mutex_;  // For report_; a leaf.
  std::shared_ptr<const RuleReport> report_;
};

}  // namespace de::ingest
