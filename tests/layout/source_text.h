// Just enough understanding of C++ text to check rules of style by pattern: comments and strings taken out, and the
// statements that contain a word, with lambda bodies kept apart from the statement around them.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace de::layout {

// The same text with comments, string and character literals blanked; line numbers stay. With `keep_comments`, only
// the literals go.
std::string without_literals(std::string_view text, bool keep_comments = false);

// One statement, or the head of a compound one ("if (...)"), without the blocks inside it. Braces that initialise
// something are part of it.
struct Statement {
  std::string text;
  int line = 0;  // Where it begins.
  bool has_init_braces = false;
  bool awaits_in_braces = false;  // A co_await stands between initialising braces.
};

// Every statement of `text` (as without_literals() gives it) that contains co_await.
std::vector<Statement> awaiting_statements(std::string_view text);

// The names of the banned shapes a statement has; empty for a good one.
std::vector<std::string> banned_shapes(const Statement& statement);

}  // namespace de::layout
