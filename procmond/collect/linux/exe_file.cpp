#include "collect/linux/exe_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "collect/linux/proc_dir.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {
namespace {

constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME;

std::int64_t to_ns(const statx_timestamp& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

FileFacts to_facts(const struct statx& from) {
  FileFacts facts;
  facts.key = {::makedev(from.stx_dev_major, from.stx_dev_minor),
               from.stx_ino,
               from.stx_size,
               to_ns(from.stx_mtime),
               to_ns(from.stx_ctime),
               (from.stx_mask & STATX_BTIME) != 0 ? to_ns(from.stx_btime) : 0};
  facts.links = from.stx_nlink;
  facts.mode = from.stx_mode;
  facts.uid = from.stx_uid;
  return facts;
}

bool is_same_file(const FileFacts& a, const FileFacts& b) {
  return a.key.dev == b.key.dev && a.key.inode == b.key.inode;
}

}  // namespace

Result<FileFacts> facts_at(int dir_fd, const char* path) {
  struct statx found {};
  if (::statx(dir_fd, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, kWanted, &found) != 0) {
    const std::error_code os = last_os_error();
    // A path component that became a file is as gone as one that was removed.
    return fail(os == std::errc::not_a_directory ? Errc::NotFound : access_error(os), "stat", os);
  }
  return to_facts(found);
}

Result<FileKey> key_of(int fd) {
  struct statx found {};
  if (::statx(fd, "", AT_EMPTY_PATH, kWanted, &found) != 0) return fail(Errc::Io, "stat file", last_os_error());
  if (!S_ISREG(found.stx_mode)) return fail(Errc::Unsupported, "not a regular file");
  return to_facts(found).key;
}

OnDisk judge_on_disk(std::string_view link, const FileFacts& running, bool same_mounts, const LookUp& look_up) {
  const bool marked = link.ends_with(kDeleted) && link.size() > kDeleted.size();
  const std::string bare(marked ? link.substr(0, link.size() - kDeleted.size()) : link);
  if (link.starts_with("/memfd:") && running.links == 0) return {pb::ON_DISK_MEMFD, bare, false};
  if (!same_mounts) {
    // A file may really be named "x (deleted)"; without a link left it certainly is gone.
    const bool gone = running.links == 0;
    return {pb::ON_DISK_UNKNOWN, gone ? bare : std::string(link), !gone};
  }

  const Result<FileFacts> literal = look_up(std::string(link));
  if (literal && is_same_file(*literal, running)) return {pb::ON_DISK_MATCH, std::string(link), true};
  if (!marked) {
    if (literal) return {pb::ON_DISK_REPLACED, bare, true};  // Mounted over, for instance.
    // Deleted since the link was read, or a path that is not reachable from our root.
    return {pb::ON_DISK_UNKNOWN, bare, running.links > 0};
  }
  const Result<FileFacts> original = look_up(bare);
  if (original) {
    const bool back = is_same_file(*original, running);  // Unlinked, then linked to its old name again.
    return {back ? pb::ON_DISK_MATCH : pb::ON_DISK_REPLACED, bare, true};
  }
  if (original.error().code() == Errc::NotFound) return {pb::ON_DISK_DELETED, bare, false};
  return {pb::ON_DISK_UNKNOWN, bare, running.links > 0};
}

}  // namespace de::collect
