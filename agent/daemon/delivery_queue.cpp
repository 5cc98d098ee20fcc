#include "daemon/delivery_queue.h"

#include <boost/asio/post.hpp>
#include <future>

namespace de::daemon {
namespace {

// Runs `work` on the pool and waits. The pool outlives the sink workers: they are stopped first.
template <class F>
std::invoke_result_t<F&> on_writer(boost::asio::thread_pool& pool, F work) {
  std::packaged_task<std::invoke_result_t<F&>()> task(std::move(work));
  auto done = task.get_future();
  boost::asio::post(pool, [&task] { task(); });
  return done.get();
}

}  // namespace

Result<std::vector<pb::Alert>> StoreQueue::pending(std::string_view sink, std::size_t max) {
  DE_TRY(waiting, store_.pending(sink, max));  // Any thread.
  std::vector<pb::Alert> alerts;
  alerts.reserve(waiting.size());
  for (store::PendingDelivery& item : waiting) alerts.push_back(std::move(item.alert));
  return alerts;
}

Result<> StoreQueue::delivered(std::string_view sink, std::uint64_t sequence) {
  return on_writer(writer_, [&] { return store_.mark_delivered(sink, sequence); });
}

Result<> StoreQueue::failed(std::string_view sink, std::uint64_t sequence, std::string_view error) {
  return on_writer(writer_, [&] { return store_.mark_attempt(sink, sequence, error); });
}

}  // namespace de::daemon
