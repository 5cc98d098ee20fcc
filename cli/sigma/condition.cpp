#include "sigma/condition.h"

#include <strings.h>

#include <algorithm>
#include <vector>

#include "daemoneye/base/text.h"
#include "sigma/pattern.h"

namespace de::sigma {
namespace {

bool is_keyword(const std::string& word, const char* keyword) { return ::strcasecmp(word.c_str(), keyword) == 0; }

// `*` in `pattern` is any number of characters. Without going back more than to the last star.
bool is_like(std::string_view name, std::string_view pattern) {
  std::size_t n = 0, p = 0, star = pattern.npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

Result<std::vector<std::string>> split(std::string_view condition) {
  if (condition.size() > kMaxConditionBytes) return fail(Errc::Invalid, "the condition is too long");
  std::vector<std::string> out;
  for (std::size_t i = 0; i < condition.size();) {
    const char c = condition[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
    } else if (c == '(' || c == ')') {
      out.emplace_back(1, c);
      ++i;
    } else if (c == '|') {
      return fail(Errc::Invalid,
                  "aggregations (\"| count()\" and the like) are not converted: they are no longer Sigma");
    } else {
      const std::size_t end = std::min(condition.find_first_of(" \t\r\n()|", i), condition.size());
      out.emplace_back(condition.substr(i, end - i));
      i = end;
    }
  }
  return out;
}

constexpr std::size_t kMaxUsedBytes = 1UL << 20;  // A rule's SQL has an eighth of that.

class Parser {
 public:
  Parser(const std::vector<std::string>& words, const Parts& parts) : words_(words), parts_(parts) {}

  Result<std::string> parse() {
    DE_TRY(out, parse_or(0));
    if (at_ < words_.size())
      return fail(Errc::Invalid, "\"" + escape_controls(words_[at_]) + "\" is not expected in the condition");
    return out;
  }

 private:
  bool is_next(const char* keyword) const { return at_ < words_.size() && is_keyword(words_[at_], keyword); }

  // "and" binds more than "or".
  Result<std::string> parse_or(int depth) {
    return parse_chain("or", " OR ", [this, depth] { return parse_and(depth); });
  }
  Result<std::string> parse_and(int depth) {
    return parse_chain("and", " AND ", [this, depth] { return parse_not(depth); });
  }

  template <class Next>
  Result<std::string> parse_chain(const char* word, std::string_view by, Next parse_next) {
    std::vector<std::string> terms;
    do {
      if (!terms.empty()) ++at_;
      DE_TRY(next, parse_next());
      terms.push_back(std::move(next));
    } while (is_next(word));
    return joined(terms, by);
  }

  Result<std::string> parse_not(int depth) {
    if (depth > kMaxConditionDepth) return fail(Errc::Invalid, "the condition is nested too deeply");
    if (is_next("not") && !parts_.contains(words_[at_])) {
      ++at_;
      DE_TRY(term, parse_not(depth + 1));
      return "NOT ifnull(" + term + ", 0)";
    }
    return parse_one(depth);
  }

  Result<std::string> parse_one(int depth) {
    if (at_ >= words_.size()) return fail(Errc::Invalid, "the condition ends too early");
    const std::string& word = words_[at_++];
    if (word == "(") {
      DE_TRY(inner, parse_or(depth + 1));
      if (!is_next(")")) return fail(Errc::Invalid, "a \")\" is missing in the condition");
      ++at_;
      return inner;
    }
    if (is_next("of")) return parse_some(word);
    if (const auto found = parts_.find(word); found != parts_.end()) return use(found->second);
    std::vector<std::string_view> names;
    for (const auto& [name, sql] : parts_) names.push_back(name);
    return fail(Errc::Invalid, "the condition names \"" + escape_controls(word) + "\", which the detection has not" +
                                   suggestion(word, names));
  }

  // "1 of selection_*", "all of them".
  Result<std::string> parse_some(const std::string& how_many) {
    ++at_;
    const bool is_all = is_keyword(how_many, "all");
    if (how_many != "1" && !is_keyword(how_many, "any") && !is_all)
      return fail(Errc::Invalid,
                  "\"" + escape_controls(how_many) + " of\" is not converted, \"1 of\" and \"all of\" are");
    if (at_ >= words_.size()) return fail(Errc::Invalid, "the condition ends after \"of\"");
    const std::string& pattern = words_[at_++];
    const bool is_them = is_keyword(pattern, "them");
    std::vector<std::string> terms;
    for (const auto& [name, sql] : parts_)
      if (is_them ? !name.starts_with('_') : is_like(name, pattern)) {
        DE_TRY(used, use(sql));
        terms.push_back(std::move(used));
      }
    if (terms.empty())
      return fail(Errc::Invalid, "nothing in the detection is called \"" + escape_controls(pattern) + "\"");
    return joined(terms, is_all ? " AND " : " OR ");
  }

  // A condition may name a long part thousands of times.
  Result<std::string> use(const std::string& sql) {
    used_bytes_ += sql.size();
    if (used_bytes_ > kMaxUsedBytes) return fail(Errc::Invalid, "the condition makes too long an SQL statement");
    return sql;
  }

  const std::vector<std::string>& words_;
  const Parts& parts_;
  std::size_t used_bytes_ = 0;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::string> condition_to_sql(std::string_view condition, const Parts& parts) {
  DE_TRY(words, split(condition));
  return Parser(words, parts).parse();
}

}  // namespace de::sigma
