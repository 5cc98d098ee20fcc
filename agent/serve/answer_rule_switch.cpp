#include "daemoneye/base/text.h"
#include "serve/answers.h"

namespace de::serve {

link::Task<Answer> answer_rule_switch(Context& context, link::Peer peer, pb::RuleSwitchRequest request) {
  detect::RuleSwitch position = detect::RuleSwitch::On;
  switch (request.position()) {
    case pb::RULE_ON:
      break;
    case pb::RULE_OFF:
      position = detect::RuleSwitch::Off;
      break;
    case pb::RULE_DELETED:
      position = detect::RuleSwitch::Deleted;
      break;
    default:
      co_return fail(Errc::Invalid, "a rule can be enabled, disabled or deleted, nothing else");
  }
  DE_CO_TRY(generation, co_await context.switch_rule(peer.uid, request.rule_id(), position));
  Answer answer(complete());
  answer.columns = {"rule", "now", "generation"};
  answer.rows.add(row_of({text_value(request.rule_id()), text_value(detect::to_text(position)),
                          int_value(static_cast<std::int64_t>(generation))}));
  co_return answer;
}

}  // namespace de::serve
