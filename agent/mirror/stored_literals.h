// Literals that can be looked for in events as the store has them, before an event is put together.
//
// The store has a field as the bytes that are in it; what SQL shows is often, but not always, the same bytes. Arguments
// are fields of their own there, and joined by a space here.
//
// Thread: any (pure).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mirror/literals.h"

namespace de::mirror {

// One of these, in capitals or not, is within a field of every event that the statement can have a row about. Empty: no
// such thing can be said.
std::vector<std::string> stored_literals(const LiteralGroups& groups);

// Whether a text has one of them; empty when there are none.
using TextTest = std::function<bool(std::string_view text)>;
TextTest text_test(const std::vector<std::string>& literals);

}  // namespace de::mirror
