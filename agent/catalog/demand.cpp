#include "catalog/demand.h"

#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/predicate.h"

namespace de::catalog {
namespace {

constexpr std::string_view kCheckId = "conformance-";

template <class Predicates>
std::string words_of(const Predicates& predicates) {
  std::string out;
  for (const pb::Predicate& one : predicates) {
    const pb::Literal& value = one.values(0);
    out += (out.empty() ? " with " : " and ") + one.column() + " " + std::string(schema::to_text(one.op())) + " ";
    out +=
        value.has_int_value() ? std::to_string(value.int_value()) : "'" + escape_controls(value.string_value()) + "'";
  }
  return out.empty() ? " of all processes" : " of processes" + out;
}

template <class Columns>
std::string list_of(const Columns& columns) {
  std::string out;
  for (const auto& column : columns) out += (out.empty() ? "" : ", ") + std::string(column);
  return out;
}

std::string key_of(const std::vector<pb::Predicate>& predicates) {
  pb::PushdownPlan plan;
  for (const pb::Predicate& one : predicates) *plan.add_predicates() = one;
  return plan.SerializeAsString();
}

}  // namespace

void Demand::start(const Description* description) {
  is_here_ = description != nullptr;
  description_ = is_here_ ? *description : Description();
  plans_.clear();
  refused_.clear();
  conforming_.clear();
  checks_open_.clear();
  checks_.clear();
  checks_sent_ = 0;
  started_ms_ = now_ms();
  conformance_ = std::make_unique<mirror::Conformance>();
  if (is_here_ && !description_.on_demand.empty()) checks_ = mirror::conformance_checks();
}

void Demand::want(const mirror::ColumnNeeds& needs) {
  if (needs.is_empty()) return;
  Lists lists;
  add(needs, lists);
  std::erase_if(queries_, [&](const Query& query) {
    Lists theirs;
    add(query.needs, theirs);
    return std::ranges::equal(theirs, lists, [](const auto& a, const auto& b) {
      return a.first == b.first && a.second.SerializeAsString() == b.second.SerializeAsString();
    });
  });
  if (queries_.size() >= kMaxQueries) {
    queries_.pop_front();
    ++counts_.shed;
  }
  queries_.push_back({needs, now_ms() + kLifetimeMs});
}

// Until it is known what may be left to the collector, or it does not say.
bool Demand::is_settled() const {
  return (checks_sent_ == checks_.size() && checks_open_.empty()) || now_ms() - started_ms_ > kConformanceMs;
}

bool Demand::may_push(const pb::Predicate& predicate) const {
  const auto advertised = description_.operations.find(predicate.column());
  if (advertised == description_.operations.end() || !advertised->second.contains(predicate.op())) return false;
  const pb::ColumnType type = predicate.values(0).has_int_value() ? pb::COLUMN_TYPE_INTEGER : pb::COLUMN_TYPE_TEXT;
  return conforming_.contains({type, predicate.op()});
}

// Fewer conditions are met by more processes: what is left out only costs.
std::vector<pb::Predicate> Demand::pushed(const std::vector<pb::Predicate>& list) const {
  std::vector<pb::Predicate> out;
  std::ranges::copy_if(list, std::back_inserter(out), [this](const pb::Predicate& one) { return may_push(one); });
  std::ranges::sort(out, {}, [](const pb::Predicate& one) { return one.SerializeAsString(); });
  if (refused_.contains(key_of(out))) out.clear();
  return out;
}

void Demand::add(const mirror::ColumnNeeds& needs, Lists& out) const {
  std::vector<std::string> columns;
  std::ranges::set_intersection(needs.columns, description_.on_demand, std::back_inserter(columns));
  if (columns.empty()) return;
  for (const auto& list : needs.of) {
    const std::vector<pb::Predicate> predicates = pushed(list);
    pb::PushdownPlan& plan = out[key_of(predicates)];
    plan.set_table("processes");
    plan.set_ttl_ms(kLifetimeMs);
    std::set<std::string> all(plan.projection().begin(), plan.projection().end());
    all.insert(columns.begin(), columns.end());
    plan.clear_projection();
    for (const std::string& column : all) plan.add_projection(column);
    plan.clear_predicates();
    for (const pb::Predicate& one : predicates) *plan.add_predicates() = one;
  }
}

Demand::Lists Demand::wanted() {
  std::erase_if(queries_, [now = now_ms()](const Query& query) { return query.until_ms <= now; });
  Lists out;
  for (const mirror::ColumnNeeds& needs : rules_) add(needs, out);
  for (const Query& query : queries_) add(query.needs, out);
  const bool is_too_many = out.size() > kMaxPlans;
  std::set<std::string> of_all;
  for (const auto& [key, plan] : out)
    if (is_too_many || plan.predicates().empty()) of_all.insert(plan.projection().begin(), plan.projection().end());
  // What is read of all processes needs no conditions beside it.
  std::erase_if(out, [&](const auto& entry) {
    return is_too_many || (!entry.second.predicates().empty() &&
                           std::ranges::all_of(entry.second.projection(),
                                               [&](const auto& column) { return of_all.contains(column); }));
  });
  if (!is_too_many || of_all.empty()) return out;
  mirror::ColumnNeeds every{{of_all.begin(), of_all.end()}, {{}}};
  add(every, out);
  return out;
}

pb::Envelope Demand::task_of(const Plan& plan) const {
  pb::Envelope out;
  out.mutable_task()->set_task_id(plan.id);
  out.mutable_task()->set_task_type(pb::COLLECT_COLUMNS);
  *out.mutable_task()->mutable_pushdown_plan() = plan.plan;
  return out;
}

std::vector<pb::Envelope> Demand::due() {
  std::vector<pb::Envelope> out;
  if (!is_here_) return out;
  // One at a time: the collector lets few tasks wait.
  if (checks_sent_ < checks_.size() && checks_open_.empty() && !(now_ms() - started_ms_ > kConformanceMs)) {
    pb::DetectionTask& task = *out.emplace_back().mutable_task();
    task.set_task_id(std::string(kCheckId) + std::to_string(checks_sent_));
    task.set_task_type(pb::CHECK_CONFORMANCE);
    *task.mutable_conformance() = checks_[checks_sent_++];
    checks_open_.insert(task.task_id());
  }
  if (!is_settled()) return out;
  const Lists wanted = this->wanted();
  std::set<std::string> keep;
  for (const auto& [key, plan] : wanted) {
    const std::string whole = plan.SerializeAsString();
    keep.insert(whole);
    const auto [found, is_new] = plans_.try_emplace(whole);
    Plan& active = found->second;
    if (is_new) active = Plan{"columns-" + std::to_string(next_id_++), plan, 0, std::nullopt, {}};
    if (!is_new && now_ms() - active.sent_ms < kRenewMs) continue;
    ++(is_new ? counts_.sent : counts_.renewed);
    active.sent_ms = now_ms();
    out.push_back(task_of(active));
  }
  std::erase_if(plans_, [&](const auto& entry) {
    if (keep.contains(entry.first)) return false;
    out.emplace_back().mutable_revoke_task()->set_task_id(entry.second.id);
    ++counts_.revoked;
    return true;
  });
  return out;
}

bool Demand::take(const pb::DetectionResult& result) {
  if (checks_open_.erase(result.task_id()) > 0) {
    const std::size_t number = checks_sent_ - 1;
    // What it does not say, or says wrong, is not left to it.
    if (!conformance_->take(checks_[number], result)) return false;
    if (checks_sent_ == checks_.size()) {
      conforming_ = conformance_->conforming();
      conformance_.reset();
    }
    return false;
  }
  const auto found =
      std::ranges::find_if(plans_, [&](const auto& entry) { return entry.second.id == result.task_id(); });
  if (found == plans_.end()) return false;
  Plan& plan = found->second;
  if (result.success()) {
    plan.refused.clear();
    if (plan.told_since_ms) return false;
    plan.told_since_ms = clock_.unix_ms();
    return true;
  }
  ++counts_.refused;
  plan.refused = escape_controls(result.error_message()).substr(0, kMaxHelpBytes);
  plan.told_since_ms.reset();
  if (!plan.plan.predicates().empty())
    refused_.insert(key_of({plan.plan.predicates().begin(), plan.plan.predicates().end()}));
  return false;
}

std::optional<std::int64_t> Demand::told_since_ms(const mirror::ColumnNeeds& needs) const {
  if (!is_here_) return std::nullopt;
  Lists lists;
  add(needs, lists);
  std::int64_t since_ms = 0;
  for (const auto& [key, want] : lists) {
    std::optional<std::int64_t> told;
    for (const auto& [whole, plan] : plans_) {
      const bool is_of_these = plan.plan.predicates().empty() ||
                               key_of({plan.plan.predicates().begin(), plan.plan.predicates().end()}) == key;
      const auto has = [&](const std::string& column) {
        return std::ranges::find(plan.plan.projection(), column) != plan.plan.projection().end();
      };
      if (!is_of_these || !plan.told_since_ms || !std::ranges::all_of(want.projection(), has)) continue;
      told = told ? std::min(*told, *plan.told_since_ms) : *plan.told_since_ms;
    }
    if (!told) return std::nullopt;
    since_ms = std::max(since_ms, *told);
  }
  return since_ms;
}

std::vector<std::string> Demand::plans() const {
  std::vector<std::string> out;
  for (const auto& [whole, plan] : plans_)
    out.push_back(list_of(plan.plan.projection()) + words_of(plan.plan.predicates()) +
                  (!plan.refused.empty() ? ", refused: " + plan.refused
                   : plan.told_since_ms  ? ""
                                         : ", not confirmed"));
  return out;
}

std::string Demand::in_words(const mirror::ColumnNeeds& needs) const {
  Lists lists;
  add(needs, lists);
  std::string out;
  for (const auto& [key, plan] : lists)
    out += (out.empty() ? "" : "; ") + list_of(plan.projection()) + words_of(plan.predicates());
  return out;
}

std::vector<pb::Reason> Demand::reasons() const {
  std::vector<pb::Reason> out;
  for (const auto& [whole, plan] : plans_) {
    if (plan.refused.empty()) continue;
    pb::Reason& reason = out.emplace_back();
    reason.set_reason("CollectionFailed");
    reason.set_subject("columns");
    reason.set_detail(list_of(plan.plan.projection()) + words_of(plan.plan.predicates()) +
                      " is not collected: " + plan.refused);
  }
  return out;
}

}  // namespace de::catalog
