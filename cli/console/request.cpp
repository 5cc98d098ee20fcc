#include "console/request.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "console/moment.h"
#include "console/tree.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/link/protocol.h"

namespace de::console {
namespace {

// What JSON calls a number is one: 7, -1.5, 2e9. Not 007 or +1, which are often ids that happen to be digits.
bool is_json_number(std::string_view text, bool& integer) {
  const auto digits = [&] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  integer = text.empty();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

std::size_t replacements(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::size_t count = 0;
  for (std::size_t at = text.find(kReplacement); at != text.npos; at = text.find(kReplacement, at + 1)) ++count;
  return count;
}

// For `string` fields: bytes that are not UTF-8 would make the whole request unreadable to the agent.
Result<> check_utf8(std::string_view what, std::string_view text) {
  if (replacements(json_string(text)) == replacements(text)) return {};
  return fail(Errc::Invalid, std::string(what) + " is not valid UTF-8");
}

// Anything else is the id of a rule.
bool is_rule_file(std::string_view target) {
  return target.find('/') != target.npos || target.ends_with(".yaml") || target.ends_with(".yml") ||
         target.ends_with(".json") || target.ends_with(".sql");
}

struct Asking {
  const Streams& streams;
  Question question;

  pb::ControlRequest& request() {
    question.requests.emplace_back().set_protocol_major(link::kControlMajor);
    return question.requests.back();
  }

  Result<> operator()(const QueryCommand& command) {
    std::string sql = command.sql;
    if (command.file == "-") {
      DE_TRY(text, read_all(streams.in, "standard input", kMaxRequestBytes));
      sql = std::move(text);
    } else if (!command.file.empty()) {
      DE_TRY(text, read_file(command.file, kMaxRequestBytes));
      sql = std::move(text);
    }
    if (is_blank(sql)) return fail(Errc::Invalid, "the statement is empty");
    question.text = sql;
    pb::QueryRequest& query = *request().mutable_query();
    DE_CHECK(check_utf8("the statement", sql));
    query.set_sql(sql);
    for (const std::string& param : command.params) {
      DE_TRY(value, parse_param(param));
      *query.add_params() = value;
    }
    query.set_mode(command.mode);
    if (command.dialect == "osquery") query.set_dialect(pb::DIALECT_OSQUERY);
    query.set_limit_rows(command.limit);
    query.set_timeout_ms(command.timeout_ms);
    if (!command.as_of.empty()) {
      DE_TRY(as_of_ms, parse_moment(command.as_of, system_clock().unix_ms()));
      query.set_as_of_ms(as_of_ms);
    }
    return {};
  }
  Result<> operator()(const SchemaCommand& command) {
    DE_CHECK(check_utf8("the table", command.table));
    question.text = words("schema", command.table);
    pb::SchemaRequest& schema = *request().mutable_schema();
    schema.set_table(command.table);
    schema.set_functions(command.functions);
    return {};
  }
  Result<> operator()(const RulesListCommand&) {
    question.text = "rules list";
    request().mutable_rules_list();
    return {};
  }
  Result<> operator()(const RuleShowCommand& command) {
    DE_CHECK(check_utf8("the rule", command.id));
    question.text = words("rules show", command.id);
    request().mutable_rule_show()->set_rule_id(command.id);
    return {};
  }
  Result<> operator()(const RulesValidateCommand& command) {
    question.text = "rules validate";
    for (const std::string& file : command.files) DE_CHECK(check_file(file, false));
    return {};
  }
  Result<> operator()(const RulesTestCommand& command) {
    question.text = words("rules test", command.target);
    if (is_rule_file(command.target)) return check_file(command.target, true);
    DE_CHECK(check_utf8("the rule", command.target));
    request().mutable_rule_test()->set_rule_id(command.target);
    return {};
  }
  Result<> operator()(const AlertsListCommand& command) {
    DE_CHECK(check_utf8("the rule", command.rule));
    question.text = "alerts list";
    pb::AlertsListRequest& list = *request().mutable_alerts_list();
    list.set_rule_id(command.rule);
    list.set_severity(command.severity);
    list.set_limit(command.limit);
    return {};
  }
  Result<> operator()(const AlertShowCommand& command) {
    DE_CHECK(check_utf8("the alert", command.id));
    question.text = words("alerts show", command.id);
    pb::AlertShowRequest& show = *request().mutable_alert_show();
    show.set_alert_id(command.id);
    show.set_evidence(command.evidence);
    return {};
  }
  Result<> operator()(const TreeCommand&) {
    question.text = "tree";
    request().mutable_query()->set_sql(kTreeSql);
    return {};
  }
  Result<> operator()(const RuleBacktestCommand& command) {
    question.text = words("rules backtest", command.target);
    pb::RuleBacktestRequest& asked = *request().mutable_rule_backtest();
    const std::int64_t now_ms = system_clock().unix_ms();
    DE_TRY(from_ms, parse_moment(command.since, now_ms));
    asked.set_from_ms(from_ms);
    if (!command.until.empty()) {
      DE_TRY(to_ms, parse_moment(command.until, now_ms));
      asked.set_to_ms(to_ms);
    }
    asked.set_timeout_ms(command.timeout_ms);
    if (!is_rule_file(command.target)) {
      DE_CHECK(check_utf8("the rule", command.target));
      asked.set_rule_id(command.target);
      return {};
    }
    DE_TRY(text, read_file(command.target, kMaxRequestBytes));
    if (is_blank(text)) return fail(Errc::Invalid, command.target + " is empty");
    asked.set_file_name(escape_controls(command.target));
    asked.set_text(std::move(text));
    return {};
  }
  Result<> operator()(const RuleSwitchCommand& command) {
    question.text = command.position == pb::RULE_ON    ? "rules enable"
                    : command.position == pb::RULE_OFF ? "rules disable"
                                                       : "rules delete";
    for (const std::string& id : command.ids) {
      DE_CHECK(check_utf8("the rule's id", id));
      question.text += ' ' + id;
      pb::RuleSwitchRequest& one = *request().mutable_rule_switch();
      one.set_rule_id(id);
      one.set_position(command.position);
    }
    return {};
  }
  Result<> operator()(const ConfigReloadCommand&) {
    question.text = "config reload";
    request().mutable_config_reload();
    return {};
  }
  Result<> operator()(const HealthCommand& command) {
    DE_CHECK(check_utf8("the component", command.component));
    question.text = words("health", command.component);
    request().mutable_health()->set_component(command.component);
    return {};
  }
  template <class Other>
  Result<> operator()(const Other&) {
    return fail(Errc::Invalid, "not a question for the agent");
  }

 private:
  static std::string words(std::string_view command, const std::string& argument) {
    return argument.empty() ? std::string(command) : std::string(command) + " " + argument;
  }

  Result<> check_file(const std::string& file, bool run_tests) {
    DE_TRY(text, read_file(file, kMaxRequestBytes));
    question.text += run_tests ? "" : " " + file;
    pb::RuleCheckRequest& check = *request().mutable_rule_check();
    check.set_file_name(escape_controls(file));
    check.set_text(std::move(text));
    check.set_run_tests(run_tests);
    return {};
  }
};

}  // namespace

Result<pb::Value> parse_param(const std::string& text) {
  constexpr std::string_view kForced = "text:";
  pb::Value value;
  bool integer = false;
  if (text == "null:") return value;
  if (text.starts_with(kForced)) {
    value.set_text(text.substr(kForced.size()));
  } else if (!is_json_number(text, integer)) {
    value.set_text(text);
  } else if (integer) {
    std::int64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{})
      return fail(Errc::Invalid, "--param " + text + " is beyond 64 bits; text:" + text + " passes it as text");
    value.set_integer(number);
  } else {
    double number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{})
      return fail(Errc::Invalid, "--param " + text + " is beyond the range of a real number");
    value.set_real(number);
  }
  return value;
}

Result<Question> make_question(const Command& command, const Streams& streams) {
  Asking asking{streams, {}};
  DE_CHECK(std::visit(asking, command));
  for (const pb::ControlRequest& request : asking.question.requests) {
    if (request.ByteSizeLong() > kMaxRequestBytes)
      return fail(Errc::TooLarge, "a request of " + std::to_string(request.ByteSizeLong()) + " bytes; at most " +
                                      std::to_string(kMaxRequestBytes) + " are allowed");
  }
  return std::move(asking.question);
}

}  // namespace de::console
