#include "packs/convert.h"

#include <algorithm>
#include <charconv>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/osquery/tables.h"
#include "daemoneye/schema/rule_text.h"
#include "daemoneye/schema/sql_functions.h"

namespace de::packs {
namespace {

using osquery::Named;
using osquery::Token;
using osquery::TokenKind;

constexpr std::size_t kMaxIdBytes = kMaxRuleIdBytes - 8;
// osquery keeps events for an hour (events_expiry), so that is how far its own queries can look back.
constexpr std::int64_t kLeastWindowS = 3'600;
constexpr std::int64_t kMostWindowS = 30LL * 86'400;

// As far as it shows without SQLite; the rest the agent refuses when it loads the rule.
Result<> check_form(const Named& named, std::string_view sql) {
  const auto& tokens = named.tokens;
  if (tokens.empty()) return fail(Errc::Invalid, "there is no statement");
  const auto wrong = [&](const Token& token, const std::string& what) {
    return fail(Errc::Invalid, what + " (" + osquery::place_of(sql, token.at) + ")");
  };
  if (!tokens.front().is("select") && !tokens.front().is("with") && !tokens.front().is("values"))
    return wrong(tokens.front(), "expected a SELECT");
  bool is_over = false;
  for (const Token& token : tokens) {
    if (is_over && !token.is(";")) return wrong(token, "only one statement is allowed");
    is_over |= token.is(";");
  }
  return {};
}

Result<> check_functions(const Named& named) {
  const auto allowed = schema::sql_functions();
  for (const std::string& name : named.functions)
    if (!std::ranges::binary_search(allowed, std::string_view(name)))
      return fail(Errc::Invalid, "function " + escape_controls(name) + "() is not allowed" + suggestion(name, allowed));
  return {};
}

// The agent's patterns have none of these; it would refuse the rule.
Result<> check_patterns(const Named& named, std::string_view sql) {
  if (!std::ranges::any_of(named.functions, [](const std::string& name) { return name.starts_with("reg"); })) return {};
  for (const Token& token : named.tokens)
    for (const std::string_view look : {"(?=", "(?!", "(?<=", "(?<!"})
      if ((token.kind == TokenKind::Text || token.kind == TokenKind::DoubleQuote) &&
          token.text.find(look) != std::string::npos)
        return fail(Errc::Invalid, "regular expressions cannot look around: " + std::string(look) + "...) (" +
                                       osquery::place_of(sql, token.at) + ")");
  return {};
}

bool is_comparison(const Token& token) { return token.is("=") || token.is("==") || token.is("in"); }

// `path` of this table is compared with something, or joined by name.
bool is_path_named(const Named& named, const std::string& alias) {
  const auto& tokens = named.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].is("path")) continue;
    const bool is_qualified = i > 1 && tokens[i - 1].is(".");
    if (is_qualified && tokens[i - 2].text != alias) continue;
    const std::size_t before = is_qualified ? i - 2 : i;
    if (i + 1 < tokens.size() && is_comparison(tokens[i + 1])) return true;
    if (before > 0 && is_comparison(tokens[before - 1]) && !tokens[before - 1].is("in")) return true;
    if (i > 1 && tokens[i - 1].is("(") && tokens[i - 2].is("using")) return true;
  }
  return false;
}

// A rule says for which rows something is read from processes, which osquery's SQL has no words for.
Result<> refuse_live(const Named& named) {
  for (const osquery::TableUse& table : named.tables)
    if (const auto live = osquery::live_table_of(table.name); !live.empty())
      return fail(Errc::Invalid, table.name + " is read from processes each time: a rule names it with AUTO JOIN " +
                                     std::string(live) + " ... ON ... WHEN ...; a query by hand may name it as it is");
  return {};
}

Result<> check_files(const Named& named) {
  for (const auto& use : named.tables)
    if ((use.name == "file" || use.name == "magic") && !is_path_named(named, use.alias))
      return fail(Errc::Invalid, use.name +
                                     " is answered for named paths only: it needs path = '...', path IN (...) "
                                     "or a join on path");
  return {};
}

std::int64_t number_in(std::string_view text) {
  const std::size_t first = text.find_first_of("0123456789");
  if (first == std::string_view::npos) return 0;
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  return ec == std::errc{} ? value : 0;
}

// The largest number of seconds that is taken off something: `strftime('%s', 'now') - 600`, '-10 minutes'.
std::int64_t look_back_s(const Named& named) {
  std::int64_t most = 0;
  const auto& tokens = named.tokens;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i - 1].is("-") && tokens[i].kind == TokenKind::Number) most = std::max(most, number_in(tokens[i].text));
    const std::string& text = tokens[i].text;
    if (tokens[i].kind != TokenKind::Text || !text.starts_with('-')) continue;
    const std::int64_t unit = text.find("day") != std::string::npos      ? 86'400
                              : text.find("hour") != std::string::npos   ? 3'600
                              : text.find("minute") != std::string::npos ? 60
                                                                         : 1;
    most = std::max(most, std::min(number_in(text), kMostWindowS) * unit);
  }
  return most;
}

std::string in_words(std::int64_t seconds) {
  if (seconds % 86'400 == 0) return std::to_string(seconds / 86'400) + "d";
  if (seconds % 3'600 == 0) return std::to_string(seconds / 3'600) + "h";
  return seconds % 60 == 0 ? std::to_string(seconds / 60) + "m" : std::to_string(seconds) + "s";
}

std::string window_of(const Query& query, const Named& named) {
  if (!named.names("process_events") || !named.combines_rows) return {};
  return in_words(std::clamp(std::max(query.interval_s, look_back_s(named)), kLeastWindowS, kMostWindowS));
}

std::string runs_on(const Named& named, const std::string& window) {
  if (!window.empty()) return "snapshot, window " + window;
  if (named.combines_rows) return "snapshot";
  if (named.names("process_events")) return "event";
  return named.names("processes") ? "event and snapshot" : "snapshot";
}

bool is_plain(std::string_view sql) {
  return std::ranges::all_of(sql,
                             [](char c) { return c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20; }) &&
         escape_controls(sql).find("\\x8") == std::string::npos;
}

// As it was written, where YAML can say it so.
void add_sql(std::string& out, std::string_view written) {
  std::string sql;
  for (std::size_t i = 0; i < written.size(); ++i)
    if (written[i] != '\r' || i + 1 == written.size() || written[i + 1] != '\n') sql += written[i];
  if (!is_plain(sql) || sql.find('\n') == std::string::npos) {
    out += "sql: " + json_string(sql) + "\n";
    return;
  }
  out += "sql: |\n";
  for (std::string_view rest = sql; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) out += "  " + std::string(rest.substr(0, end));
    out += '\n';
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

}  // namespace

std::string id_of(const Query& query) {
  std::string id = "osquery-";
  for (const char c : query.name) {
    if (id.size() == kMaxIdBytes) break;
    const bool is_kept =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    id += is_kept ? c : '-';
  }
  return id;
}

bool is_for_this_platform(std::string_view platform) {
  constexpr std::string_view kOurs[] = {"all", "any", "linux", "posix", "ubuntu", "centos", "rhel", "debian"};
  if (platform.find_first_not_of(" ,") == std::string_view::npos) return true;
  while (!platform.empty()) {
    const std::size_t end = std::min(platform.find_first_of(" ,"), platform.size());
    if (std::ranges::find(kOurs, platform.substr(0, end)) != std::end(kOurs)) return true;
    platform.remove_prefix(std::min(end + 1, platform.size()));
  }
  return false;
}

Result<Converted> convert(const Query& query, const ConvertOptions& options) {
  if (!is_for_this_platform(query.platform))
    return fail(Errc::Invalid, "written for " + escape_controls(query.platform) + " only");
  DE_TRY(named, osquery::look_at(query.sql));
  DE_CHECK(check_form(named, query.sql));
  DE_CHECK(osquery::check_names(named, query.sql));
  DE_CHECK(refuse_live(named));
  DE_CHECK(check_functions(named));
  DE_CHECK(check_patterns(named, query.sql));
  DE_CHECK(check_files(named));
  Converted out;
  out.id = id_of(query);
  const std::string window = window_of(query, named);
  out.runs = runs_on(named, window);
  DE_CHECK(add_rule_line(out.yaml, "id", out.id));
  DE_CHECK(add_rule_line(out.yaml, "name", query.title));
  DE_CHECK(add_rule_line(out.yaml, "description", query.description, kMaxRuleDescriptionBytes));
  DE_CHECK(add_rule_list(out.yaml, "tags", query.tags));
  DE_CHECK(add_rule_line(out.yaml, "license", query.license.empty() ? options.license : query.license));
  DE_CHECK(add_rule_line(out.yaml, "source", options.source));
  DE_CHECK(add_rule_line(out.yaml, "window", window));
  out.yaml += "dialect: osquery\n";
  add_sql(out.yaml, query.sql);
  return out;
}

}  // namespace de::packs
