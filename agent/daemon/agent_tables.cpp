// Tables that collectors bring: who may tell which, and what changes for queries and rules when they come and go.
#include <algorithm>

#include "daemon/agent.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"
#include "mirror/mirror.h"

namespace de::daemon {
namespace {

constexpr std::int64_t kLongestCollectMs = 5'000;
constexpr auto kCollectLook = std::chrono::milliseconds(5);

}  // namespace

// What is said of processes is believed of procmond, and of those that the configuration puts in its place.
bool Agent::owns_processes(const std::string& id) const {
  if (config_.replay || id == kLedgerKeeper) return true;
  return std::ranges::any_of(config_.collectors, [&](const config::CollectorConfig& one) {
    return one.id == id && one.enabled && one.type == "process";
  });
}

void Agent::describe_tables(const std::string& id) {
  const auto found = registry_->collectors().find(id);
  if (found == registry_->collectors().end()) return;
  static const pb::SchemaDescriptor kNothing;
  catalog_->join(id, owns_processes(id), found->second.schema ? *found->second.schema : kNothing);
  tables_are_other();
}

void Agent::forget_tables(const std::string& id) {
  if (id == process_collector_) {
    process_collector_.clear();
    demand_.start(nullptr);
  }
  catalog_->leave(id);
  tables_are_other();
}

link::Task<std::uint64_t> Agent::take_rows(std::string collector, pb::TableRows rows) {
  const std::string name = rows.table();
  DE_CO_TRY(is_new, catalog_->take(collector, std::move(rows)));
  if (is_new) {
    show_tables();
    new_tables_.insert(name);
    detect_wake_.cancel();
  }
  co_return std::uint64_t{0};
}

// What sessions load: the snapshot, with what other collectors tell beside it.
void Agent::show_tables() {
  auto shown = mirror::with_foreign(image_ ? *image_ : *empty_image_, catalog_->tables());
  shown_ = std::move(shown);
}

void Agent::tables_are_other() {
  show_tables();
  spawn(plan_anew(), "planning the rules anew");
}

// Rules that could not be asked for want of a table can be now, or the other way round.
link::Task<> Agent::plan_anew() {
  auto job = [this, tables = catalog_->tables()] { return detector_->set_tables(tables); };
  auto changed = co_await link::run_on(detect_, std::move(job));
  if (!changed) co_return fail(std::move(changed).error());
  if (!changed->has_value()) co_return Result<>{};
  const ingest::RuleChanges& changes = **changed;
  if (!changes.added.empty() || !changes.removed.empty() || !changes.changed.empty()) notice_rules(changes);
  rules_are_new(changes);
  co_return Result<>{};
}

// The collector takes tasks from now on.
void Agent::begin_tasks(const std::string& id) {
  if (!owns_processes(id) || config_.replay) return;
  process_collector_ = id;
  demand_.start(catalog_->processes());
  send_tasks();
}

void Agent::send_tasks() {
  const auto session = sessions_.find(process_collector_);
  if (session == sessions_.end() || !session->second->began()) return;
  const auto report = detector_->report();
  if (rules_planned_ != report->rules->generation) {
    std::vector<mirror::ColumnNeeds> needs;
    for (const auto& rule : report->rules->rules)
      if (rule->enabled && !rule->needs.is_empty()) needs.push_back(rule->needs);
    demand_.set_rules(std::move(needs));
    rules_planned_ = report->rules->generation;
  }
  for (const pb::Envelope& message : demand_.due()) (void)session->second->send(message);  // What is lost is renewed.
}

void Agent::take_result(const pb::DetectionResult& result) {
  if (const auto waiting = live_reads_.find(result.task_id()); waiting != live_reads_.end()) {
    waiting->second = result;
    return;
  }
  const bool is_new = demand_.take(result);
  send_tasks();
  const auto session = sessions_.find(process_collector_);
  if (!is_new || session == sessions_.end()) return;
  pb::Envelope now;
  now.mutable_scan_now();
  (void)session->second->send(now);  // Otherwise the next scan brings it.
}

// Returns whether the current snapshot has it.
link::Task<bool> Agent::collect(mirror::ColumnNeeds needs, std::int64_t limit_ms) {
  demand_.want(needs);
  send_tasks();
  const std::int64_t until_ns = clock_.steady_ns() + std::min(limit_ms, kLongestCollectMs) * 1'000'000;
  boost::asio::steady_timer look(io_);
  for (;;) {
    const auto since_ms = demand_.told_since_ms(needs);
    if (since_ms && image_ && image_->scan_time_ms >= *since_ms) co_return true;
    if (process_collector_.empty() || stopping_ || clock_.steady_ns() >= until_ns) co_return false;
    look.expires_after(kCollectLook);
    boost::system::error_code ec;
    co_await look.async_wait(link::into(ec));
  }
}

}  // namespace de::daemon
