// The reading end of a BPF ring buffer: <linux/bpf.h>, BPF_MAP_TYPE_RINGBUF, and Documentation/bpf/ringbuf.rst of the
// kernel. libbpf's own maps the data twice in a row, so that a record never seems to wrap, and both count as memory
// of ours; here the few records that wrap are copied.
//
// Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::collect {

class RingReader {
 public:
  RingReader() = default;
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader();

  // `fd`: of the map, which stays the caller's; `bytes`: its size. Once. Errors: Exhausted, Denied.
  Result<> map(int fd, std::size_t bytes);
  // Hands out, in order, what was there when it was called: at most a ring full. A record is valid during its call.
  // Stops at a record that another processor is still writing; whoever writes it wakes us.
  void read(const std::function<void(std::string_view)>& on_record);

 private:
  void* consumer_ = nullptr;  // A page that begins with how far was read.
  char* producer_ = nullptr;  // A page that begins with how far was written; behind it the data. Not writable.
  std::size_t page_bytes_ = 0;
  std::size_t data_bytes_ = 0;
  std::string wrapped_;
};

}  // namespace de::collect
