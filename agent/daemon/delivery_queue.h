// The store as the sink workers see it: every call is done by the writer thread while the worker waits.
//
// Thread: sink threads. close() from io, before the writer pool ends.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "sink/delivery.h"
#include "store/store.h"

namespace de::daemon {

class StoreQueue final : public sink::DeliveryQueue {
 public:
  StoreQueue(store::Store& store, boost::asio::thread_pool& writer) : store_(store), writer_(writer) {}

  Result<std::vector<pb::Alert>> pending(std::string_view sink, std::size_t max) override;
  Result<> delivered(std::string_view sink, std::uint64_t sequence) override;
  Result<> failed(std::string_view sink, std::uint64_t sequence, std::string_view error) override;

 private:
  store::Store& store_;
  boost::asio::thread_pool& writer_;
};

}  // namespace de::daemon
