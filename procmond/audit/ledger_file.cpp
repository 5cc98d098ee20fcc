#include "audit/ledger_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <vector>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/base/format_mark.h"
#include "daemoneye/base/text.h"

namespace de::audit {
namespace {

constexpr mode_t kDirMode = 0750;
constexpr mode_t kFileMode = 0640;  // The agent's group reads; nobody else writes.
constexpr char kSelf[] = "procmond";

Errc code_of(const std::error_code& os) {
  if (os == std::errc::no_space_on_device || os.value() == EDQUOT || os.value() == EFBIG) return Errc::Exhausted;
  if (os == std::errc::permission_denied || os == std::errc::operation_not_permitted) return Errc::Denied;
  return os == std::errc::no_such_file_or_directory ? Errc::NotFound : Errc::Io;
}

tl::unexpected<Error> os_failure(const std::string& what) {
  const std::error_code os = last_os_error();
  return fail(code_of(os), what, os);
}

// Errors: as LedgerFile::open.
Result<UniqueFd> open_file(int dir, const std::string& name, int extra_flags) {
  UniqueFd fd(
      ::openat(dir, name.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | extra_flags, kFileMode));
  if (!fd) return os_failure("open " + name);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_failure("stat " + name);
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, name + " is not a regular file");
  return fd;
}

// The first file exists from the first start on and is the lock for the whole directory.
Result<UniqueFd> lock_ledger(int dir) {
  const std::string name = ledger::ledger_file_name(1);
  const bool exists = ::faccessat(dir, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  DE_TRY(fd, open_file(dir, name, O_CREAT));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Errc::Conflict, "another procmond is writing this ledger");
    return os_failure("lock " + name);
  }
  if (!exists) {
    // The umask may have taken the group's read bit, and the name must survive a power cut.
    if (::fchmod(fd.get(), kFileMode) != 0) return os_failure("set mode of " + name);
    if (::fsync(dir) != 0) return os_failure("sync directory");
  }
  return std::move(fd);
}

std::string describe(const ledger::BadEntry& bad) {
  return "the ledger was tampered with or damaged: entry " + std::to_string(bad.sequence) + " (" + bad.file +
         ", byte " + std::to_string(bad.offset) + "): " + bad.why +
         ". Keep the files as evidence and move them away to start a new ledger";
}

}  // namespace

LedgerFile::LedgerFile(UniqueFd lock, UniqueFd file, std::string name, const ledger::Report& report, const Clock& clock)
    : clock_(clock),
      lock_(std::move(lock)),
      file_(std::move(file)),
      name_(std::move(name)),
      sequence_(report.last_sequence),
      hash_(report.last_hash),
      file_bytes_(report.last_file_bytes) {
  counts_.entries = report.entries;
  counts_.repaired_bytes = report.torn_tail_bytes;
  dirty_ = report.torn_tail_bytes > 0;
}

Result<std::unique_ptr<LedgerFile>> LedgerFile::open(const std::string& dir_path, const Clock& clock) {
  if (::mkdir(dir_path.c_str(), kDirMode) != 0 && errno != EEXIST) return os_failure("create " + dir_path);
  const UniqueFd dir(::open(dir_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return os_failure("open " + dir_path);
  DE_TRY(lock, lock_ledger(dir.get()));

  // First of all: what a newer version wrote would look like tampering.
  DE_CHECK(check_format(dir_path, ledger::kEntryVersion));
  auto report = ledger::verify_path(dir_path, {});
  if (!report) return fail(std::move(report).error().during("verify ledger"));
  if (report->bad) return fail(Errc::Corrupt, describe(*report->bad));

  DE_TRY(file, open_file(dir.get(), report->last_file, 0));
  std::unique_ptr<LedgerFile> ledger(
      new LedgerFile(std::move(lock), std::move(file), report->last_file, *report, clock));
  if (report->torn_tail_bytes > 0) {
    std::string payload = "{\"file\":" + json_string(report->last_file) +
                          ",\"removed_bytes\":" + std::to_string(report->torn_tail_bytes) + "}";
    auto recorded = ledger->append(kSelf, "ledger.repaired", payload);
    if (!recorded) return fail(std::move(recorded).error().during("record the repair of a torn tail"));
  }
  return ledger;
}

Result<std::uint64_t> LedgerFile::append(std::string_view actor, std::string_view action,
                                         std::string_view payload_json) {
  const std::array<LedgerItem, 1> one{LedgerItem{std::string(actor), std::string(action), std::string(payload_json)}};
  return append_batch(one);
}

Result<std::uint64_t> LedgerFile::append_batch(std::span<const LedgerItem> items) {
  if (items.empty()) return fail(Errc::Invalid, "empty ledger batch");
  if (items.size() > kMaxBatch) return fail(Errc::TooLarge, "more than 1024 entries in one ledger batch");
  const std::int64_t now_ms = clock_.unix_ms();
  std::uint64_t sequence = sequence_;
  ledger::Digest hash = hash_;
  std::string bytes;
  for (const LedgerItem& item : items) {
    ledger::Entry entry;
    entry.sequence = ++sequence;
    entry.time_ms = now_ms;
    entry.actor = item.actor;
    entry.action = item.action;
    entry.payload = item.payload_json;
    entry.previous_hash = hash;
    auto encoded = ledger::encode(entry);
    if (!encoded) {
      ++counts_.refused;
      return fail(std::move(encoded).error());
    }
    append_le(bytes, static_cast<std::uint32_t>(encoded->size()));
    bytes += *encoded;
    hash = entry.entry_hash;
  }
  if (auto written = write(bytes); !written) {
    ++counts_.write_failures;
    return fail(std::move(written).error().during("append to ledger"));
  }
  sequence_ = sequence;
  hash_ = hash;
  file_bytes_ += bytes.size();
  counts_.appended += items.size();
  counts_.entries += items.size();
  return sequence;
}

Result<> LedgerFile::write(std::string_view bytes) {
  DE_CHECK(restore());
  dirty_ = true;  // Until the whole write is on the disk.
  Result<> result;
  while (!bytes.empty() && result) {
    const ssize_t wrote = ::write(file_.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      result = os_failure("write " + name_);
    } else {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }
  if (result && ::fdatasync(file_.get()) != 0) result = os_failure("sync " + name_);
  if (result) {
    dirty_ = false;
  } else {
    (void)restore();  // If this fails too, dirty_ stays set and the next append starts with it.
  }
  return result;
}

// Cuts the file back to its good entries, so that a failed write leaves neither half an entry nor one whose caller
// was told it failed.
Result<> LedgerFile::restore() {
  if (!dirty_) return {};
  if (::ftruncate(file_.get(), static_cast<off_t>(file_bytes_)) != 0) return os_failure("cut back " + name_);
  if (::fdatasync(file_.get()) != 0) return os_failure("sync " + name_);
  dirty_ = false;
  return {};
}

LedgerCounts LedgerFile::counts() const {
  LedgerCounts counts = counts_;
  counts.file_bytes = file_bytes_;
  return counts;
}

}  // namespace de::audit
