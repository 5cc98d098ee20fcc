#include "mirror/prospect.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "daemoneye/schema/event_columns.h"

namespace de::mirror {
namespace {

bool is_among_words(const Literal& literal) {
  const auto words = schema::words_of(schema::event_columns()[literal.column].name);
  return words.empty() || std::ranges::any_of(words, [&](std::string_view word) {
           return (kTextBegin + std::string(word) + kTextEnd).find(literal.text) != std::string::npos;
         });
}

bool is_of_environment(const Literal& literal) { return schema::event_columns()[literal.column].name == "environment"; }

}  // namespace

Prospect find_prospect(LiteralSearch& search) {
  if (!search.can_match(is_among_words)) return Prospect::None;
  const auto is_possible = [](const Literal& one) { return is_among_words(one) && !is_of_environment(one); };
  return search.can_match(is_possible) ? Prospect::Open : Prospect::NeedsEnvironment;
}

}  // namespace de::mirror
