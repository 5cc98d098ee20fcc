#include "alert/own.h"

#include <optional>
#include <string_view>

#include "alert/dedupe_key.h"
#include "daemoneye/crypto/uuid.h"

namespace de::alert {
namespace {

struct Kind {
  std::string_view reason;
  bool of_collector;  // Whether it names one; the rules' budget and the store's room share a reason.
  pb::Severity severity;
  const char* title;
  const char* what_to_do;
};

constexpr Kind kKinds[] = {
    {"CollectorUnavailable", true, pb::SEVERITY_HIGH, "A collector is not there",
     "Processes are not seen. Look at its log and whether somebody ended it."},
    {"CollectionFailed", true, pb::SEVERITY_MEDIUM, "A collector reports a problem", "Look at its log."},
    {"EventsShed", true, pb::SEVERITY_HIGH, "Events were lost",
     "The spool was full or damaged. The range is stored as a gap."},
    {"SequenceGap", true, pb::SEVERITY_HIGH, "Events were lost", "The range is stored as a gap."},
    {"BooksUnbalanced", true, pb::SEVERITY_HIGH, "The books of a collector do not balance",
     "Something was lost that nobody noticed, or counted twice. Look at `health` and its log; it stays until it "
     "balances again or the collector is started anew."},
    {"IngestFailed", true, pb::SEVERITY_HIGH, "The store does not take what arrives", "Look at the agent's log."},
    {"ResourceLimit", true, pb::SEVERITY_HIGH, "The store has no room",
     "Nothing is deleted. Make room, and it goes on by itself."},
    {"ResourceLimit", false, pb::SEVERITY_MEDIUM, "A rule was stopped at its budget", "See `rules list`."},
    {"CanaryUnseen", true, pb::SEVERITY_HIGH, "Programs that start are not seen",
     "Something between the kernel and the agent does not do what it says. Look at `health` and restart procmond."},
    {"FileChanged", false, pb::SEVERITY_HIGH, "A file of DaemonEye was changed",
     "What runs is what was there before. If it was no upgrade, compare it with the package before anything is "
     "restarted."},
    {"RulesChanged", false, pb::SEVERITY_MEDIUM, "The rules were changed", "See `rules list` and the ledger."},
    {"ClockJump", false, pb::SEVERITY_MEDIUM, "The clock was set",
     "Windows of time and retention go by it. Look at what set it."},
    {"ExecutionError", false, pb::SEVERITY_MEDIUM, "A rule could not be evaluated", "See `rules list`."},
};
constexpr Kind kOther{"", false, pb::SEVERITY_MEDIUM, "DaemonEye is not complete", "See `health`."};

const Kind& kind_of(const pb::Reason& reason) {
  for (const Kind& kind : kKinds)
    if (kind.reason == reason.reason() && kind.of_collector == !reason.collector().empty()) return kind;
  return kOther;
}

// Something that happened, and not a gap in what is seen.
bool is_notice(const pb::Reason& reason) {
  return reason.reason() == "FileChanged" || reason.reason() == "RulesChanged" || reason.reason() == "ClockJump";
}

std::string to_kebab(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper && !out.empty()) out += '-';
    out += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

void add_field(pb::Alert& alert, const char* column, const std::string& text) {
  pb::AlertField& field = *alert.add_data();
  field.set_column(column);
  field.mutable_value()->set_text(text);
}

}  // namespace

pb::Alert make_own(const pb::Reason& reason, const std::string& host, const Clock& clock) {
  const Kind& kind = kind_of(reason);
  pb::Alert alert;
  alert.set_id(crypto::uuid_v4());
  alert.set_correlation_id(crypto::uuid_v4());
  alert.set_rule_id("daemoneye." + to_kebab(reason.reason()));
  alert.set_title(is_notice(reason) && !reason.subject().empty() ? std::string(kind.title) + ": " + reason.subject()
                                                                 : std::string(kind.title));
  alert.set_description(reason.detail() + ". " + kind.what_to_do);
  alert.set_severity(kind.severity);
  alert.set_category("daemoneye");
  alert.set_host(host);
  alert.set_alert_time_ms(clock.unix_ms());
  alert.set_first_seen_ms(alert.alert_time_ms());
  alert.set_last_seen_ms(alert.alert_time_ms());
  alert.set_count(1);
  add_field(alert, "reason", reason.reason());
  if (!reason.collector().empty()) add_field(alert, "collector", reason.collector());
  if (!reason.subject().empty()) add_field(alert, "subject", reason.subject());
  add_field(alert, "detail", reason.detail());
  if (!is_notice(reason)) *alert.mutable_completeness()->add_reasons() = reason;
  std::vector<std::optional<std::string_view>> parts = {alert.rule_id(), reason.collector()};
  if (!reason.subject().empty()) parts.emplace_back(reason.subject());
  alert.set_dedupe_key(dedupe_key(parts));
  return alert;
}

std::vector<pb::Reason> OwnTroubles::find_new(const pb::Completeness& now) {
  std::vector<pb::Reason> fresh;
  std::set<Key> present;
  for (const pb::Reason& reason : now.reasons()) {
    const auto [at, is_first] = present.emplace(reason.reason(), reason.collector(), reason.subject());
    if (is_first && !known_.contains(*at)) fresh.push_back(reason);
  }
  known_ = std::move(present);
  return fresh;
}

}  // namespace de::alert
