#include "daemoneye/schema/sql_functions.h"

#include <array>

namespace de::schema {
namespace {

// Operators appear here as functions too: like, glob, regexp, ->, ->>.
// Not on the list on purpose: printf, format, zeroblob, randomblob (unbounded work or memory in one step), random
// (a rule gives the same answer twice), load_extension, fts3_tokenizer, sqlite_* and anything nobody has asked for.
constexpr SqlFunction kFunctions[] = {
    {"->", "json", "value -> path", "the part of a JSON text, as JSON"},
    {"->>", "json", "value ->> path", "the part of a JSON text, as text or number"},
    {"abs", "numbers", "abs(x)", "without its sign"},
    {"avg", "aggregates", "avg(x)", "mean of all that are not NULL"},
    {"basename", "text", "basename(path)", "what is behind the last slash"},
    {"cidr_match", "network", "cidr_match(address, range)", "1 when the address is in the range, such as 10.0.0.0/8"},
    {"coalesce", "choice", "coalesce(x, y, ...)", "the first that is not NULL"},
    {"concat", "text", "concat(x, ...)", "all of them, one behind the other; NULL is empty"},
    {"concat_ws", "text", "concat_ws(between, x, ...)", "all that are not NULL, with a text between"},
    {"count", "aggregates", "count(*), count(x)", "how many rows, or how many that are not NULL"},
    {"cume_dist", "windows", "cume_dist()", "place in the window from 0 to 1, equals included"},
    {"current_date", "time", "current_date", "today in UTC"},
    {"current_time", "time", "current_time", "now in UTC, the time alone"},
    {"current_timestamp", "time", "current_timestamp", "now in UTC"},
    {"date", "time", "date(time, modifier, ...)", "the date"},
    {"datetime", "time", "datetime(time, modifier, ...)", "date and time"},
    {"dense_rank", "windows", "dense_rank()", "rank without holes"},
    {"dirname", "text", "dirname(path)", "what is in front of the last slash"},
    {"first_value", "windows", "first_value(x)", "of the first row of the window"},
    {"glob", "patterns", "x GLOB pattern", "with *, ? and [abc]; upper and lower case differ"},
    {"group_concat", "aggregates", "group_concat(x, between)", "all of them with a text between"},
    {"hex", "text", "hex(x)", "its bytes in hexadecimal"},
    {"ifnull", "choice", "ifnull(x, y)", "x, or y when it is NULL"},
    {"iif", "choice", "iif(condition, x, y)", "x when it is true, otherwise y"},
    {"instr", "text", "instr(text, part)", "where the part begins, from 1; 0 when it is not there"},
    {"json", "json", "json(x)", "checked and without spaces"},
    {"json_array", "json", "json_array(x, ...)", "a list of them"},
    {"json_array_length", "json", "json_array_length(x, path)", "how many elements"},
    {"json_extract", "json", "json_extract(x, path, ...)", "the part of a JSON text"},
    {"json_group_array", "json", "json_group_array(x)", "all of a group as a list"},
    {"json_group_object", "json", "json_group_object(name, x)", "all of a group as an object"},
    {"json_object", "json", "json_object(name, x, ...)", "an object of them"},
    {"json_quote", "json", "json_quote(x)", "as a JSON value"},
    {"json_type", "json", "json_type(x, path)", "object, array, text, integer, real, true, false or null"},
    {"json_valid", "json", "json_valid(x)", "1 when it is JSON"},
    {"julianday", "time", "julianday(time, modifier, ...)", "days since noon of November 24, 4714 BC"},
    {"lag", "windows", "lag(x, rows, otherwise)", "of a row before this one"},
    {"last_value", "windows", "last_value(x)", "of the last row of the window"},
    {"lead", "windows", "lead(x, rows, otherwise)", "of a row behind this one"},
    {"length", "text", "length(x)", "number of characters, or of a blob's bytes"},
    {"like", "patterns", "x LIKE pattern ESCAPE c", "with % and _; ASCII letters are equal in both cases"},
    {"likelihood", "choice", "likelihood(x, probability)", "x; a hint for the planner"},
    {"likely", "choice", "likely(x)", "x; a hint for the planner"},
    {"lower", "text", "lower(x)", "ASCII letters in lower case"},
    {"ltrim", "text", "ltrim(x, characters)", "without spaces, or these characters, in front"},
    {"max", "aggregates", "max(x), max(x, y, ...)", "the largest of all rows, or of the arguments"},
    {"min", "aggregates", "min(x), min(x, y, ...)", "the smallest of all rows, or of the arguments"},
    {"nth_value", "windows", "nth_value(x, n)", "of the nth row of the window"},
    {"ntile", "windows", "ntile(n)", "which of n equal parts the row is in"},
    {"nullif", "choice", "nullif(x, y)", "NULL when they are equal, otherwise x"},
    {"percent_rank", "windows", "percent_rank()", "rank from 0 to 1"},
    {"rank", "windows", "rank()", "rank with holes"},
    {"regex_match", "patterns", "regex_match(x, pattern, group)", "what the group matched, NULL when nothing did"},
    {"regex_split", "patterns", "regex_split(x, pattern, index)", "a part of x between matches, from 0"},
    {"regexp", "patterns", "x REGEXP pattern", "a match anywhere (RE2: no look-around, no back-references)"},
    {"replace", "text", "replace(x, from, to)", "each occurrence replaced"},
    {"round", "numbers", "round(x, digits)", "rounded"},
    {"row_number", "windows", "row_number()", "number of the row in the window"},
    {"rtrim", "text", "rtrim(x, characters)", "without spaces, or these characters, behind"},
    {"sign", "numbers", "sign(x)", "-1, 0 or 1"},
    {"split", "text", "split(x, characters, index)", "a part of x between these characters, from 0"},
    {"strftime", "time", "strftime(format, time, modifier, ...)", "as the format says"},
    {"substr", "text", "substr(x, from, count)", "a part, from 1"},
    {"substring", "text", "substring(x, from, count)", "the same as substr"},
    {"sum", "aggregates", "sum(x)", "sum, NULL without rows"},
    {"time", "time", "time(time, modifier, ...)", "the time of day"},
    {"total", "aggregates", "total(x)", "sum as a real number, 0.0 without rows"},
    {"trim", "text", "trim(x, characters)", "without spaces, or these characters, at both ends"},
    {"typeof", "choice", "typeof(x)", "null, integer, real, text or blob"},
    {"unixepoch", "time", "unixepoch(time, modifier, ...)", "seconds since 1970"},
    {"unlikely", "choice", "unlikely(x)", "x; a hint for the planner"},
    {"upper", "text", "upper(x)", "ASCII letters in upper case"},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kFunctions)> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kFunctions[i].name;
  return out;
}();

}  // namespace

std::span<const SqlFunction> sql_function_rows() { return kFunctions; }
std::span<const std::string_view> sql_functions() { return kNames; }

}  // namespace de::schema
