#include "collect/collector.h"

#include "collect/tasks.h"
#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

constexpr std::size_t kMaxPending = 10'000;  // Distinct executables counted as waiting per scan.

}  // namespace

Result<std::unique_ptr<Collector>> Collector::create(const CollectorOptions& options, const Clock& clock) {
  auto texts = std::make_unique<TextPool>();
  Result<std::unique_ptr<ProcessSource>> source = make_process_source(options.source, clock, *texts);
  if (!source) return fail(std::move(source).error().during("process source"));
  return std::unique_ptr<Collector>(new Collector(std::move(texts), std::move(*source), options, clock));
}

std::unique_ptr<Collector> Collector::create_over(std::unique_ptr<ProcessSource> source,
                                                  const CollectorOptions& options, const Clock& clock) {
  return std::unique_ptr<Collector>(new Collector(std::make_unique<TextPool>(), std::move(source), options, clock));
}

Collector::Collector(std::unique_ptr<TextPool> texts, std::unique_ptr<ProcessSource> source,
                     const CollectorOptions& options, const Clock& clock)
    : clock_(clock),
      texts_(std::move(texts)),
      source_(std::move(source)),
      hasher_(options.hash.enabled ? ExeHasher::start(options.hash, clock) : nullptr),
      diff_(options.diff, *texts_) {}

// Adds the hash when it is known, else asks for it once per scan and executable.
void Collector::add_hash(pb::ProcessRecord& record, const FileKey& image) {
  Digest digest{};
  switch (hasher_->find(image, digest)) {
    case ExeHasher::Known::Yes:
      record.set_executable_hash(to_hex(crypto::as_bytes(digest)));
      record.set_hash_algorithm("sha256");
      return;
    case ExeHasher::Known::Never:
      return;
    case ExeHasher::Known::No:
      break;
  }
  if (pending_.size() >= kMaxPending || !pending_.insert(image).second || !hasher_->wants(image)) return;
  Result<Executable> executable = source_->open_executable(record.pid(), record.process_uid());
  // Gone, or not for us: the next scan tries again, with whoever runs it then.
  if (executable && executable->key == image) (void)hasher_->submit(std::move(executable->fd), image);
}

void Collector::count_events(const std::vector<pb::ProcessEvent>& events, std::size_t first) {
  for (std::size_t i = first; i < events.size(); ++i) {
    const pb::EventType type = events[i].event_type();
    if (type == pb::EVENT_TYPE_START) ++counts_.starts;
    if (type == pb::EVENT_TYPE_EXIT) ++counts_.exits;
    if (type == pb::EVENT_TYPE_MODIFIED) ++counts_.modified;
    if (type == pb::EVENT_TYPE_SUSPICIOUS) ++counts_.suspicious;
  }
}

Result<pb::ScanSummary> Collector::scan(const std::function<void(pb::ProcessRecord&)>& on_record,
                                        std::vector<pb::ProcessEvent>& events) {
  const std::int64_t started_ns = clock_.steady_ns();
  const std::size_t first_event = events.size();
  pending_.clear();
  diff_.begin(clock_.unix_ms(), events);
  std::uint32_t reported = 0;
  const Result<Sweep> sweep = source_->sweep([&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
    if (hasher_ && image) add_hash(record, *image);
    diff_.observe(record, events);
    ++reported;
    on_record(record);
  });
  const std::lock_guard lock(mutex_);
  if (!sweep) {
    ++counts_.scans_failed;
    return fail(Error(sweep.error()).during("scan"));
  }
  diff_.finish(events);

  pb::ScanSummary summary;
  summary.set_seen(sweep->seen);
  summary.set_reported(reported);
  summary.set_unreadable(sweep->unreadable);
  summary.set_vanished(sweep->vanished);
  summary.set_duration_us(static_cast<std::uint64_t>((clock_.steady_ns() - started_ns) / 1000));
  summary.set_hash_pending(static_cast<std::uint32_t>(pending_.size()));
  ++counts_.scans;
  counts_.seen += sweep->seen;
  counts_.reported += reported;
  counts_.unreadable += sweep->unreadable;
  counts_.vanished += sweep->vanished;
  counts_.tracked = diff_.tracked();
  count_events(events, first_event);
  return summary;
}

pb::DetectionResult Collector::run_task(const pb::DetectionTask& task) {
  pb::DetectionResult result = collect::run_task(task, *source_, hasher_.get());
  const std::lock_guard lock(mutex_);
  ++counts_.tasks;
  if (!result.success()) ++counts_.tasks_failed;
  return result;
}

Counts Collector::counts() const {
  const std::lock_guard lock(mutex_);
  Counts out = counts_;
  if (hasher_) out.hash = hasher_->counts();
  return out;
}

}  // namespace de::collect
