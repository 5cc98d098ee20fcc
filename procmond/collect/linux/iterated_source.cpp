#include "collect/linux/iterated_source.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "collect/linux/iterated_reader.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/watched_thread.h"

namespace de::collect {
namespace {

void set_wanted(Wanted wanted, ProcessIterator::Pass& pass) {
  pass.with_descriptors = (wanted & kFdCount) != 0;
  pass.with_io = (wanted & kIo) != 0;
}

class IteratedSource final : public ProcessSource {
 public:
  IteratedSource(SharedProcRoot root, const Clock& clock, TextPool& texts, std::unique_ptr<ProcessIterator> iterator,
                 std::unique_ptr<ProcessSource> fallback)
      : root_(std::move(root)),
        clock_(clock),
        texts_(texts),
        iterator_(std::move(iterator)),
        fallback_(std::move(fallback)),
        reader_(std::make_shared<IteratedReader>(root_, clock, texts)),
        thread_({root_->options.deadline, root_->options.max_stuck}),
        boot_time_ms_(reader_->boot_time_ms()) {}

  Result<Sweep> sweep(const RecordFn& fn, const SameFn& same, const Demand& demand) override;
  Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) override;
  void add_on_demand(std::span<const Wanting> wanting) override;
  Result<OpenFiles> open_files(std::uint32_t pid, std::string_view process_uid, std::size_t limit) override {
    return fallback_->open_files(pid, process_uid, limit);
  }
  Result<Executable> open_executable(std::uint32_t pid, std::string_view process_uid) override {
    return fallback_->open_executable(pid, process_uid);
  }
  Result<Executable> open_file(const std::string& path) override { return fallback_->open_file(path); }
  const std::string& boot_id() const override { return root_->boot_id; }
  std::int64_t boot_time_ms() const override { return boot_time_ms_; }
  SourceState state() const override;

 private:
  using Pids = std::unordered_set<std::uint32_t>;
  // Reads everybody whom `wants` wants, and notes in `visited` (unless null) who was.
  Result<> pass(const ProcessIterator::Pass& pass, Mode mode, const std::function<bool(std::uint32_t)>& wants,
                Pids* visited, const RecordFn& fn, const SameFn& same, Sweep& counts);
  // Of `pids` those whom the iterator has not told either. Returns who is there.
  Result<std::vector<std::uint32_t>> read_left_out(std::vector<std::uint32_t> pids,
                                                   const std::function<bool(std::uint32_t)>& wants, const RecordFn& fn,
                                                   Wanted wanted, Sweep& counts);
  void give_up(const Error& error);

  const SharedProcRoot root_;
  const Clock& clock_;
  TextPool& texts_;
  const std::shared_ptr<ProcessIterator> iterator_;  // Whoever hangs within a pass still holds it.
  const std::unique_ptr<ProcessSource> fallback_;
  std::shared_ptr<IteratedReader> reader_;
  WatchedThread thread_;
  std::atomic<std::int64_t> boot_time_ms_;
  // Those that /proc lists and the iterator leaves out: there are kernels that keep process 1 to themselves, and
  // whoever hides from one of the two is still seen by the other. Looked for in some sweeps: the list is dear.
  std::vector<std::uint32_t> left_out_;
  std::uint64_t complete_since_ns_ = 0;  // When the latest sweep that told everything began.
  std::atomic<std::uint64_t> reads_fd_count_ = 0, reads_io_ = 0;
  mutable std::mutex mutex_;  // For given_up_.
  std::string given_up_;      // Why the fallback is in use; empty: it is not.
};

Result<> IteratedSource::pass(const ProcessIterator::Pass& pass, Mode mode,
                              const std::function<bool(std::uint32_t)>& wants, Pids* visited, const RecordFn& fn,
                              const SameFn& same, Sweep& counts) {
  Result<> read;
  // Whoever hangs keeps its reader and the iterator; all else is touched by those only who are waited for.
  const auto job = [&](Watch& watch) {
    const std::shared_ptr<IteratedReader> reader = reader_;
    const std::shared_ptr<ProcessIterator> iterator = iterator_;
    bool left_behind = false;
    Result<> done = iterator->read(pass, [&](std::string_view record) {
      de_process head;
      std::memcpy(&head, record.data(), sizeof head);
      const std::uint32_t pid = head.steady.task.pid;
      if (pass.with_descriptors) ++reads_fd_count_;
      if (pass.with_io) ++reads_io_;
      if (!wants(pid)) return true;
      const bool may_wait = !thread_.is_at_limit() && !thread_.is_stuck_in(pid);
      const Outcome outcome = reader->read(record, mode, may_wait, watch, fn, same);
      left_behind = outcome == Outcome::LeftBehind;
      if (left_behind) return false;
      if (visited != nullptr) visited->insert(pid);
      ++counts.seen;
      if (outcome == Outcome::Vanished) ++counts.vanished;
      if (outcome == Outcome::Unreadable) ++counts.unreadable;
      return true;
    });
    if (!left_behind) read = std::move(done);
  };
  // The next one begins anew and passes over those who were read.
  while (thread_.run(job)) {
    auto successor = std::make_shared<IteratedReader>(root_, clock_, texts_);
    successor->succeed(*reader_);
    reader_ = std::move(successor);
  }
  return read;
}

Result<std::vector<std::uint32_t>> IteratedSource::read_left_out(std::vector<std::uint32_t> pids,
                                                                 const std::function<bool(std::uint32_t)>& wants,
                                                                 const RecordFn& fn, Wanted wanted, Sweep& counts) {
  std::erase_if(pids, [&](std::uint32_t pid) { return !wants(pid); });
  std::vector<std::uint32_t> there;
  if (pids.empty()) return there;
  const auto note = [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
    there.push_back(record.pid());
    fn(record, image);
  };
  DE_TRY(more, fallback_->visit(pids, note, wanted));
  counts.seen += more.seen;
  counts.unreadable += more.unreadable;
  counts.vanished += more.vanished;
  return there;
}

void IteratedSource::give_up(const Error& error) {
  const std::lock_guard lock(mutex_);
  given_up_ = error.message();
}

Result<Sweep> IteratedSource::sweep(const RecordFn& fn, const SameFn& same, const Demand& demand) {
  if (!state().why_not_better.empty()) return fallback_->sweep(fn, same, demand);
  const auto began_ns = static_cast<std::uint64_t>(clock_.steady_ns());
  const Wanted wanted = demand.of_all | demand.of_some;
  const std::uint32_t number = reader_->begin_sweep(wanted);
  boot_time_ms_ = reader_->boot_time_ms();
  ProcessIterator::Pass all;
  all.since_ns = complete_since_ns_;
  set_wanted(wanted, all);
  all.turns = kRefreshSweeps;
  all.turn = (kRefreshSweeps - number % kRefreshSweeps) % kRefreshSweeps;  // As the reader takes turns.
  Sweep counts;
  const auto wants = [this](std::uint32_t pid) { return !reader_->was_read_in_sweep(pid); };
  Result<> read = pass(all, Mode::Snapshot, wants, nullptr, fn, same, counts);
  // The kernel goes through the numbers; a thread that took over its process's number just then is seen under neither.
  if (read && reader_->has_missed_any()) read = pass(all, Mode::Snapshot, wants, nullptr, fn, same, counts);
  if (!read) {
    give_up(read.error());
    return fail(std::move(read).error());
  }
  if (number % kRefreshSweeps == 1) {
    DE_TRY(listed, list_pids(root_->fd.get()));
    left_out_ = std::move(listed);
  }
  DE_TRY(still_there,
         read_left_out(left_out_, wants, fn, demand.of_all, counts));  // After a failure they are looked for again.
  left_out_ = std::move(still_there);
  complete_since_ns_ = began_ns;
  reader_->forget_unseen();
  return counts;
}

Result<Sweep> IteratedSource::visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) {
  if (!state().why_not_better.empty()) return fallback_->visit(pids, fn, wanted);
  const Pids chosen(pids.begin(), pids.end());
  Pids visited;
  const auto wants = [&](std::uint32_t pid) {
    return (chosen.empty() || chosen.contains(pid)) && !visited.contains(pid);
  };
  reader_->begin_visit(wanted);
  Sweep counts;
  ProcessIterator::Pass all{~0ULL, 1, 1};  // Whom we know not yet, /proc tells the paths of.
  set_wanted(wanted, all);
  if (Result<> done = pass(all, Mode::Visit, wants, &visited, fn, {}, counts); !done) {
    give_up(done.error());
    return fail(std::move(done).error());
  }
  DE_TRY(listed, list_pids(root_->fd.get()));
  DE_CHECK(read_left_out(std::move(listed), wants, fn, wanted, counts));
  if (chosen.empty()) return counts;
  counts.vanished += static_cast<std::uint32_t>(chosen.size()) - counts.seen;
  counts.seen = static_cast<std::uint32_t>(chosen.size());
  return counts;
}

void IteratedSource::add_on_demand(std::span<const Wanting> wanting) {
  std::vector<Wanting> asked(wanting.begin(), wanting.end());
  std::erase_if(asked, [this](const Wanting& one) { return thread_.is_stuck_in(one.record->pid()); });
  fallback_->add_on_demand(asked);
}

SourceState IteratedSource::state() const {
  SourceState state = fallback_->state();
  state.timeouts += thread_.timeouts();
  state.stuck += thread_.stuck();
  state.reads_fd_count += reads_fd_count_;
  state.reads_io += reads_io_;
  const std::lock_guard lock(mutex_);
  if (given_up_.empty()) {
    state.name = "bpf";
  } else {
    state.why_not_better = given_up_;
  }
  return state;
}

}  // namespace

std::unique_ptr<ProcessSource> make_iterated_source(SharedProcRoot root, const Clock& clock, TextPool& texts,
                                                    std::unique_ptr<ProcessIterator> iterator,
                                                    std::unique_ptr<ProcessSource> fallback) {
  return std::make_unique<IteratedSource>(std::move(root), clock, texts, std::move(iterator), std::move(fallback));
}

}  // namespace de::collect
