#include "mirror/auto_join.h"

#include <algorithm>
#include <optional>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/tokens.h"
#include "daemoneye/schema/live_columns.h"

namespace de::mirror {
namespace {

using osquery::Token;

constexpr std::string_view kEnds[] = {"where",  "group",     "order", "limit", "having", "window", "union",
                                      "except", "intersect", "join",  "left",  "right",  "full",   "inner",
                                      "cross",  "natural",   "auto",  ",",     ";"};

// Names of tables, and where the words of a join are.
struct Join {
  std::size_t word = 0;  // The token AUTO,
  std::size_t on = 0;    // ON,
  std::optional<std::size_t> when;
  std::size_t end = 0;  // and the first behind it.
};

Error misplaced(std::string_view sql, const Token& at, const std::string& what) {
  return {Errc::Invalid, what + " (" + osquery::place_of(sql, at.at) + ")"};
}

bool is_end(const Token& token) {
  return token.kind != osquery::TokenKind::Text &&
         std::ranges::any_of(kEnds, [&](std::string_view word) { return token.is(word); });
}

// From behind ON to the end of the join's conditions.
void find_end(const std::vector<Token>& tokens, Join& join) {
  int depth = 0, cases = 0;
  std::size_t at = join.on + 1;
  for (; at < tokens.size(); ++at) {
    const Token& token = tokens[at];
    if (token.is("(")) ++depth;
    if (token.is(")") && --depth < 0) break;
    if (token.is("case")) ++cases;
    if (token.is("end") && cases > 0) --cases;
    if (depth > 0 || cases > 0) continue;
    if (token.is("when") && !join.when)
      join.when = at;
    else if (is_end(token))
      break;
  }
  join.end = at;
}

std::string_view part(std::string_view sql, const std::vector<Token>& tokens, std::size_t first, std::size_t end) {
  if (first >= end) return {};
  const std::size_t from = tokens[first].at;
  return sql.substr(from, tokens[end - 1].at + tokens[end - 1].size - from);
}

Result<Join> read_join(std::string_view sql, const std::vector<Token>& tokens, std::size_t at, AutoJoin& out) {
  Join join;
  join.word = at;
  std::size_t next = at + 2;
  std::string name;
  for (; next < tokens.size() && !tokens[next].is("on") && !tokens[next].is("as") && !is_end(tokens[next]); ++next) {
    const bool continues = name.empty() || tokens[next].is(".") || tokens[next - 1].is(".");
    if (!continues) break;
    name += tokens[next].text;
  }
  const schema::TableInfo* table = schema::find_live_table(osquery::lower(name));
  if (table == nullptr) {
    std::string known;
    for (const schema::TableInfo& one : schema::live_tables())
      known += (known.empty() ? "" : ", ") + std::string(one.name);
    return fail(misplaced(
        sql, tokens[at],
        "AUTO JOIN is for tables that are read live: " + known + "; join " + escape_controls(name) + " with JOIN"));
  }
  while (next < tokens.size() && !tokens[next].is("on") && !is_end(tokens[next])) ++next;
  if (next >= tokens.size() || !tokens[next].is("on"))
    return fail(misplaced(sql, tokens[at], "AUTO JOIN needs ON, which says by which pid to read"));
  out.tables.emplace_back(table->name);
  join.on = next;
  find_end(tokens, join);
  if (join.end == join.on + 1 || (join.when && (*join.when == join.on + 1 || *join.when + 1 == join.end)))
    return fail(misplaced(sql, tokens[join.on], "AUTO JOIN has ON or WHEN without a condition"));
  return join;
}

// "processes.events e" of the FROM directly in front of the first join; empty when something else is there.
std::string_view first_table(std::string_view sql, const std::vector<Token>& tokens, std::size_t join) {
  std::size_t from = join;
  while (from > 0 && !tokens[from - 1].is("from")) {
    if (is_end(tokens[from - 1]) || tokens[from - 1].is("(") || tokens[from - 1].is(")")) return {};
    --from;
  }
  return from == 0 ? std::string_view() : part(sql, tokens, from, join);
}

}  // namespace

Result<AutoJoin> rewrite_auto_joins(std::string_view sql) {
  AutoJoin out;
  out.sql = sql;
  if (osquery::lower(sql).find("auto") == std::string::npos) return out;
  DE_TRY(tokens, osquery::read_tokens(sql));
  std::vector<Join> joins;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].is("auto") || !tokens[i + 1].is("join")) continue;
    DE_TRY(join, read_join(sql, tokens, i, out));
    joins.push_back(join);
  }
  if (joins.empty()) return out;
  std::string sqlite, whens;
  std::size_t copied = 0;
  bool all_have_when = true;
  const auto copy_until = [&](std::size_t end) {
    sqlite += sql.substr(copied, end - copied);
    copied = end;
  };
  for (const Join& join : joins) {
    copy_until(tokens[join.word].at);
    copied = tokens[join.word + 1].at;
    copy_until(tokens[join.on].at);
    const std::size_t on_end = join.when.value_or(join.end);
    sqlite += "ON (" + std::string(part(sql, tokens, join.on + 1, on_end)) + ")";
    if (join.when) {
      const std::string when(part(sql, tokens, *join.when + 1, join.end));
      sqlite += " AND (" + when + ")";
      whens += (whens.empty() ? "(" : " OR (") + when + ")";
    }
    all_have_when = all_have_when && join.when.has_value();
    copied = tokens[join.end - 1].at + tokens[join.end - 1].size;
  }
  copy_until(sql.size());
  out.sql = std::move(sqlite);
  const std::string_view first = first_table(sql, tokens, joins.front().word);
  if (all_have_when && !first.empty()) out.trigger = "SELECT pid FROM " + std::string(first) + " WHERE " + whens;
  return out;
}

}  // namespace de::mirror
