#include "collect/collector.h"

#include <chrono>
#include <thread>
#include <utility>

#include "collect/tasks.h"
#include "collect/wanted_columns.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

constexpr std::size_t kKeepScratch = 256UL << 10;
constexpr int kMaxTries = 20;
constexpr std::size_t kMaxPending = 10'000;  // Distinct executables counted as waiting per scan.

}  // namespace

Result<std::unique_ptr<Collector>> Collector::create(const CollectorOptions& options, const Clock& clock,
                                                     std::unique_ptr<EventFeed> feed,
                                                     std::unique_ptr<ProcessIterator> iterator) {
  auto texts = std::make_unique<TextPool>();
  Result<std::unique_ptr<ProcessSource>> source =
      make_process_source(options.source, clock, *texts, std::move(iterator));
  if (!source) return fail(std::move(source).error().during("process source"));
  Result<std::unique_ptr<ProcessSource>> event_source = make_process_source(options.source, clock, *texts);
  if (!event_source) return fail(std::move(event_source).error().during("process source"));
  std::unique_ptr<Collector> collector(
      new Collector(std::move(texts), std::move(*source), options, clock, std::move(feed)));
  collector->event_source_ = std::move(*event_source);
  return collector;
}

std::unique_ptr<Collector> Collector::create_over(std::unique_ptr<ProcessSource> source,
                                                  const CollectorOptions& options, const Clock& clock,
                                                  std::unique_ptr<EventFeed> feed) {
  return std::unique_ptr<Collector>(
      new Collector(std::make_unique<TextPool>(), std::move(source), options, clock, std::move(feed)));
}

Collector::Collector(std::unique_ptr<TextPool> texts, std::unique_ptr<ProcessSource> source,
                     const CollectorOptions& options, const Clock& clock, std::unique_ptr<EventFeed> feed)
    : clock_(clock),
      texts_(std::move(texts)),
      source_(std::move(source)),
      on_demand_(options.on_demand),
      environments_(options.source.collect_environment),
      hasher_(options.hash.enabled ? ExeHasher::start(options.hash, clock) : nullptr),
      image_hashes_(hasher_ && feed ? std::make_unique<ImageHashes>(*hasher_, *source_) : nullptr),
      feed_(std::move(feed)),
      live_(options.diff, *texts_),
      last_drain_ms_(clock.unix_ms()),
      plans_(clock) {
  live_.set_fed(feed_ != nullptr);
  live_.set_boot({source_->boot_id(), source_->boot_time_ms()});
}

int Collector::wake_fd() const {
  const std::lock_guard lock(mutex_);
  return feed_ ? feed_->wake_fd() : -1;
}

// With mutex_ held.
Result<> Collector::drain() {
  if (!feed_) return {};
  // Whoever drains finds out; collect_events() says so, also when that was somebody else.
  if (fault::drops("feed-gone")) feed_end_ = Error(Errc::Closed, "taken away on purpose");
  if (feed_end_) return fail(Error(*feed_end_));
  live_.set_boot({source_->boot_id(), source_->boot_time_ms()});
  note_pressure();
  Result<> drained = feed_->drain([this](KernelEvent& event) {
    if (event.seen == nullptr) look_up(event);
    if (fault::drops("feed")) return;
    live_.identify(event);
    if (image_hashes_ && event.image && !image_hashes_->add(*event.seen, *event.image, may_hash()))
      skip_hash(*event.seen);
    live_.apply(event, told_);
    count_events(told_.events, 0);
    for (const pb::ProcessEvent& told : told_.events)
      collected_.is_urgent |= told.event_type() != pb::EVENT_TYPE_START && told.event_type() != pb::EVENT_TYPE_EXIT;
    const std::size_t before = collected_.events.bytes.size();
    append_to(collected_.events, told_);
    told_.clear();
    if (collected_.events.bytes.size() - before <= kKeepScratch) return;
    told_ = ToldEvents();  // It does not stay in memory.
    live_.drop_scratch();
  });
  note_losses();
  if (!drained) feed_end_ = drained.error();
  return drained;
}

void Collector::note_pressure() {
  feed_->shed(shedding_);
  const double fill = feed_->take_peak_fill();
  if (fill > peak_fill_) peak_fill_ = fill;  // Who takes it at this moment has seen the one before.
}

void Collector::skip_hash(pb::ProcessRecord& record) {
  add_shed(pb::SHED_HASH, record);
  ++hashes_shed_;
}

// Until everything is here that has happened by now: a record that another processor is still writing holds up those
// behind it, and a scan must not take them for lost.
void Collector::drain_what_happened() {
  if (!feed_) return;
  const std::uint64_t happened = feed_->counts().happened;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    (void)drain();  // A feed that is gone is noticed by collect_events().
    const FeedCounts counts = feed_->counts();
    if (counts.forks + counts.execs + counts.exits + counts.malformed + counts.dropped >= happened) return;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

// The feed only says that it happened: /proc is asked what it is, unless it is gone already.
void Collector::look_up(KernelEvent& event) {
  looked_up_.Clear();
  event.seen = &looked_up_;
  if (event.kind != KernelEventKind::Exit && event_source_) {
    (void)event_source_->visit(
        std::span(&event.pid, 1), [this](pb::ProcessRecord& record, const auto&) { looked_up_.Swap(&record); },
        on_demand_ ? kNothing : kEverything);
  }
  if (shedding_.load() >= Shedding::Environment && looked_up_.environment_size() > 0) {
    looked_up_.clear_environment();
    looked_up_.set_environment_cut(true);
    add_shed(pb::SHED_ENVIRONMENT, looked_up_);
    ++environments_shed_;
  }
  looked_up_.set_source(pb::RECORD_SOURCE_CONNECTOR);
  if (!looked_up_.process_uid().empty()) return;
  // Nobody will ever see it again, so that the time of its fork is as good a name as that of its start.
  if (event.kind == KernelEventKind::Fork) event.start_ns = event.time_ns;
}

void Collector::note_losses() {
  const std::int64_t now_ms = clock_.unix_ms();
  const FeedCounts counts = feed_->counts();
  environments_shed_ += counts.environments_shed - shed_noted_.environments_shed;
  arguments_shed_ += counts.tails_shed - shed_noted_.tails_shed;
  shed_noted_ = counts;
  const std::uint64_t dropped = counts.dropped;
  if (dropped > losses_noted_) {
    if (collected_.lost == 0) collected_.from_ms = last_drain_ms_;
    collected_.lost += dropped - losses_noted_;
    collected_.to_ms = now_ms;
    losses_noted_ = dropped;
  }
  last_drain_ms_ = now_ms;
}

void Collector::fall_asleep() {
  const std::lock_guard lock(mutex_);
  if (feed_) feed_->fall_asleep();
}

Result<Collected> Collector::collect_events(bool all) {
  const std::lock_guard lock(mutex_);
  DE_CHECK(drain());
  if (!all && !collected_.is_urgent && collected_.lost == 0) {
    Collected nothing;
    nothing.held = collected_.events.size();
    return nothing;
  }
  return std::exchange(collected_, {});
}

Collected Collector::replace_feed(std::unique_ptr<EventFeed> feed) {
  const std::lock_guard lock(mutex_);
  (void)drain();  // It may be gone already; what it held is then lost, which its successor's scan finds out.
  feed_ = std::move(feed);
  feed_end_.reset();
  losses_noted_ = 0;
  shed_noted_ = {};
  clones_ = {};
  live_.forget_counts();
  live_.set_fed(feed_ != nullptr);
  return std::exchange(collected_, {});
}

// Adds the hash when it is known, else asks for it once per scan and executable.
void Collector::add_hash(pb::ProcessRecord& record, const FileKey& image) {
  Digest digest{};
  switch (hasher_->find(image, digest)) {
    case ExeHasher::Known::Yes:
      set_hash(record, digest);
      return;
    case ExeHasher::Known::Never:
      return;
    case ExeHasher::Known::No:
      break;
  }
  if (!may_hash()) {
    if (pending_.size() < kMaxPending) pending_.insert(image);
    return skip_hash(record);
  }
  if (pending_.size() >= kMaxPending || !pending_.insert(image).second || !hasher_->wants(image)) return;
  Result<Executable> executable = source_->open_executable(record.pid(), record.process_uid());
  // Gone, or not for us: the next scan tries again, with whoever runs it then.
  if (executable && executable->key == image) (void)hasher_->submit(std::move(executable->fd), image);
}

void Collector::count_events(const EventList& events, int first) {
  for (int i = first; i < events.size(); ++i) {
    const pb::EventType type = events[i].event_type();
    if (type == pb::EVENT_TYPE_START) ++counts_.starts;
    if (type == pb::EVENT_TYPE_EXEC) ++counts_.execs;
    if (type == pb::EVENT_TYPE_EXIT) ++counts_.exits;
    if (type == pb::EVENT_TYPE_MODIFIED) ++counts_.modified;
    if (type == pb::EVENT_TYPE_SUSPICIOUS) ++counts_.suspicious;
  }
}

// False: it has ended since it was read.
bool Collector::observe(pb::ProcessRecord& record, const std::optional<FileKey>& image, EventList& events) {
  if (hasher_ && image) add_hash(record, *image);
  const std::lock_guard lock(mutex_);
  // Began a moment ago: its fork says who made it; the scan knows only who is its parent by now.
  if (feed_ && !live_.knows(record)) (void)drain();  // A feed that is gone is noticed by collect_events().
  return live_.observe(record, events);
}

// False: the whole record is wanted.
bool Collector::observe_same(pb::ProcessRecord& record, const std::optional<FileKey>& image, EventList& events) {
  {
    const std::lock_guard lock(mutex_);
    if (!live_.has_observed(record)) return false;
  }
  if (hasher_ && image) add_hash(record, *image);
  const std::lock_guard lock(mutex_);
  if (!live_.has_observed(record)) return false;  // Its end may have been told in between.
  live_.same(record, events);
  return true;
}

Demand Collector::begin_demand() {
  if (!on_demand_) return {};
  const std::lock_guard lock(mutex_);
  return plans_.begin_snapshot();
}

Result<pb::ScanSummary> Collector::scan(const std::function<void(pb::ProcessRecord&)>& on_record, EventList& events) {
  const std::int64_t started_ns = clock_.steady_ns();
  const int first_event = events.size();
  pending_.clear();
  {
    const std::lock_guard lock(mutex_);
    (void)drain();  // A feed that is gone is noticed by collect_events().
    live_.begin(clock_.unix_ms(), events, static_cast<std::uint64_t>(clock_.steady_ns()));
  }
  const Demand demand = begin_demand();
  WantedColumns wanted(on_demand_ ? &plans_ : nullptr, demand, *source_, on_record);
  std::uint32_t reported = 0, ended = 0;
  const auto read = [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
    if (!observe(record, image, events)) {
      ++ended;
      return;
    }
    ++reported;
    wanted.add(record);
  };
  const auto read_same = [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
    if (!observe_same(record, image, events)) return false;
    ++reported;
    wanted.add(record);
    return true;
  };
  const Result<Sweep> sweep = source_->sweep(read, read_same, demand);
  if (sweep) wanted.finish();
  const std::lock_guard lock(mutex_);
  if (!sweep) {
    ++counts_.scans_failed;
    return fail(Error(sweep.error()).during("scan"));
  }
  drain_what_happened();
  std::uint32_t added = 0;
  live_.finish(events, [&](pb::ProcessRecord& record) {
    ++added;
    on_record(record);
  });

  pb::ScanSummary summary;
  summary.set_seen(sweep->seen + added);
  summary.set_reported(reported + added);
  summary.set_unreadable(sweep->unreadable);
  summary.set_vanished(sweep->vanished + ended);
  summary.set_duration_us(static_cast<std::uint64_t>((clock_.steady_ns() - started_ns) / 1000));
  summary.set_hash_pending(static_cast<std::uint32_t>(pending_.size()));
  ++counts_.scans;
  counts_.seen += summary.seen();
  counts_.reported += summary.reported();
  counts_.unreadable += summary.unreadable();
  counts_.vanished += summary.vanished();
  counts_.tracked = live_.tracked();
  count_events(events, first_event);
  return summary;
}

std::vector<pb::Finding> Collector::check_books() {
  const std::lock_guard lock(mutex_);
  if (!feed_) return {};
  const auto sample = [this]() -> std::optional<CloneSample> {
    CloneSample now;
    now.before = feed_->counts().clones;
    const Result<std::uint64_t> total = read_clone_total();
    now.after = feed_->counts().clones;
    if (!total) return std::nullopt;
    now.total = *total;
    return now;
  };
  if (feed_->counts().clones > 0)
    (void)clones_.check(sample, clock_.unix_ms());  // Not readable: then there is no such finding.
  // Others go on forking: until nothing happened between the last event and the look at the counters.
  FeedCounts counts;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    (void)drain();
    counts = feed_->counts();
    if (is_balanced(counts)) break;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  std::vector<pb::Finding> findings = judge(counts, feed_->skipped(), clones_, clock_.unix_ms());
  // What the feed delivered went into the model, and came out as an event or was known from a scan.
  const ModelCounts& model = live_.counts();
  pb::Finding& finding = findings.emplace_back();
  finding.set_component("books.model");
  const std::uint64_t delivered = counts.forks + counts.execs + counts.exits;
  finding.set_level(delivered == model.told + model.forks_known + model.unidentified ? pb::Finding::OK
                                                                                     : pb::Finding::FAILED);
  finding.set_detail("delivered " + std::to_string(delivered) + " = events " + std::to_string(model.told) +
                     " + known before " + std::to_string(model.forks_known) + " + nameless " +
                     std::to_string(model.unidentified) +
                     "; missed and found by scans: " + std::to_string(model.missed_starts) + " starts, " +
                     std::to_string(model.missed_execs) + " execs, " + std::to_string(model.missed_exits) + " exits");
  return findings;
}

Result<> Collector::accept_plan(const pb::DetectionTask& task) {
  if (!on_demand_) return fail(Errc::Unsupported, "collect.on_demand is off: every column is in every snapshot");
  if (!task.has_pushdown_plan()) return fail(Errc::Invalid, "pushdown_plan: is missing");
  const std::lock_guard lock(mutex_);
  return plans_.accept(task.task_id(), task.pushdown_plan());
}

pb::DetectionResult Collector::run_task(const pb::DetectionTask& task) {
  pb::DetectionResult result;
  if (task.task_type() == pb::COLLECT_COLUMNS) {
    const Result<> accepted = accept_plan(task);
    result.set_task_id(task.task_id());
    result.set_success(accepted.has_value());
    if (!accepted) result.set_error_message(accepted.error().message());
  } else {
    result = collect::run_task(task, *source_, hasher_.get(), environments_);
  }
  const std::lock_guard lock(mutex_);
  ++counts_.tasks;
  if (!result.success()) ++counts_.tasks_failed;
  return result;
}

void Collector::revoke_task(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  plans_.revoke(task_id);
}

void Collector::end_session() {
  const std::lock_guard lock(mutex_);
  plans_.clear();
}

Counts Collector::counts() const {
  const std::lock_guard lock(mutex_);
  Counts out = counts_;
  if (feed_) out.feed = feed_->counts();
  out.model = live_.counts();
  if (hasher_) out.hash = hasher_->counts();
  out.source = source_->state();
  out.plans = plans_.counts();
  if (event_source_) {
    const SourceState events = event_source_->state();
    out.source.timeouts += events.timeouts;
    out.source.stuck += events.stuck;
  }
  return out;
}

}  // namespace de::collect
