// What single processes use: their descriptors and io, for records that are made already.
//
// Thread: any; one waits for another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "collect/linux/opener_wire.h"
#include "collect/linux/proc_root.h"
#include "collect/linux/watched_calls.h"
#include "collect/process_source.h"

namespace de::collect {

// Of the columns: kTell...
std::uint32_t use_parts(Wanted wanted);

class UseReader {
 public:
  explicit UseReader(SharedProcRoot root);

  // As ProcessSource::add_on_demand.
  void add(std::span<const Wanting> wanting);

  std::uint32_t stuck() const { return calls_.stuck(); }
  std::uint64_t timeouts() const { return calls_.timeouts(); }

 private:
  Result<std::vector<ToldUseOf>> ask(std::uint32_t subject, std::vector<std::uint32_t> pids, std::uint32_t use);
  void add_batch(std::span<const Wanting> wanting);

  const SharedProcRoot root_;
  WatchedCalls calls_;
};

}  // namespace de::collect
