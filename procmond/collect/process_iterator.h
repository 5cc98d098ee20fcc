// All processes in one pass, as the kernel itself counts them: a program of ours runs in the kernel once per process.
// Opening takes privileges, a pass takes none.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::collect {

class ProcessIterator {
 public:
  struct Pass {
    // Paths are told of processes born since then (CLOCK_BOOTTIME), and of those whose pid modulo `turns` is `turn`.
    std::uint64_t since_ns = 0;
    std::uint32_t turn = 0;
    std::uint32_t turns = 1;
    bool with_descriptors = true;  // They are counted,
    bool with_io = true;           // and bytes read and written told.
  };
  // One process, as collect/linux/bpf/process_layout.h has it; false: no more, please.
  using RecordFn = std::function<bool(std::string_view record)>;

  // Errors: Unsupported, Denied; each says what is missing.
  static Result<std::unique_ptr<ProcessIterator>> open();
  ~ProcessIterator();
  ProcessIterator(const ProcessIterator&) = delete;
  ProcessIterator& operator=(const ProcessIterator&) = delete;

  // Errors: Io, Denied: nothing can be said about who is not in it. Once `fn` has said no, nothing of this object is
  // touched any more.
  Result<> read(const Pass& pass, const RecordFn& fn);

 private:
  class Programs;
  explicit ProcessIterator(std::unique_ptr<Programs> programs);
  std::unique_ptr<Programs> programs_;
};

}  // namespace de::collect
