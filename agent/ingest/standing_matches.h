// What the rules that aggregate said in their last run. Such a rule finds the same groups in every snapshot for as long
// as the condition stands: that is one alert, from the first run with the group to the first without it, however long
// its dedupe window is.
//
// Thread: one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "detect/rule.h"

namespace de::ingest {

class StandingMatches {
 public:
  static constexpr std::size_t kMaxOfRule = 1'000;  // Groups of one rule; those beyond are folded by time alone.

  // Of the alerts of one run: whether the run before had the same (by dedupe key). `is_whole`: there were no others.
  std::vector<bool> take(const detect::Rule& rule, std::span<const pb::Alert> alerts, bool is_whole);
  // Forgets rules that are not in `rules` any more, or changed, or are off.
  void keep_only(std::span<const std::shared_ptr<const detect::Rule>> rules);

 private:
  struct Entry {
    std::string digest;  // Of the rule.
    std::set<std::string> keys;
  };
  std::map<std::string, Entry> entries_;  // By rule id.
};

}  // namespace de::ingest
