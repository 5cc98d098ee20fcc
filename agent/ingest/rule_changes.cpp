#include "ingest/rule_changes.h"

#include <sstream>

namespace de::ingest {

RuleDigests digests_of(const detect::RuleSet& rules) {
  RuleDigests out;
  for (const auto& rule : rules.rules) out.emplace(rule->id, rule->digest);
  return out;
}

std::string to_text(const RuleDigests& digests) {
  std::string out;
  for (const auto& [id, digest] : digests) out += digest + ' ' + id + '\n';
  return out;
}

RuleDigests parse_digests(std::string_view text) {
  RuleDigests out;
  std::istringstream words{std::string(text)};
  for (std::string digest, id; words >> digest >> id;) out.emplace(id, digest);
  return out;
}

RuleChanges compare(RuleDigests before, const detect::RuleSet& now) {
  RuleChanges out;
  out.generation = now.generation;
  out.rejected_files = now.errors.size();
  for (const auto& rule : now.rules) {
    const auto known = before.extract(rule->id);
    if (known.empty())
      out.added.push_back(rule->id);
    else if (known.mapped() != rule->digest)
      out.changed.push_back(rule->id);
  }
  for (const auto& [id, digest] : before) out.removed.push_back(id);
  return out;
}

}  // namespace de::ingest
