// Rules whose files change, and rules that operators switch by command.
#include "daemon/agent.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr const char* kSwitchesNote = "rules.switches";
constexpr std::size_t kRulesNamed = 20;  // Of each kind in a ledger entry.

std::string json_list(const std::vector<std::string>& ids) {
  std::string out = "[";
  for (std::size_t i = 0; i < ids.size() && i < kRulesNamed; ++i) out += (i > 0 ? "," : "") + json_string(ids[i]);
  return out + "]";
}

std::string to_json(const ingest::RuleChanges& changes) {
  const auto kind = [](const char* name, const std::vector<std::string>& ids) {
    return std::string(",\"") + name + "\":" + std::to_string(ids.size()) + ",\"" + name + "_ids\":" + json_list(ids);
  };
  return "{\"generation\":" + std::to_string(changes.generation) + kind("added", changes.added) +
         kind("removed", changes.removed) + kind("changed", changes.changed) +
         ",\"rejected_files\":" + std::to_string(changes.rejected_files) + "}";
}

const char* action_of(detect::RuleSwitch position) {
  switch (position) {
    case detect::RuleSwitch::On:
      return "rules.enabled";
    case detect::RuleSwitch::Off:
      return "rules.disabled";
    case detect::RuleSwitch::Deleted:
      return "rules.deleted";
  }
  return "rules.switched";
}

}  // namespace

link::Task<> Agent::reload_rules() {
  auto job = [this] { return detector_->reload(); };
  auto changed = co_await link::run_on(detect_, std::move(job));
  if (!changed) co_return fail(std::move(changed).error());
  if (changed->has_value()) {
    notice_rules(**changed);
    rules_are_new(**changed);
  }
  co_return Result<>{};
}

// Without them every rule is as its file says: more is looked for, not less.
detect::RuleSwitches Agent::find_switches() const {
  const auto lost = [](const std::string& why) {
    log::error("rules", "what was switched by command is not known, rules are as their files say",
               {log::field("reason", why)});
    return detect::RuleSwitches();
  };
  auto note = store_->find_note(kSwitchesNote);
  if (!note) return lost(note.error().message());
  if (!*note) return {};
  auto switches = detect::parse_switches(**note);
  return switches ? std::move(*switches) : lost(switches.error().message());
}

// Written down first: what an operator was told to be so is so after a restart as well.
link::Task<std::uint64_t> Agent::switch_rule(uid_t uid, std::string rule_id, detect::RuleSwitch position) {
  if (switching_) co_return fail(Errc::Conflict, "another rule is being switched; ask once more");
  switching_ = true;
  auto plan = [this, &rule_id, position] { return detector_->switches_with(rule_id, position); };
  auto switches = co_await link::run_on(detect_, std::move(plan));
  Result<> written;
  if (switches) {
    auto write = [this, &switches] { return store_->put_note(kSwitchesNote, detect::to_text(*switches)); };
    written = co_await link::run_on(writer_, std::move(write));
  }
  if (!switches || !written) {
    switching_ = false;
    co_return fail(!switches ? std::move(switches).error() : std::move(written).error().during("switch " + rule_id));
  }
  auto apply = [this, &switches]() -> Result<ingest::RuleChanges> {
    return detector_->set_switches(std::move(*switches));
  };
  auto changes = co_await link::run_on(detect_, std::move(apply));
  switching_ = false;
  audit(action_of(position), "{\"uid\":" + std::to_string(uid) + ",\"rule\":" + json_string(rule_id) + "}");
  const std::string word(detect::to_text(position));
  notice("RulesChanged", rule_id, "Rule " + rule_id + " was switched " + word + " by uid " + std::to_string(uid));
  to_write_down_ = true;
  rules_are_new(*changes);
  co_return changes->generation;
}

void Agent::rules_are_new(const ingest::RuleChanges& changes) {
  audit("rules.changed", to_json(changes));
  // A changed rule looks at what is known already instead of waiting for the next scan.
  to_detect_ = image_ ? shown_ : nullptr;
  detect_wake_.cancel();
}

}  // namespace de::daemon
