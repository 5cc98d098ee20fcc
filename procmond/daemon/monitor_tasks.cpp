// What the agent asks of procmond, and how it reaches the collector.
#include <boost/asio/co_spawn.hpp>

#include "daemon/monitor.h"

namespace de::daemon {

uplink::Hooks Monitor::make_hooks() {
  uplink::Hooks hooks;
  hooks.set_interval = [this](std::uint32_t interval_ms) { set_interval(interval_ms); };
  hooks.scan_now = [this] {
    scan_requested_ = true;
    next_scan_.cancel();
  };
  hooks.run_task = [this](pb::DetectionTask task, std::function<void(pb::DetectionResult)> done) {
    begin(run_task(std::move(task), std::move(done)));
  };
  hooks.revoke_task = [this](std::string task_id) {
    begin(on_collector(
        [task_id = std::move(task_id)](collect::Collector& collector) { collector.revoke_task(task_id); }));
  };
  hooks.end_session = [this] { begin(on_collector([](collect::Collector& collector) { collector.end_session(); })); };
  hooks.fill_heartbeat = [this](pb::Heartbeat& beat) { fill_heartbeat(beat); };
  return hooks;
}

void Monitor::set_interval(std::uint32_t interval_ms) {
  interval_ms_ = interval_ms;
  stretched_ms_ = interval_ms;
  next_scan_.cancel();
}

// All of them go the same way, so that they reach the collector in their order.
void Monitor::begin(link::Task<> work) {
  boost::asio::co_spawn(io_, std::move(work), [](std::exception_ptr failure, Result<>) {
    if (failure) std::rethrow_exception(failure);
  });
}

link::Task<> Monitor::on_collector(std::function<void(collect::Collector&)> change) {
  auto job = [this, change = std::move(change)]() -> Result<> {
    change(*collector_);
    return {};
  };
  co_return co_await link::run_on(collect_, std::move(job));
}

link::Task<> Monitor::run_task(pb::DetectionTask task, std::function<void(pb::DetectionResult)> done) {
  auto job = [this, &task]() -> Result<pb::DetectionResult> { return collector_->run_task(task); };
  auto result = co_await link::run_on(collect_, std::move(job));
  pb::DetectionResult answer;
  if (result) {
    answer = std::move(*result);
  } else {
    answer.set_task_id(task.task_id());
    answer.set_error_message(result.error().message());
  }
  done(std::move(answer));
  co_return Result<>{};
}

}  // namespace de::daemon
