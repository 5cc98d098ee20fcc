#include "ingest/standing_matches.h"

#include <utility>

namespace de::ingest {

std::vector<bool> StandingMatches::take(const detect::Rule& rule, std::span<const pb::Alert> alerts, bool is_whole) {
  std::vector<bool> stood;
  Entry& entry = entries_[rule.id];
  entry.digest = rule.digest;
  std::set<std::string> now;
  for (const pb::Alert& alert : alerts) {
    stood.push_back(entry.keys.contains(alert.dedupe_key()));
    if (now.size() < kMaxOfRule) now.insert(alert.dedupe_key());
  }
  // Of a group that is not among the rows that were taken, nothing is known.
  if (!is_whole)
    for (const std::string& key : entry.keys)
      if (now.size() < kMaxOfRule) now.insert(key);
  entry.keys = std::move(now);
  if (entry.keys.empty()) entries_.erase(rule.id);
  return stood;
}

void StandingMatches::keep_only(std::span<const std::shared_ptr<const detect::Rule>> rules) {
  std::map<std::string, Entry> kept;
  for (const auto& rule : rules) {
    const auto found = entries_.find(rule->id);
    if (found != entries_.end() && rule->enabled && found->second.digest == rule->digest)
      kept.insert(entries_.extract(found));
  }
  entries_ = std::move(kept);
}

}  // namespace de::ingest
