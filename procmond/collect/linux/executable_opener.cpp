#include "collect/linux/executable_opener.h"

#include <utility>

#include "collect/linux/process_start.h"
#include "daemoneye/base/file_system.h"

namespace de::collect {
namespace {

constexpr char kStep[] = "open executable";

Result<Executable> keep(Result<UniqueFd> opened) {
  DE_TRY(fd, std::move(opened));
  if (is_remote(fd.get())) return fail(Errc::Unsupported, "executable is on a network file system");
  DE_TRY(key, key_of(fd.get()));
  return Executable{std::move(fd), key};
}

Result<Executable> open_now(const ProcRoot& root, std::uint32_t pid, const std::string& uid) {
  DE_TRY(start_ticks, start_of(root, pid, uid));
  return keep(root.opener->open_executable(pid, start_ticks));
}

}  // namespace

ExecutableOpener::ExecutableOpener(SharedProcRoot root) : calls_(root, root->options.max_stuck) {}

Result<Executable> ExecutableOpener::open_of(std::uint32_t pid, std::string_view process_uid) {
  return calls_.run<Executable>(
      pid, kStep, [pid, uid = std::string(process_uid)](const ProcRoot& root) { return open_now(root, pid, uid); });
}

Result<Executable> ExecutableOpener::open_path(const std::string& path) {
  return calls_.run<Executable>(0, kStep,
                                [path](const ProcRoot& root) { return keep(root.opener->open_program(path)); });
}

}  // namespace de::collect
