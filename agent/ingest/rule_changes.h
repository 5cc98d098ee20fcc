// Which rules are not what they were, by what their files say of them: from one look to the next, or, with what was
// written down, from one run of the agent to the next.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "detect/rule_book.h"

namespace de::ingest {

using RuleDigests = std::map<std::string, std::string>;  // By the rule's id: Rule::digest.

struct RuleChanges {
  std::uint64_t generation = 0;
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<std::string> changed;
  std::size_t rejected_files = 0;  // Now.

  bool has_rules() const { return !added.empty() || !removed.empty() || !changed.empty(); }
};

RuleDigests digests_of(const detect::RuleSet& rules);
// A line for each rule. What is no such line is passed over.
std::string to_text(const RuleDigests& digests);
RuleDigests parse_digests(std::string_view text);

RuleChanges compare(RuleDigests before, const detect::RuleSet& now);

}  // namespace de::ingest
