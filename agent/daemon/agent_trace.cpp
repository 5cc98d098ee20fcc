// Matches of rules that ask for it begin traces: what the process and its descendants are doing is read for a while.
#include <algorithm>

#include "daemon/agent.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"
#include "daemoneye/schema/event_columns.h"
#include "ingest/descendants.h"
#include "trace/capture.h"

namespace de::daemon {
namespace {

constexpr std::int64_t kCaptureMs = 2'000;

}  // namespace

// Before they are stored: a match that is folded becomes the older alert, which may be about another process.
std::vector<Agent::TraceRequest> Agent::find_trace_requests(const std::vector<ingest::RaisedAlert>& alerts) const {
  std::vector<TraceRequest> out;
  if (config_.replay) return out;  // Of processes that are not here.
  const auto rules = detector_->report()->rules;
  if (std::ranges::none_of(rules->rules, [](const auto& rule) { return rule->trace.has_value(); })) return out;
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    const pb::Alert& alert = alerts[i].alert;
    const auto rule = std::ranges::find(rules->rules, alert.rule_id(), [](const auto& one) { return one->id; });
    if (rule == rules->rules.end() || !(*rule)->trace) continue;
    const std::uint32_t pid = alert.affected_processes().empty() ? 0 : alert.affected_processes(0);
    out.push_back({*rule, {pid, schema::uid_bytes(alert.process_uid())}, i});
  }
  return out;
}

void Agent::begin_traces(const std::vector<TraceRequest>& requests, const std::vector<ingest::RaisedAlert>& stored) {
  for (const TraceRequest& request : requests) {
    const auto trace = tracer_->begin(*request.rule, stored[request.alert].alert.id(), request.subject);
    if (!trace) continue;
    audit("trace.began", "{\"trace\":" + json_string(trace->id) + ",\"rule\":" + json_string(trace->rule_id) +
                             ",\"alert\":" + json_string(trace->alert_id) +
                             ",\"pid\":" + std::to_string(trace->root.pid) +
                             ",\"seconds\":" + std::to_string(trace->order.for_ms / 1'000) + "}");
    if (trace->order.descendants) spawn(add_descendants(trace), "looking for the descendants of a traced process");
  }
  if (tracer_->is_waiting()) trace_wake_.cancel();
}

link::Task<> Agent::add_descendants(std::shared_ptr<const trace::Trace> trace) {
  auto settled = co_await settle();
  (void)settled;  // What is not committed comes as an event.
  auto find = [this, image = shown_, &trace]() -> Result<std::vector<ingest::Descendant>> {
    DE_TRY(session, mirror::Session::create(mirror::Origin::Rule, clock_, stored_.get()));
    DE_CHECK(session->load(image));
    return ingest::find_descendants(*session, trace->root.pid, trace->root.process_uid, config_.trace_max_readings);
  };
  auto found = co_await link::run_on(readers_, std::move(find));
  if (!found) co_return fail(std::move(found).error());
  for (ingest::Descendant& one : *found) tracer_->add_descendant(*trace, {one.pid, std::move(one.process_uid)});
  if (tracer_->is_waiting()) trace_wake_.cancel();
  co_return Result<>{};
}

link::Task<> Agent::trace_loop() {
  while (!stopping_) {
    if (!tracer_->is_waiting()) {
      trace_wake_.expires_after(std::chrono::hours(1));
      boost::system::error_code ec;
      co_await trace_wake_.async_wait(link::into(ec));
      continue;
    }
    auto captured = co_await capture_next();
    if (!captured && trace_failures_++ == 0)
      log::error("trace", "a capture could not be stored", {log::field("reason", captured.error().message())});
    if (captured)
      trace_failures_ = 0;
    else
      tracer_->count_unstored();
    if (!tracer_->is_waiting()) {  // For the rules that look at traces.
      new_tables_.insert("traces");
      detect_wake_.cancel();
    }
  }
  co_return Result<>{};
}

// One process at a time, so that what could not be read is said of nobody else.
link::Task<> Agent::capture_next() {
  const std::vector<trace::Reading> next = tracer_->pop(1);
  if (next.empty()) co_return Result<>{};
  auto rows = co_await read_live(trace::keys_of(next.front()), kCaptureMs);
  if (!rows) co_return fail(std::move(rows).error());
  pb::Capture capture = trace::capture_of(next.front(), **rows, clock_.unix_ms());
  auto put = [this, &capture]() -> Result<> { return store_->put_capture(capture); };
  co_return co_await link::run_on(writer_, std::move(put));
}

}  // namespace de::daemon
