// The SQL functions that are ours: safe stand-ins for built-ins that work for seconds inside one VM instruction (where
// no limit stops them), and what published detections need and SQLite lacks. docs: detection content, section 2.4.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemoneye/base/result.h"

namespace re2 {
class RE2;
}

namespace de::mirror {

// The longest text or blob a session handles. Four times a row of the largest texts the mirror keeps, so that no
// process can make a rule fail by having long arguments; most functions are done with this in some milliseconds.
constexpr int kMaxValueBytes = 1 << 20;

// What all of them are to SQLite.
constexpr int kFunctionFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

// trim, ltrim, rtrim, instr, replace, concat, concat_ws, split, basename, dirname, cidr_match. Errors: Exhausted.
Result<> add_text_functions(sqlite3* db);
// like (the operator x LIKE y ESCAPE z), glob. Errors: Exhausted.
Result<> add_like_functions(sqlite3* db);
// Compiled patterns that outlive a run. SQLite itself forgets what belongs to a statement when it is reset.
class PatternCache {
 public:
  explicit PatternCache(std::size_t most);
  ~PatternCache();
  PatternCache(const PatternCache&) = delete;
  PatternCache& operator=(const PatternCache&) = delete;

  const re2::RE2* find(std::string_view pattern) const;
  // Takes it while there is room; null when there is none, and the caller keeps it.
  const re2::RE2* keep(std::string_view pattern, std::unique_ptr<re2::RE2>& compiled);
  void clear();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  const std::size_t most_;
  std::unordered_map<std::string, std::unique_ptr<re2::RE2>, Hash, std::equal_to<>> kept_;
};

// regexp (the operator x REGEXP y), regex_match, regex_split.
// `patterns` outlives the connection. Errors: Exhausted.
Result<> add_regex_functions(sqlite3* db, PatternCache* patterns = nullptr);

// Compiles without running. Errors: Invalid, with RE2's reason.
Result<> check_pattern(std::string_view pattern);

}  // namespace de::mirror
