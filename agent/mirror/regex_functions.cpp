#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "mirror/function_args.h"

namespace de::mirror {
namespace {

constexpr std::int64_t kRegexMemory = 1 << 20;  // Of one compiled pattern with its caches.
constexpr std::size_t kMaxPatternBytes = 8UL << 10;
// When its automaton outgrows the memory, RE2 falls back to instructions x bytes of work, and does it in one go. With
// these two, no stored text (64 KiB) is ever refused and one match stays below about half a second.
constexpr int kMaxInstructions = 2'048;
constexpr std::size_t kMaxWork = 128UL << 20;
constexpr int kMaxPieces = 10'000;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// Null and an error in `why` when the pattern is not acceptable.
std::unique_ptr<RE2> compile(std::string_view pattern, std::string& why) {
  if (pattern.size() > kMaxPatternBytes) {
    why = "regular expression longer than 8 KiB";
    return nullptr;
  }
  RE2::Options options;
  options.set_max_mem(kRegexMemory);
  options.set_log_errors(false);
  auto compiled = std::make_unique<RE2>(piece(pattern), options);
  const std::string shown = "\"" + std::string(pattern.substr(0, 80)) + (pattern.size() > 80 ? "...\"" : "\"");
  if (!compiled->ok()) {
    why = "invalid regular expression " + shown + ": " + compiled->error() +
          " (RE2 syntax: no look-around, no back-references)";
    return nullptr;
  }
  if (compiled->ProgramSize() > kMaxInstructions) {
    why = "regular expression too complex: " + shown;
    return nullptr;
  }
  return compiled;
}

// A constant pattern is compiled once per statement and kept with it; one from a column is compiled per row.
class Pattern {
 public:
  Pattern(sqlite3_context* context, int argument, sqlite3_value* value) {
    auto* cache = static_cast<PatternCache*>(sqlite3_user_data(context));
    const std::string_view text = text_of(value);
    kept_ = cache != nullptr ? cache->find(text) : static_cast<const RE2*>(sqlite3_get_auxdata(context, argument));
    if (kept_ != nullptr) return;
    std::string why;
    fresh_ = compile(text, why);
    if (!fresh_) {
      give_error(context, why);
      return;
    }
    if (cache != nullptr) kept_ = cache->keep(text, fresh_);  // Moved from when it was taken.
    argument_ = argument;
    context_ = context;
  }
  // After the match, because SQLite may free what it is given at once.
  ~Pattern() {
    if (fresh_)
      sqlite3_set_auxdata(context_, argument_, fresh_.release(), [](void* p) { delete static_cast<RE2*>(p); });
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  const RE2* get() const { return kept_ != nullptr ? kept_ : fresh_.get(); }

 private:
  const RE2* kept_ = nullptr;
  std::unique_ptr<RE2> fresh_;
  sqlite3_context* context_ = nullptr;
  int argument_ = 0;
};

bool is_affordable(sqlite3_context* context, const RE2& re, std::string_view text) {
  const std::size_t work = static_cast<std::size_t>(re.ProgramSize()) * text.size();
  if (work <= kMaxWork) return has_time(context, work);
  give_error(context, "regular expression too complex for a text of " + std::to_string(text.size()) + " bytes");
  return false;
}

// regexp(pattern, text), which SQLite calls for `text REGEXP pattern`: found anywhere in the text.
void regexp(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1])) return;
  const Pattern pattern(context, 0, args[0]);
  if (pattern.get() == nullptr) return;
  const std::string_view text = text_of(args[1]);
  if (!is_affordable(context, *pattern.get(), text)) return;
  sqlite3_result_int(context, RE2::PartialMatch(piece(text), *pattern.get()));
}

// regex_match(text, pattern, group): the group's text (0: the whole match); NULL without a match or group.
void regex_match(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1]) || is_null(args[2])) return;
  const Pattern pattern(context, 1, args[1]);
  if (pattern.get() == nullptr) return;
  const std::string_view text = text_of(args[0]);
  const std::int64_t group = sqlite3_value_int64(args[2]);
  if (group < 0 || group > pattern.get()->NumberOfCapturingGroups()) return;
  if (!is_affordable(context, *pattern.get(), text)) return;
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(group) + 1);
  const bool found = pattern.get()->Match(piece(text), 0, text.size(), RE2::UNANCHORED, groups.data(),
                                          static_cast<int>(groups.size()));
  const re2::StringPiece& hit = groups.back();
  if (found && hit.data() != nullptr) give_text(context, {hit.data(), hit.size()});
}

// regex_split(text, pattern, n): the n-th non-empty piece from 0; NULL past the end.
void regex_split(sqlite3_context* context, int, sqlite3_value** args) {
  if (is_null(args[0]) || is_null(args[1]) || is_null(args[2])) return;
  const Pattern pattern(context, 1, args[1]);
  if (pattern.get() == nullptr) return;
  const std::string_view text = text_of(args[0]);
  if (!is_affordable(context, *pattern.get(), text)) return;
  std::int64_t left = sqlite3_value_int64(args[2]);
  std::size_t start = 0, from = 0;
  for (int i = 0; i < kMaxPieces && left >= 0 && start <= text.size(); ++i) {
    // Each match may read the whole rest, so the number of matches does not bound the time.
    if (!has_time(context, text.size() - std::min(from, text.size()))) return;
    re2::StringPiece hit;
    const bool found =
        from <= text.size() && pattern.get()->Match(piece(text), from, text.size(), RE2::UNANCHORED, &hit, 1);
    const std::size_t end = found ? static_cast<std::size_t>(hit.data() - text.data()) : text.size();
    if (found && hit.empty() && end == start) {
      from = end + 1;  // An empty match at a piece's start separates nothing.
      continue;
    }
    if (end > start && left-- == 0) return give_text(context, text.substr(start, end - start));
    if (!found) return;
    start = end + hit.size();
    from = start;
  }
}

}  // namespace

PatternCache::PatternCache(std::size_t most) : most_(most) {}
PatternCache::~PatternCache() = default;

const RE2* PatternCache::find(std::string_view pattern) const {
  const auto found = kept_.find(pattern);
  return found == kept_.end() ? nullptr : found->second.get();
}

const RE2* PatternCache::keep(std::string_view pattern, std::unique_ptr<RE2>& compiled) {
  if (kept_.size() >= most_) return nullptr;
  return kept_.emplace(std::string(pattern), std::move(compiled)).first->second.get();
}

void PatternCache::clear() { kept_.clear(); }

Result<> check_pattern(std::string_view pattern) {
  std::string why;
  if (!compile(pattern, why)) return fail(Errc::Invalid, why);
  return {};
}

Result<> add_regex_functions(sqlite3* db, PatternCache* patterns) {
  const auto add = [db, patterns](const char* name, int arguments,
                                  void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    return sqlite3_create_function_v2(db, name, arguments, kFunctionFlags, patterns, function, nullptr, nullptr,
                                      nullptr);
  };
  if (add("regexp", 2, regexp) != SQLITE_OK || add("regex_match", 3, regex_match) != SQLITE_OK ||
      add("regex_split", 3, regex_split) != SQLITE_OK)
    return fail(Errc::Exhausted, std::string("add SQL functions: ") + sqlite3_errmsg(db));
  return {};
}

}  // namespace de::mirror
