// One function per kind of request. Blocking work is done on the pools; nothing is sent before it is finished, so a
// slow client never holds a read transaction.
//
// Thread: io.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemoneye/link/peer.h"
#include "daemoneye/link/task.h"
#include "serve/answer.h"
#include "serve/context.h"

namespace de::serve {

// What happened on the control socket so far; `health` shows it.
struct ControlCounts {
  std::uint64_t requests = 0;
  std::uint64_t denied = 0;
  std::uint64_t violations = 0;   // Not a request: damaged, too large, does not parse.
  std::uint64_t turned_away = 0;  // Too many at once.
  std::uint64_t abandoned = 0;    // The asker left before there was an answer.
};

// Set when the asker has left: what is computed for him may end.
using Unwanted = std::shared_ptr<std::atomic<bool>>;

// SQL sessions that are not in use. At most as many as there are reader threads are kept, and none of them holds on to
// a snapshot: it would be one that nobody else has any more.
class SessionShelf {
 public:
  SessionShelf(const Clock& clock, const mirror::StoredSource& stored, const mirror::HostSource* host)
      : clock_(clock), stored_(stored), host_(host) {}
  Result<std::unique_ptr<mirror::Session>> take();
  void put_back(std::unique_ptr<mirror::Session> session);

 private:
  static constexpr std::size_t kKept = 2;
  const Clock& clock_;
  const mirror::StoredSource& stored_;
  const mirror::HostSource* const host_;
  std::vector<std::unique_ptr<mirror::Session>> idle_;
  std::shared_ptr<const mirror::Image> nothing_;
};

// NotFound with a suggestion, or with the way back of a rule that was deleted by command.
Result<std::shared_ptr<const detect::Rule>> find_rule(const detect::RuleSet& rules, const std::string& id);

// Those of other collectors; null: none are known.
inline std::shared_ptr<const mirror::ForeignTables> tables_of(const Context& context) {
  const auto image = context.image();
  return image ? image->foreign : nullptr;
}
link::Task<Answer> answer_query(Context& context, SessionShelf& shelf, link::Peer peer, pb::QueryRequest request,
                                Unwanted is_unwanted);
link::Task<Answer> answer_schema(const Context& context, pb::SchemaRequest request);
link::Task<Answer> answer_rules_list(Context& context);
link::Task<Answer> answer_rule_show(Context& context, pb::RuleShowRequest request);
link::Task<Answer> answer_rule_check(Context& context, pb::RuleCheckRequest request);
link::Task<Answer> answer_rule_switch(Context& context, link::Peer peer, pb::RuleSwitchRequest request);
link::Task<Answer> answer_rule_backtest(Context& context, pb::RuleBacktestRequest request, Unwanted is_unwanted);
link::Task<Answer> answer_rule_test(Context& context, pb::RuleTestRequest request);
link::Task<Answer> answer_alerts_list(Context& context, pb::AlertsListRequest request);
link::Task<Answer> answer_alert_show(Context& context, pb::AlertShowRequest request, Unwanted is_unwanted);
link::Task<Answer> answer_follow(Context& context, pb::FollowRequest request);
link::Task<Answer> answer_config_reload(Context& context, link::Peer peer);
link::Task<Answer> answer_health(Context& context, ControlCounts control, pb::HealthRequest request);

}  // namespace de::serve
