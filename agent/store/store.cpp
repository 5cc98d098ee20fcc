#include "store/store.h"

#include <algorithm>

#include "daemoneye/base/fault.h"
#include "daemoneye/base/format_mark.h"
#include "store/store_impl.h"

namespace de::store {
namespace {

struct NewEvents {
  std::vector<FiledEvent> rows;  // In the order of their sequences.
  AppendOutcome outcome;
};

Result<> check(const StoreOptions& options) {
  if (options.dir.empty()) return fail(Errc::Invalid, "store: no directory");
  if (options.retention_days == 0 || options.retention_days > 36'500)
    return fail(Errc::Invalid, "store: retention_days must be 1 to 36500");
  if (options.max_alerts == 0) return fail(Errc::Invalid, "store: max_alerts must be at least 1");
  return {};
}

}  // namespace

std::int64_t Store::Impl::oldest_kept_ms() const {
  const std::int64_t now = std::max<std::int64_t>(clock.unix_ms(), 0);
  const std::int64_t today = now - now % kDayMs;
  return std::max<std::int64_t>(today - static_cast<std::int64_t>(retention_days.load()) * kDayMs, 0);
}

std::int64_t Store::Impl::filed_ms(std::int64_t claimed_ms) const {
  const std::int64_t oldest = oldest_kept_ms();
  return std::clamp(claimed_ms, oldest, std::max(oldest, clock.unix_ms() + kDayMs));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, const Clock& clock) {
  DE_CHECK(check(options));
  auto directory = Directory::open(options.dir);
  if (!directory) return fail(std::move(directory).error().during("open store"));
  auto impl = std::make_unique<Impl>(std::move(options), clock, std::move(*directory));
  const auto open_parts = [&]() -> Result<> {
    // First of all: what a newer version wrote would look damaged, and be set aside.
    DE_CHECK(check_format(impl->options.dir, kStoreFormat));
    DE_CHECK(impl->directory.make("state"));
    DE_TRY(state, State::open(impl->directory.below("state"), impl->options.state_map_bytes));
    impl->state = std::move(state);
    impl->alerts = std::make_unique<AlertLog>(*impl->state, impl->options.max_alerts, clock);
    impl->gaps = std::make_unique<GapLog>(*impl->state, clock);
    impl->captures = std::make_unique<CaptureLog>(*impl->state, impl->options.max_capture_bytes);
    DE_CHECK(impl->days.load());
    DE_TRY(kept, impl->gaps->marks());
    for (const auto& [mark, sequence] : kept) DE_CHECK(impl->watermarks.raise(mark, sequence));
    return {};
  };
  if (auto opened = open_parts(); !opened) return fail(std::move(opened).error().during("open store"));
  for (const std::shared_ptr<Day>& day : impl->days.all()) {
    auto marks = day->marks();
    if (!marks && marks.error().code() != Errc::Corrupt) return fail(std::move(marks).error().during("open store"));
    if (!marks) {
      impl->days.quarantine(day, marks.error().message());
      continue;
    }
    for (const auto& [mark, sequence] : *marks) DE_CHECK(impl->watermarks.raise(mark, sequence));
    DE_TRY(txn, Txn::begin(day->env(), Txn::Kind::Read));
    DE_TRY(counts, day->counts(txn));  // Read before, when the day was opened.
    impl->position = std::max(impl->position.load(), counts.last_position);
  }
  (void)impl->directory.take_reserve();  // On a full disk there is none; stats() says so, retention tries again.
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Result<> Store::begin_scan(const ScanMeta& meta) {
  DE_CHECK(mark_key(meta.collector, "-"));
  const std::int64_t filed = impl_->filed_ms(meta.time_ms);
  for (int attempt = 0;; ++attempt) {
    DE_TRY(day, impl_->days.for_writing(filed));
    auto begun = impl_->scans.begin(meta, static_cast<std::uint64_t>(filed), day);
    if (begun || begun.error().code() != Errc::Corrupt || attempt > 0) return begun;
    impl_->days.quarantine(day, begun.error().message());  // The second attempt gets a fresh one.
  }
}

Result<> Store::add(const pb::ProcessRecord& record, std::string_view bytes) {
  if (fault::drops("store")) return {};
  return impl_->scans.add(record, bytes);
}

Result<> Store::finish_scan() {
  const std::shared_ptr<Day> day = impl_->scans.day();
  auto finished = impl_->scans.finish();
  if (!finished && finished.error().code() == Errc::Corrupt && day)
    impl_->days.quarantine(day, finished.error().message());
  return finished;
}

Result<> Store::finish_scan(const pb::ScanSummary& summary) {
  impl_->scans.set_summary(summary);
  return finish_scan();
}

void Store::abandon_scan() { impl_->scans.abandon(); }

namespace {

Result<NewEvents> select_new(const EventRefs& events, std::uint64_t watermark,
                             const std::function<std::int64_t(std::int64_t)>& filed_ms) {
  NewEvents out;
  out.outcome.acked_sequence = watermark;
  for (const pb::ProcessEvent* event : events.events()) {
    const std::uint64_t sequence = event->sequence();
    if (sequence == 0) return fail(Errc::Invalid, "append events: sequence 0");
    if (sequence <= out.outcome.acked_sequence) {
      ++out.outcome.duplicates;
      continue;
    }
    if (sequence != out.outcome.acked_sequence + 1)
      out.outcome.jumps.push_back({out.outcome.acked_sequence + 1, sequence - 1});
    out.outcome.acked_sequence = sequence;
    out.rows.emplace_back(static_cast<std::uint64_t>(filed_ms(event->event_time_ms())), event);
  }
  out.outcome.stored = out.rows.size();
  return out;
}

}  // namespace

Result<AppendOutcome> Store::append_events(std::string_view collector, std::string_view spool_id,
                                           const EventRefs& events) {
  DE_TRY(mark, mark_key(collector, spool_id));
  DE_TRY(fresh, select_new(events, impl_->watermarks.of(mark),
                           [this](std::int64_t claimed) { return impl_->filed_ms(claimed); }));
  // Raised by nothing yet: refuses one spool too many before anything is written.
  DE_CHECK(impl_->watermarks.raise(mark, 0));
  const std::span<const FiledEvent> rows = fresh.rows;
  int quarantines = 0;
  for (std::size_t begin = 0; begin < rows.size();) {
    // One transaction per run of events of the same day: each commits its own watermark.
    const std::string name = day_name(static_cast<std::int64_t>(rows[begin].first));
    std::size_t end = begin + 1;
    while (end < rows.size() && end - begin < kRowsPerCommit &&
           day_name(static_cast<std::int64_t>(rows[end].first)) == name)
      ++end;
    const std::uint64_t watermark = rows[end - 1].second->sequence();
    const std::uint64_t position = impl_->position + 1;
    DE_TRY(day, impl_->days.for_writing(static_cast<std::int64_t>(rows[begin].first)));
    const auto write = [&]() -> Result<> {
      DE_TRY(writer, day->writer());
      return writer->write_events(collector, mark, rows.subspan(begin, end - begin), watermark, position);
    };
    if (auto written = write(); !written) {
      if (written.error().code() != Errc::Corrupt || ++quarantines > 1)
        return fail(std::move(written).error().during("append events"));
      impl_->days.quarantine(day, written.error().message());
      continue;  // The same events once more, into a fresh day.
    }
    impl_->position = position + (end - begin) - 1;
    DE_CHECK(impl_->watermarks.raise(mark, watermark));
    begin = end;
  }
  return std::move(fresh.outcome);
}

Result<AppendOutcome> Store::append_gap(std::string_view collector, std::string_view spool_id, const pb::Gap& gap) {
  DE_TRY(mark, mark_key(collector, spool_id));
  const std::uint64_t watermark = impl_->watermarks.of(mark);
  AppendOutcome outcome;
  outcome.acked_sequence = std::max(watermark, gap.last_sequence());
  const bool ahead = gap.last_sequence() > watermark;
  if (ahead && gap.first_sequence() > watermark + 1) outcome.jumps.push_back({watermark + 1, gap.first_sequence() - 1});
  DE_CHECK(impl_->watermarks.raise(mark, 0));
  DE_CHECK(impl_->gaps->put(collector, spool_id, gap, ahead ? std::optional(gap.last_sequence()) : std::nullopt));
  DE_CHECK(impl_->watermarks.raise(mark, outcome.acked_sequence));
  return outcome;
}

Result<std::vector<StoredGap>> Store::list_gaps(std::int64_t from_ms, std::int64_t to_ms) const {
  return impl_->gaps->list(from_ms, to_ms);
}

std::uint64_t Store::acked_sequence(std::string_view collector, std::string_view spool_id) const {
  const auto mark = mark_key(collector, spool_id);
  return mark ? impl_->watermarks.of(*mark) : 0;
}

Result<> Store::put_capture(const pb::Capture& capture) { return impl_->captures->put(capture); }
Result<CapturePage> Store::read_captures(const CaptureFilter& filter) const { return impl_->captures->read(filter); }

Result<> Store::put_note(std::string_view name, std::string_view text) { return impl_->state->put_note(name, text); }

Result<std::optional<std::string>> Store::find_note(std::string_view name) const {
  return impl_->state->find_note(name);
}

Result<AlertOutcome> Store::put_alert(pb::Alert& alert, std::span<const std::string> sinks,
                                      std::int64_t dedupe_window_ms) {
  return impl_->alerts->put(alert, sinks, dedupe_window_ms);
}

Result<std::vector<pb::Alert>> Store::list_alerts(const AlertFilter& filter) const {
  return impl_->alerts->list(filter);
}

Result<pb::Alert> Store::find_alert(std::string_view id) const { return impl_->alerts->find(id); }

Result<std::vector<PendingDelivery>> Store::pending(std::string_view sink, std::size_t max) const {
  return impl_->alerts->pending(sink, max);
}

Result<std::vector<pb::Delivery>> Store::deliveries(std::uint64_t alert_sequence) const {
  return impl_->alerts->deliveries(alert_sequence);
}

Result<> Store::mark_delivered(std::string_view sink, std::uint64_t alert_sequence) {
  return impl_->alerts->mark_delivered(sink, alert_sequence);
}

Result<> Store::mark_attempt(std::string_view sink, std::uint64_t alert_sequence, std::string_view error) {
  return impl_->alerts->mark_attempt(sink, alert_sequence, error);
}

}  // namespace de::store
