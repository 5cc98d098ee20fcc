// What a collector looks for by itself: comparisons of one column with literals, with SQLite's meaning to the letter,
// because the agent relies on what is left out.
//
// Thread: any (pure functions).
#pragma once

#include <cstddef>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/catalog.pb.h"
#include "daemoneye/schema/table.h"

namespace de::schema {

constexpr std::size_t kMaxListedValues = 256;  // Of IN.
constexpr std::size_t kMaxLiteralBytes = 4'096;
constexpr std::size_t kMaxPatternBytes = 256;  // As SQLite is told to allow.

// Can the predicate be looked at exactly? `type`: that of its column. All of it or nothing: the operation, how many
// values there are, and that each is of that very type. Errors: Unsupported (the operation), Invalid, TooLarge.
Result<> check(const pb::Predicate& predicate, SqlType type);

// `predicate` passed check(), and `cell` is NULL or of the type it was checked with. NULL, as a value that is of no
// such type, is never admitted. Text is compared byte by byte, LIKE and GLOB end both texts at a NUL, as SQLite does.
// Takes time with the length of the pattern times that of the text at the worst.
bool admits(const pb::Predicate& predicate, const Cell& cell);

// "=", "GLOB"; empty for what is no operation of ours.
std::string_view to_text(pb::PredicateOp op);

}  // namespace de::schema
