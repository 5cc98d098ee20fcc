#include "collect/process_source.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "collect/identity.h"
#include "collect/linux/executable_opener.h"
#include "collect/linux/file_lister.h"
#include "collect/linux/iterated_source.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_root.h"
#include "collect/linux/process_reader.h"
#include "collect/linux/use_reader.h"
#include "collect/linux/watched_thread.h"

namespace de::collect {
namespace {

class LinuxProcessSource final : public ProcessSource {
 public:
  LinuxProcessSource(SharedProcRoot root, const Clock& clock, TextPool& texts)
      : root_(std::move(root)),
        clock_(clock),
        texts_(texts),
        reader_(std::make_shared<ProcessReader>(root_, clock, texts)),
        thread_({root_->options.deadline, root_->options.max_stuck}),
        opener_(root_),
        use_(root_),
        files_(root_),
        boot_time_ms_(reader_->boot_time_ms()) {}

  Result<Sweep> sweep(const RecordFn& fn, const SameFn& same, const Demand& demand) override;
  Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) override;
  void add_on_demand(std::span<const Wanting> wanting) override;
  Result<OpenFiles> open_files(std::uint32_t pid, std::string_view process_uid, std::size_t limit) override {
    return files_.list(pid, process_uid, limit);
  }
  Result<Executable> open_executable(std::uint32_t pid, std::string_view process_uid) override {
    return opener_.open_of(pid, process_uid);
  }
  Result<Executable> open_file(const std::string& path) override { return opener_.open_path(path); }
  const std::string& boot_id() const override { return root_->boot_id; }
  std::int64_t boot_time_ms() const override { return boot_time_ms_; }
  SourceState state() const override;

 private:
  void read_all(std::span<const std::uint32_t> pids, Mode mode, const RecordFn& fn, Sweep& counts);

  const SharedProcRoot root_;
  const Clock& clock_;
  TextPool& texts_;
  std::shared_ptr<ProcessReader> reader_;
  WatchedThread thread_;
  ExecutableOpener opener_;
  UseReader use_;
  FileLister files_;
  std::atomic<std::int64_t> boot_time_ms_;
};

void LinuxProcessSource::read_all(std::span<const std::uint32_t> pids, Mode mode, const RecordFn& fn, Sweep& counts) {
  std::size_t next = 0, asked = 0;
  bool in_batches = true;
  // Whoever hangs keeps its reader; all else is touched by those only who are waited for.
  const auto job = [&](Watch& watch) {
    const std::shared_ptr<ProcessReader> reader = reader_;
    for (; next < pids.size(); ++next) {
      if (in_batches && next >= asked) {
        const std::span<const std::uint32_t> batch = pids.subspan(next, std::min(pids.size() - next, kMaxAsked));
        if (!reader->ask_signs(
                batch, [this](std::uint32_t pid) { return thread_.is_stuck_in(pid); }, watch))
          return;
        asked = next + batch.size();
      }
      const bool may_wait = !thread_.is_at_limit() && !thread_.is_stuck_in(pids[next]);
      const Outcome outcome = reader->read(pids[next], mode, may_wait, watch, fn);
      if (outcome == Outcome::LeftBehind) return;
      if (outcome == Outcome::Vanished) ++counts.vanished;
      if (outcome == Outcome::Unreadable) ++counts.unreadable;
    }
  };
  while (thread_.run(job)) {
    in_batches = false;  // From here on it is known who keeps us waiting.
    auto successor = std::make_shared<ProcessReader>(root_, clock_, texts_);
    successor->succeed(*reader_);
    reader_ = std::move(successor);
  }
}

Result<Sweep> LinuxProcessSource::sweep(const RecordFn& fn, const SameFn&, const Demand& demand) {
  DE_TRY(pids, list_pids(root_->fd.get()));
  reader_->begin_sweep(use_parts(demand.of_all));
  boot_time_ms_ = reader_->boot_time_ms();
  Sweep counts;
  counts.seen = static_cast<std::uint32_t>(pids.size());
  read_all(pids, Mode::Snapshot, fn, counts);
  reader_->forget_unseen();
  return counts;
}

Result<Sweep> LinuxProcessSource::visit(std::span<const std::uint32_t> pids, const RecordFn& fn, Wanted wanted) {
  std::vector<std::uint32_t> chosen(pids.begin(), pids.end());
  if (chosen.empty()) {
    DE_TRY(all, list_pids(root_->fd.get()));
    chosen = std::move(all);
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  Sweep counts;
  counts.seen = static_cast<std::uint32_t>(chosen.size());
  reader_->begin_visit(use_parts(wanted));
  read_all(chosen, Mode::Visit, fn, counts);
  return counts;
}

void LinuxProcessSource::add_on_demand(std::span<const Wanting> wanting) {
  std::vector<Wanting> asked(wanting.begin(), wanting.end());
  std::erase_if(asked, [this](const Wanting& one) { return thread_.is_stuck_in(one.record->pid()); });
  use_.add(asked);
}

SourceState LinuxProcessSource::state() const {
  SourceState state;
  state.timeouts = thread_.timeouts() + opener_.timeouts() + use_.timeouts() + files_.timeouts();
  state.stuck = thread_.stuck() + opener_.stuck() + use_.stuck() + files_.stuck();
  state.reads_fd_count = root_->opener->descriptor_reads();
  state.reads_io = root_->opener->io_reads();
  state.max_stuck = root_->options.max_stuck;
  state.opener_is_gone = root_->opener->is_gone();
  return state;
}

}  // namespace

Result<std::unique_ptr<ProcessSource>> make_process_source(SourceOptions options, const Clock& clock, TextPool& texts,
                                                           std::unique_ptr<ProcessIterator> iterator) {
  UniqueFd proc(::open(options.proc_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "open " + options.proc_root, os);
  }
  // Start times are counted in ticks of 10 ms in everything we send and store.
  if (::sysconf(_SC_CLK_TCK) != 100) return fail(Errc::Unsupported, "the kernel does not count in ticks of 10 ms");
  DE_TRY(boot_id, read_boot_id(options.proc_root));
  std::shared_ptr<Opener> opener = options.opener;
  if (!opener) {
    UniqueFd own(::open(options.proc_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!own) return fail(Errc::Io, "open " + options.proc_root, last_os_error());
    opener = std::make_shared<Opener>(std::move(own));
  }
  const auto root = std::make_shared<const ProcRoot>(
      ProcRoot{std::move(options), std::move(proc), std::move(boot_id), std::move(opener)});
  auto source = std::make_unique<LinuxProcessSource>(root, clock, texts);
  if (!iterator) return std::unique_ptr<ProcessSource>(std::move(source));
  return make_iterated_source(root, clock, texts, std::move(iterator), std::move(source));
}

}  // namespace de::collect
