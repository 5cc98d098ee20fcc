#include "collect/linux/executable_opener.h"

#include <memory>
#include <utility>

#include "collect/identity.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/linux/process_reader.h"

namespace de::collect {
namespace {

Result<Executable> keep(Result<UniqueFd> opened) {
  DE_TRY(fd, std::move(opened));
  if (is_remote(fd.get())) return fail(Errc::Unsupported, "executable is on a network file system");
  DE_TRY(key, key_of(fd.get()));
  return Executable{std::move(fd), key};
}

Result<Executable> open_now(const ProcRoot& root, std::uint32_t pid, const std::string& uid) {
  DE_TRY(dir, ProcDir::open(root.fd.get(), pid));
  std::string text;
  DE_TRY(read, dir.read("stat", text, kMaxStatBytes));
  DE_TRY(stat, parse_proc_stat(read));
  if (process_uid(root.boot_id, pid, stat.start_ticks * kTickNs) != uid)
    return fail(Errc::NotFound, "the pid belongs to another process now");
  return keep(root.opener->open_executable(pid, stat.start_ticks));
}

}  // namespace

ExecutableOpener::ExecutableOpener(SharedProcRoot root)
    : root_(std::move(root)), thread_({root_->options.deadline, root_->options.max_stuck}) {}

Result<Executable> ExecutableOpener::run(std::uint32_t subject, Open open) {
  const std::lock_guard lock(mutex_);
  if (thread_.is_at_limit() || thread_.is_stuck_in(subject)) return fail(Errc::Timeout, "open executable");
  // Shared with the thread: it may come back when nobody is interested any more.
  struct Opening {
    Open open;
    Result<Executable> opened = fail(Errc::Timeout, "open executable");
  };
  auto opening = std::make_shared<Opening>(Opening{std::move(open)});
  const auto hung = thread_.run([opening, root = root_, subject](Watch& watch) {
    watch.enter(subject);
    Result<Executable> opened = opening->open(*root);
    if (watch.leave()) opening->opened = std::move(opened);
  });
  if (hung) return fail(Errc::Timeout, "open executable");
  return std::move(opening->opened);
}

Result<Executable> ExecutableOpener::open_of(std::uint32_t pid, std::string_view process_uid) {
  return run(pid, [pid, uid = std::string(process_uid)](const ProcRoot& root) { return open_now(root, pid, uid); });
}

Result<Executable> ExecutableOpener::open_path(const std::string& path) {
  return run(0, [path](const ProcRoot& root) { return keep(root.opener->open_program(path)); });
}

}  // namespace de::collect
