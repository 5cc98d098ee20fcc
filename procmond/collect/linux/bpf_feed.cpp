#include "collect/linux/bpf_feed.h"

#ifdef DE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <array>
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

constexpr std::int64_t kCheckEveryNs = 500'000'000;

// Attached for as long as the descriptor is open.
struct HeldLink {
  int fd = -1;
  __u32 id = 0;
  const char* what = "";
};

// 0: what is behind the descriptor is none of these.
template <class Info>
__u32 id_of(int fd, __u32 Info::*id) {
  Info info{};
  __u32 size = sizeof info;
  return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.*id : 0;
}

class BpfFeed final : public EventFeed {
 public:
  BpfFeed(const FeedOptions& options, const Clock& clock)
      : ring_bytes_(static_cast<double>(options.buffer_bytes)), clock_(clock), records_(options.capture, clock) {}

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
  void remember_links();
  Result<> check_links();

  const double ring_bytes_;
  const Clock& clock_;
  BpfRecords records_;
  std::unique_ptr<events_bpf, SkeletonDeleter> skeleton_;
  RingReader ring_;
  FeedCounts delivered_;
  std::array<HeldLink, 4> held_{};
  __u32 ring_id_ = 0;
  std::int64_t checked_ns_ = 0;
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
  __atomic_store_n(&skeleton_->data->counted_from_ns, static_cast<__u64>(clock_.steady_ns()), __ATOMIC_RELAXED);
  remember_links();
  give_back_free_memory();  // The kernel's types took several megabytes while loading.
  return {};
}

void BpfFeed::remember_links() {
  const auto link = [](bpf_link* one, const char* what) {
    const int fd = bpf_link__fd(one);
    return HeldLink{fd, id_of(fd, &bpf_link_info::id), what};
  };
  held_ = {link(skeleton_->links.on_new_task, "the program that counts tasks"),
           link(skeleton_->links.on_fork, "the program at fork"), link(skeleton_->links.on_exec, "the program at exec"),
           link(skeleton_->links.on_exit, "the program at exit")};
  ring_id_ = id_of(bpf_map__fd(skeleton_->maps.ring), &bpf_map_info::id);
}

// Nobody but us has them open: who takes over this process, or traces it, can close them, and nothing else would tell.
Result<> BpfFeed::check_links() {
  const std::int64_t now_ns = clock_.steady_ns();
  if (now_ns - checked_ns_ < kCheckEveryNs) return {};
  checked_ns_ = now_ns;
  for (const HeldLink& held : held_)
    if (id_of(held.fd, &bpf_link_info::id) != held.id)
      return fail(Errc::Closed, std::string(held.what) + " was taken away");
  const int ring = bpf_map__fd(skeleton_->maps.ring);
  if (id_of(ring, &bpf_map_info::id) != ring_id_) return fail(Errc::Closed, "the ring was taken away");
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
  return check_links();
}

// The kernel side is shared memory that every processor writes to.
FeedCounts BpfFeed::counts() const {
  FeedCounts counts = delivered_;
  for (const de_counters& slot : skeleton_->bss->counters) {
    for (const int kind : {DE_FORK, DE_EXEC, DE_EXIT}) {
      counts.happened += __atomic_load_n(&slot.happened[kind], __ATOMIC_RELAXED);
      counts.dropped += __atomic_load_n(&slot.dropped[kind], __ATOMIC_RELAXED);
    }
    counts.fork_calls += __atomic_load_n(&slot.processes, __ATOMIC_RELAXED);
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
