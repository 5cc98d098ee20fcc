// As many event rules as a published pack has: Sigma's rules for started processes, converted, and again with other
// words in them; and started processes that have little to do with them. The same every time.
//
// Thread: any; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "daemoneye/process.pb.h"

namespace de::bench {

enum class Pack : std::uint8_t { Linux, All };

// Writes the rules into `dir`, a file each. Where the corpora are not beside the repository, rules of the same shape
// are made up.
void write_pack(const std::string& dir, Pack pack, std::size_t count);

// Programs that are run over and over, each time with other arguments.
class Starts {
 public:
  std::shared_ptr<pb::ProcessEvent> next();

 private:
  std::string word();

  std::mt19937 random_{4242};
  std::uint64_t sequence_ = 0;
};

}  // namespace de::bench
