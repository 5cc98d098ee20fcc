// A Sigma correlation as a rule of ours that looks back: how often, with how many values, or in which order what its
// rules look for came about within a time.
// Source: Sigma correlation rules specification 2.1.0; docs/sigma.md has what is converted.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "sigma/convert.h"

namespace de::sigma {

// A rule that a correlation names, and the word it names it by.
struct Member {
  std::string reference;
  Detection detection;
};

// The rules that `correlation` names, in its order. Errors: Invalid.
Result<std::vector<std::string>> references_of(const Document& correlation);

// `members` as references_of() has them. Errors: Invalid (with "file:line:column:"), TooLarge.
Result<Converted> convert_correlation(const Document& correlation, const std::vector<Member>& members,
                                      const ConvertOptions& options);

}  // namespace de::sigma
