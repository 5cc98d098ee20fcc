#include "collect/linux/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "daemoneye/base/unique_fd.h"

namespace de::collect {
namespace {

constexpr std::size_t kKeepWrapped = 256UL << 10;

std::uint64_t position(const void* page) {
  return __atomic_load_n(static_cast<const std::uint64_t*>(page), __ATOMIC_ACQUIRE);
}

}  // namespace

RingReader::~RingReader() {
  if (consumer_ != nullptr) ::munmap(consumer_, page_bytes_);
  if (producer_ != nullptr) ::munmap(producer_, page_bytes_ + data_bytes_);
}

Result<> RingReader::map(int fd, std::size_t bytes) {
  page_bytes_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  data_bytes_ = bytes;
  void* consumer = ::mmap(nullptr, page_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (consumer == MAP_FAILED) return fail(Errc::Exhausted, "map the ring", last_os_error());
  consumer_ = consumer;
  void* producer =
      ::mmap(nullptr, page_bytes_ + data_bytes_, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(page_bytes_));
  if (producer == MAP_FAILED) return fail(Errc::Exhausted, "map the ring", last_os_error());
  producer_ = static_cast<char*>(producer);
  return {};
}

void RingReader::read(const std::function<void(std::string_view)>& on_record) {
  const char* data = producer_ + page_bytes_;
  std::uint64_t at = position(consumer_);
  const std::uint64_t end = position(producer_);
  while (at < end) {
    const std::size_t offset = at & (data_bytes_ - 1);  // The size is a power of two, and headers never wrap.
    const std::uint32_t head = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(data + offset), __ATOMIC_ACQUIRE);
    if ((head & BPF_RINGBUF_BUSY_BIT) != 0) return;
    const std::size_t length = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if ((head & BPF_RINGBUF_DISCARD_BIT) == 0) {
      const std::size_t begin = (offset + BPF_RINGBUF_HDR_SZ) & (data_bytes_ - 1);
      const std::size_t before_end = std::min(length, data_bytes_ - begin);
      std::string_view record(data + begin, before_end);
      if (before_end < length) {
        wrapped_.assign(record).append(data, length - before_end);
        record = wrapped_;
      }
      on_record(record);
      if (wrapped_.capacity() > kKeepWrapped) std::string().swap(wrapped_);
    }
    at += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
    // From here on the kernel may write over it.
    __atomic_store_n(static_cast<std::uint64_t*>(consumer_), at, __ATOMIC_RELEASE);
  }
}

}  // namespace de::collect
