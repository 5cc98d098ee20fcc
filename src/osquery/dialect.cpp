#include "daemoneye/osquery/dialect.h"

#include <algorithm>
#include <set>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/tables.h"

namespace de::osquery {
namespace {

bool has(const std::vector<std::string_view>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_known_somewhere(const Named& named, std::string_view column) {
  return std::ranges::any_of(named.tables, [column](const TableUse& use) {
    const ServedTable* table = find_served(use.name);
    return table != nullptr && (has(table->columns, column) || has(table->not_collected, column));
  });
}

// Whether the text in double quotes is a name there: SQLite takes it for one if there is such a column.
bool is_quoted_name(const Named& named, std::size_t i) {
  const auto& tokens = named.tokens;
  if (i + 1 < tokens.size() && tokens[i + 1].is(".")) return true;
  if (i > 0) {
    const Token& before = tokens[i - 1];
    if (before.is(".") || before.is("as") || before.is(")") || before.is("end")) return true;
    if (before.kind != TokenKind::Sign && (before.kind != TokenKind::Word || !is_keyword(before.text))) return true;
  }
  if (std::ranges::any_of(named.tables, [&](const TableUse& use) { return use.at == tokens[i].at; })) return true;
  const std::string name = lower(tokens[i].text);
  return named.aliases.contains(name) || named.own_tables.contains(name) || is_known_somewhere(named, name);
}

std::string text_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

Result<> check_tables(const Named& named) {
  std::set<std::string> refused;
  for (const TableUse& use : named.tables)
    if (find_served(use.name) == nullptr) refused.insert(use.name);
  if (refused.empty()) return {};
  std::vector<std::string_view> known;
  for (const ServedTable& table : served()) known.push_back(table.name);
  std::string list;
  for (const std::string& name : refused)
    list += (list.empty() ? "" : "; ") + escape_controls(name) + ": " + std::string(why_not_served(name)) +
            suggestion(name, known);
  return fail(Errc::Invalid, (refused.size() == 1 ? "this table of osquery is not served: "
                                                  : "these tables of osquery are not served: ") +
                                 list);
}

class ColumnCheck {
 public:
  ColumnCheck(const Named& named, std::string_view sql) : named_(named), tokens_(named.tokens), sql_(sql) {}

  Result<> run() const {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      const bool is_bare = token.kind == TokenKind::Word && !is_keyword(token.text);
      const bool is_quoted = token.kind == TokenKind::Name || token.kind == TokenKind::DoubleQuote;
      if ((!is_bare && !is_quoted) || is_at(i + 1, "(") || is_at(i + 1, ".")) continue;
      if (i > 1 && is_at(i - 1, "."))
        DE_CHECK(check_qualified(i));
      else if (is_bare)
        DE_CHECK(check_bare(i));
      else if (is_known_somewhere(named_, lower(token.text)))
        DE_CHECK(check_bare(i));
    }
    return {};
  }

 private:
  bool is_at(std::size_t i, std::string_view word) const { return i < tokens_.size() && tokens_[i].is(word); }

  Result<> check_qualified(std::size_t i) const {
    const std::string column = lower(tokens_[i].text), table = lower(tokens_[i - 2].text);
    std::vector<const ServedTable*> candidates;
    for (const TableUse& use : named_.tables)
      if (use.alias == table) candidates.push_back(find_served(use.name));
    if (candidates.empty() || named_.aliases.contains(table) || named_.own_tables.contains(table)) return {};
    return check(candidates, column, table + "." + column, tokens_[i - 2].at);
  }

  Result<> check_bare(std::size_t i) const {
    const std::string name = lower(tokens_[i].text);
    static constexpr std::string_view kOthers[] = {"rowid", "oid", "_rowid_", "true", "false"};
    if (std::ranges::find(kOthers, name) != std::end(kOthers) || (i > 0 && is_at(i - 1, "collate"))) return {};
    if (named_.aliases.contains(name) || named_.own_tables.contains(name)) return {};
    std::vector<const ServedTable*> candidates;
    for (const TableUse& use : named_.tables) {
      if (use.name == name || use.alias == name) return {};
      candidates.push_back(find_served(use.name));
    }
    if (candidates.empty()) return {};
    return check(candidates, name, name, tokens_[i].at);
  }

  Result<> check(const std::vector<const ServedTable*>& candidates, std::string_view column, const std::string& shown,
                 std::size_t at) const {
    std::vector<std::string_view> known;
    const ServedTable* without = nullptr;
    for (const ServedTable* table : candidates) {
      if (has(table->columns, column)) return {};
      if (has(table->not_collected, column)) without = table;
      known.insert(known.end(), table->columns.begin(), table->columns.end());
    }
    const std::string where = " (" + place_of(sql_, at) + ")";
    if (without != nullptr)
      return fail(Errc::Invalid,
                  "column " + std::string(without->name) + "." + std::string(column) + " is not collected" + where);
    return fail(Errc::Invalid, "no such column: " + escape_controls(shown) + suggestion(column, known) + where);
  }

  const Named& named_;
  const std::vector<Token>& tokens_;
  const std::string_view sql_;
};

// A file that never ran was never hashed, and its row would be missing without a word.
Result<> check_hash(const Named& named) {
  if (!named.names("hash") || named.names("processes") || named.names("process_events")) return {};
  return fail(Errc::Invalid,
              "this table of osquery is not served by itself: hash: only executables of processes are hashed; join it "
              "with processes or process_events");
}

std::string with_views(const Named& named, std::string body) {
  std::string list;
  for (const View& view : views())
    if (named.names(view.name)) list += (list.empty() ? "" : ",") + view_sql(view);
  if (list.empty()) return body;
  const auto& tokens = named.tokens;
  if (!tokens.front().is("with")) {
    body.insert(tokens.front().at, kPreambleBegin.data() + ("WITH " + list) + kPreambleEnd.data());
    return body;
  }
  const Token& last = tokens.size() > 1 && tokens[1].is("recursive") ? tokens[1] : tokens[0];
  body.insert(last.at + last.size, kPreambleBegin.data() + list + "," + kPreambleEnd.data());
  return body;
}

}  // namespace

std::string_view preamble_of(std::string_view sql) {
  const std::size_t begin = sql.find(kPreambleBegin), end = sql.find(kPreambleEnd);
  if (end == std::string_view::npos || begin > end) return {};
  return sql.substr(begin, end + kPreambleEnd.size() - begin);
}

Result<> check_names(const Named& named, std::string_view sql) {
  DE_CHECK(check_tables(named));
  DE_CHECK(check_hash(named));
  return ColumnCheck(named, sql).run();
}

Result<std::string> from_osquery(std::string_view sql) {
  DE_TRY(named, look_at(sql));
  DE_CHECK(check_names(named, sql));
  std::string body(sql);
  // From the end, so that the places of what comes before stay as they are.
  for (std::size_t i = named.tokens.size(); i-- > 0;) {
    const Token& token = named.tokens[i];
    if (token.kind == TokenKind::DoubleQuote && !is_quoted_name(named, i))
      body.replace(token.at, token.size, text_literal(token.text));
  }
  return with_views(named, std::move(body));
}

}  // namespace de::osquery
