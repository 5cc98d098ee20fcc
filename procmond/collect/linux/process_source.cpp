#include "collect/process_source.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "collect/identity.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/linux/process_reader.h"

namespace de::collect {
namespace {

class LinuxProcessSource final : public ProcessSource {
 public:
  LinuxProcessSource(SourceOptions options, const Clock& clock, TextPool& texts, UniqueFd proc, std::string boot_id)
      : options_(std::move(options)),
        proc_(std::move(proc)),
        boot_id_(std::move(boot_id)),
        reader_(options_, clock, texts, proc_.get(), boot_id_) {}

  Result<Sweep> sweep(const RecordFn& fn) override;
  Result<Sweep> visit(std::span<const std::uint32_t> pids, const RecordFn& fn) override;
  Result<Executable> open_executable(std::uint32_t pid, std::string_view process_uid) override;
  const std::string& boot_id() const override { return boot_id_; }
  std::int64_t boot_time_ms() const override { return reader_.boot_time_ms(); }

 private:
  void read_all(std::span<const std::uint32_t> pids, Mode mode, const RecordFn& fn, Sweep& counts);

  const SourceOptions options_;
  const UniqueFd proc_;
  const std::string boot_id_;
  ProcessReader reader_;
};

void LinuxProcessSource::read_all(std::span<const std::uint32_t> pids, Mode mode, const RecordFn& fn, Sweep& counts) {
  for (const std::uint32_t pid : pids) {
    const Outcome outcome = reader_.read(pid, mode, fn);
    if (outcome == Outcome::Vanished) ++counts.vanished;
    if (outcome == Outcome::Unreadable) ++counts.unreadable;
  }
}

Result<Sweep> LinuxProcessSource::sweep(const RecordFn& fn) {
  DE_TRY(pids, list_pids(proc_.get()));
  reader_.begin_sweep();
  Sweep counts;
  counts.seen = static_cast<std::uint32_t>(pids.size());
  read_all(pids, Mode::Snapshot, fn, counts);
  reader_.forget_unseen();
  return counts;
}

Result<Sweep> LinuxProcessSource::visit(std::span<const std::uint32_t> pids, const RecordFn& fn) {
  std::vector<std::uint32_t> chosen(pids.begin(), pids.end());
  if (chosen.empty()) {
    DE_TRY(all, list_pids(proc_.get()));
    chosen = std::move(all);
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  Sweep counts;
  counts.seen = static_cast<std::uint32_t>(chosen.size());
  read_all(chosen, Mode::Visit, fn, counts);
  return counts;
}

Result<Executable> LinuxProcessSource::open_executable(std::uint32_t pid, std::string_view process_uid_bytes) {
  DE_TRY(dir, ProcDir::open(proc_.get(), pid));
  std::string text;
  DE_TRY(read, dir.read("stat", text, kMaxStatBytes));
  DE_TRY(stat, parse_proc_stat(read));
  if (process_uid(boot_id_, pid, stat.start_ticks * kTickNs) != process_uid_bytes)
    return fail(Errc::NotFound, "the pid belongs to another process now");
  // O_NONBLOCK: whatever else the link may lead to, opening it does not wait.
  UniqueFd fd(::openat(dir.fd(), "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "open executable", os);
  }
  DE_TRY(key, key_of(fd.get()));
  return Executable{std::move(fd), key};
}

}  // namespace

Result<std::unique_ptr<ProcessSource>> make_process_source(SourceOptions options, const Clock& clock, TextPool& texts) {
  UniqueFd proc(::open(options.proc_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) {
    const std::error_code os = last_os_error();
    return fail(access_error(os), "open " + options.proc_root, os);
  }
  // Start times are counted in ticks of 10 ms in everything we send and store.
  if (::sysconf(_SC_CLK_TCK) != 100) return fail(Errc::Unsupported, "the kernel does not count in ticks of 10 ms");
  DE_TRY(boot_id, read_boot_id(options.proc_root));
  return std::unique_ptr<ProcessSource>(
      new LinuxProcessSource(std::move(options), clock, texts, std::move(proc), std::move(boot_id)));
}

}  // namespace de::collect
