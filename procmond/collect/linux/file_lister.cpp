#include "collect/linux/file_lister.h"

#include <algorithm>
#include <string>
#include <utility>

#include "collect/linux/opener.h"
#include "collect/linux/process_start.h"

namespace de::collect {
namespace {

constexpr std::uint32_t kMaxStuckLists = 2;  // Each of them holds a channel to the opener.

Result<OpenFiles> list_now(const ProcRoot& root, std::uint32_t pid, const std::string& uid, std::size_t limit) {
  DE_TRY(start_ticks, start_of(root, pid, uid));
  OpenFiles out;
  std::uint32_t from = 0;
  do {
    DE_TRY(part, root.opener->files(pid, start_ticks, from));
    for (OpenedFile& file : part.files) {
      if (out.files.size() == limit) {
        out.is_cut = true;
        return out;
      }
      OpenFile& listed = out.files.emplace_back();
      listed.descriptor = file.descriptor;
      if (file.link) listed.path = std::move(*file.link);
    }
    from = part.next;
  } while (from != 0);
  return out;
}

}  // namespace

FileLister::FileLister(const SharedProcRoot& root) : calls_(root, std::min(root->options.max_stuck, kMaxStuckLists)) {}

Result<OpenFiles> FileLister::list(std::uint32_t pid, std::string_view process_uid, std::size_t limit) {
  return calls_.run<OpenFiles>(
      pid, "list open files",
      [pid, uid = std::string(process_uid), limit](const ProcRoot& root) { return list_now(root, pid, uid, limit); });
}

}  // namespace de::collect
