#include "collect/process_iterator.h"

#ifdef DE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "collect/linux/bpf/process_layout.h"
#include "collect/linux/bpf_load.h"
#include "collect/linux/proc_dir.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/base/unique_fd.h"
#include "processes.skel.h"

namespace de::collect {
namespace {

constexpr std::size_t kPassBytes = 64UL * 1024;

}  // namespace

class ProcessIterator::Programs {
 public:
  Programs() = default;
  ~Programs() {
    bpf_link__destroy(link);
    processes_bpf__destroy(skeleton);
  }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  processes_bpf* skeleton = nullptr;
  bpf_link* link = nullptr;
};

ProcessIterator::ProcessIterator(std::unique_ptr<Programs> programs) : programs_(std::move(programs)) {}
ProcessIterator::~ProcessIterator() = default;

Result<std::unique_ptr<ProcessIterator>> ProcessIterator::open() {
  DE_CHECK(check_bpf());
  auto programs = std::make_unique<Programs>();
  programs->skeleton = processes_bpf__open();
  if (programs->skeleton == nullptr) return bpf_failed("open the iterator", errno);
  if (const int error = processes_bpf__load(programs->skeleton)) return bpf_failed("load the iterator", error);
  programs->link = bpf_program__attach_iter(programs->skeleton->progs.on_process, nullptr);
  if (programs->link == nullptr) return bpf_failed("attach the iterator", errno);
  give_back_free_memory();  // The kernel's types took several megabytes while loading.
  return std::unique_ptr<ProcessIterator>(new ProcessIterator(std::move(programs)));
}

Result<> ProcessIterator::read(const Pass& pass, const RecordFn& fn) {
  programs_->skeleton->bss->since_ns = pass.since_ns;
  programs_->skeleton->bss->turn = pass.turn;
  programs_->skeleton->bss->turns = pass.turns;
  programs_->skeleton->bss->wanted = 0;
  if (pass.with_descriptors) programs_->skeleton->bss->wanted |= DE_WANT_FDS;
  if (pass.with_io) programs_->skeleton->bss->wanted |= DE_WANT_IO;
  const UniqueFd fd(bpf_iter_create(bpf_link__fd(programs_->link)));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(access_error(os) == Errc::Denied ? Errc::Denied : Errc::Io, "begin a pass over all processes", os);
  }
  std::vector<char> buffer(kPassBytes);
  std::size_t filled = 0;
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return fail(Errc::Io, "read all processes", last_os_error());
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
    std::size_t at = 0;
    while (filled - at >= sizeof(de_process)) {
      std::uint32_t bytes = 0;
      std::memcpy(&bytes, buffer.data() + at, sizeof bytes);
      if (bytes < sizeof(de_process) || bytes > buffer.size() / 2)
        return fail(Errc::Io, "a process of impossible size");
      if (bytes > filled - at) break;
      if (!fn({buffer.data() + at, bytes})) return {};
      at += bytes;
    }
    std::memmove(buffer.data(), buffer.data() + at, filled - at);
    filled -= at;
  }
  if (filled != 0) return fail(Errc::Io, "the list of processes breaks off");
  return {};
}

}  // namespace de::collect

#else

namespace de::collect {

class ProcessIterator::Programs {};
ProcessIterator::ProcessIterator(std::unique_ptr<Programs> programs) : programs_(std::move(programs)) {}
ProcessIterator::~ProcessIterator() = default;

Result<std::unique_ptr<ProcessIterator>> ProcessIterator::open() {
  return fail(Errc::Unsupported, "this procmond was built without BPF");
}

Result<> ProcessIterator::read(const Pass&, const RecordFn&) { return fail(Errc::Unsupported, "built without BPF"); }

}  // namespace de::collect
#endif
