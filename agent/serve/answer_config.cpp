#include "serve/answers.h"

namespace de::serve {

link::Task<Answer> answer_config_reload(Context& context, link::Peer peer) {
  auto changed = co_await context.reload(peer.uid);
  if (!changed) co_return fail(std::move(changed).error());
  Answer answer(complete());
  answer.columns = {"key", "before", "after", "place", "effect"};
  for (const ChangedSetting& one : *changed)
    answer.rows.add(row_of({text_value(one.key), text_value(one.before), text_value(one.after), text_value(one.where),
                            text_value(one.in_force ? "in force" : "after a restart of the agent")}));
  if (changed->empty()) answer.trailer.set_message("nothing has changed");
  co_return answer;
}

}  // namespace de::serve
