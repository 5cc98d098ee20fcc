#include "collect/linux/bpf_feed.h"

#ifdef DE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <bit>

#include "collect/linux/bpf_load.h"
#include "collect/linux/bpf_record.h"
#include "collect/linux/environment.h"
#include "collect/linux/ring_reader.h"
#include "daemoneye/base/heap.h"
#include "daemoneye/log/log.h"
#include "events.skel.h"

namespace de::collect {
namespace {

struct SkeletonDeleter {
  void operator()(events_bpf* skeleton) const { events_bpf__destroy(skeleton); }
};

static_assert(static_cast<__u32>(Shedding::Environment) == DE_LEVEL_ENVIRONMENT &&
              static_cast<__u32>(Shedding::Arguments) == DE_LEVEL_ARGUMENTS);
static_assert(kMaxEnvironment == DE_ENV_BYTES);

class BpfFeed final : public EventFeed {
 public:
  BpfFeed(const FeedOptions& options, const Clock& clock)
      : ring_bytes_(static_cast<double>(options.buffer_bytes)), records_(options.capture, clock) {}

  Result<> open(const FeedOptions& options);
  std::string name() const override { return "bpf"; }
  int wake_fd() const override { return bpf_map__fd(skeleton_->maps.ring); }
  void fall_asleep() override { __atomic_store_n(&skeleton_->bss->is_asleep, 1, __ATOMIC_SEQ_CST); }
  Result<> drain(const KernelEventFn& fn) override;
  FeedCounts counts() const override;
  std::uint64_t skipped() const override;
  void shed(Shedding level) override;
  double take_peak_fill() override;

 private:
  void take(std::string_view record, const KernelEventFn& fn);

  const double ring_bytes_;
  BpfRecords records_;
  std::unique_ptr<events_bpf, SkeletonDeleter> skeleton_;
  RingReader ring_;
  FeedCounts delivered_;
};

Result<> BpfFeed::open(const FeedOptions& options) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (!std::has_single_bit(options.buffer_bytes) || options.buffer_bytes < page || options.buffer_bytes > (1UL << 30))
    return fail(Errc::Invalid, "the ring's size is no power of two between a page and 1 GiB");
  DE_CHECK(check_bpf());
  skeleton_.reset(events_bpf__open());
  if (!skeleton_) return bpf_failed("open programs", errno);
  skeleton_->rodata->ring_bytes = options.buffer_bytes;
  skeleton_->rodata->environment_limit = options.capture.environment ? DE_ENV_BYTES : 0;
  if (const int error =
          bpf_map__set_max_entries(skeleton_->maps.ring, static_cast<std::uint32_t>(options.buffer_bytes)))
    return bpf_failed("set the ring's size", error);
  if (const int error = events_bpf__load(skeleton_.get())) return bpf_failed("load programs", error);
  DE_CHECK(ring_.map(bpf_map__fd(skeleton_->maps.ring), options.buffer_bytes));
  if (const int error = events_bpf__attach(skeleton_.get())) return bpf_failed("attach programs", error);
  give_back_free_memory();  // The kernel's types took several megabytes while loading.
  return {};
}

void BpfFeed::take(std::string_view record, const KernelEventFn& fn) {
  auto event = records_.read(record);
  if (!event) {
    ++delivered_.malformed;
    return;
  }
  if (!*event) return;
  KernelEvent& found = **event;
  switch (found.kind) {
    case KernelEventKind::Fork:
      ++delivered_.forks;
      break;
    case KernelEventKind::Exec:
      ++delivered_.execs;
      break;
    case KernelEventKind::Exit:
      ++delivered_.exits;
      break;
  }
  fn(found);
}

Result<> BpfFeed::drain(const KernelEventFn& fn) {
  ring_.read([&](std::string_view record) { take(record, fn); });
  return {};
}

// The kernel side is shared memory that every processor writes to.
FeedCounts BpfFeed::counts() const {
  FeedCounts counts = delivered_;
  for (const de_counters& slot : skeleton_->bss->counters) {
    for (const int kind : {DE_FORK, DE_EXEC, DE_EXIT}) {
      counts.happened += __atomic_load_n(&slot.happened[kind], __ATOMIC_RELAXED);
      if (kind == DE_FORK) counts.fork_calls += __atomic_load_n(&slot.happened[kind], __ATOMIC_RELAXED);
      counts.dropped += __atomic_load_n(&slot.dropped[kind], __ATOMIC_RELAXED);
    }
    counts.threads += __atomic_load_n(&slot.threads, __ATOMIC_RELAXED);
    counts.workers += __atomic_load_n(&slot.workers, __ATOMIC_RELAXED);
    counts.clones += __atomic_load_n(&slot.clones, __ATOMIC_RELAXED);
    counts.tails_shed += __atomic_load_n(&slot.tails_shed, __ATOMIC_RELAXED);
    counts.environments_shed += __atomic_load_n(&slot.environments_shed, __ATOMIC_RELAXED);
  }
  return counts;
}

std::uint64_t BpfFeed::skipped() const {
  std::uint64_t skipped = 0;
  for (const bpf_program* program :
       {skeleton_->progs.on_new_task, skeleton_->progs.on_fork, skeleton_->progs.on_exec, skeleton_->progs.on_exit}) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0) skipped += info.recursion_misses;
  }
  return skipped;
}

void BpfFeed::shed(Shedding level) {
  __atomic_store_n(&skeleton_->bss->shed_level, static_cast<__u32>(level), __ATOMIC_RELAXED);
}

double BpfFeed::take_peak_fill() {
  return static_cast<double>(__atomic_exchange_n(&skeleton_->bss->ring_peak, 0, __ATOMIC_RELAXED)) / ring_bytes_;
}

}  // namespace

Result<std::unique_ptr<EventFeed>> open_bpf(const FeedOptions& options, const Clock& clock) {
  auto feed = std::make_unique<BpfFeed>(options, clock);
  DE_CHECK(feed->open(options));
  return std::unique_ptr<EventFeed>(std::move(feed));
}

}  // namespace de::collect

#else

namespace de::collect {

Result<std::unique_ptr<EventFeed>> open_bpf(const FeedOptions&, const Clock&) {
  return fail(Errc::Unsupported, "this procmond was built without BPF");
}

}  // namespace de::collect
#endif
