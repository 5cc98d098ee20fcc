// Runs the rules over every published snapshot and turns what they match into alerts. One run at a time; while one
// runs, only the newest image waits.
//
// Thread: detect (a pool of one), except where a method says any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "alert/lineage.h"
#include "alert/raise.h"
#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"
#include "detect/runner.h"
#include "mirror/session.h"

namespace de::ingest {

struct DetectorOptions {
  std::vector<std::string> rules_dirs;
  mirror::Budget budget;
  std::string host;
};

struct RaisedAlert {
  pb::Alert alert;
  std::int64_t dedupe_window_ms = 0;
};

struct Round {
  std::vector<RaisedAlert> alerts;
  std::vector<pb::Reason> reasons;  // Rules that could not be evaluated.
  std::uint64_t rules_run = 0;
  std::uint64_t elapsed_us = 0;
};

// Rules by id that one reload brought, took away or replaced.
struct RuleChanges {
  std::uint64_t generation = 0;
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> changed;
  std::size_t rejected_files = 0;
};

struct RuleReport {
  std::shared_ptr<const detect::RuleSet> rules;
  std::map<std::string, detect::RuleHealth> health;  // By rule id; absent for rules that never ran.
};

class Detector {
 public:
  // Errors: those of RuleBook::open and Session::create.
  static Result<std::unique_ptr<Detector>> open(DetectorOptions options, const Clock& clock);

  // Looks at the rule directories; nothing when nothing changed.
  Result<std::optional<RuleChanges>> reload();
  Round run(std::shared_ptr<const mirror::Image> image, const pb::Completeness& completeness);
  // As of the last reload or round. Any thread.
  std::shared_ptr<const RuleReport> report() const;

 private:
  Detector(DetectorOptions options, const Clock& clock, std::unique_ptr<detect::RuleBook> book,
           std::unique_ptr<mirror::Session> session);
  void publish_report();

  const DetectorOptions options_;
  const Clock& clock_;
  std::unique_ptr<detect::RuleBook> book_;
  std::unique_ptr<mirror::Session> session_;
  alert::Lineage lineage_;
  detect::HealthBook health_;
  mutable std::mutex report_mutex_;  // For report_; a leaf.
  std::shared_ptr<const RuleReport> report_;
};

}  // namespace de::ingest
