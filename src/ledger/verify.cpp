#include "daemoneye/ledger/verify.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <istream>
#include <memory>
#include <vector>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/base/unique_fd.h"

namespace de::ledger {
namespace {

constexpr std::size_t kChunkBytes = 64UL << 10;
constexpr std::size_t kMaxFiles = 100'000;  // Far more than a retained ledger has; bounds a hostile directory.
constexpr std::size_t kNameBytes = sizeof("ledger-00000001.log") - 1;

// Fills up to `bytes` and says how many; 0 is the end.
using Source = std::function<Result<std::size_t>(char* to, std::size_t bytes)>;

// The chain across all files of one ledger.
class Walk {
 public:
  Walk(Report& report, const EntryVisitor& visit, bool from_the_beginning)
      : report_(report), visit_(visit), anchored_(from_the_beginning) {}

  // Errors: Io. A bad entry is not an error: it ends up in the report.
  Result<> file(const Source& source, const std::string& name, bool is_last) {
    name_ = name;
    offset_ = 0;
    buffer_.clear();
    used_ = 0;
    ended_ = false;
    report_.last_file = name;
    report_.last_file_bytes = 0;
    while (!report_.bad) {
      DE_CHECK(fill(source, kLengthBytes));
      if (ahead().empty()) return {};
      const std::size_t length = ahead().size() < kLengthBytes ? 0 : load_le<std::uint32_t>(ahead().data());
      if (is_plausible(length)) {
        DE_CHECK(fill(source, kLengthBytes + length));
        if (ahead().size() >= kLengthBytes + length) {
          take(ahead().substr(kLengthBytes, length));
          continue;
        }
      }
      return odd_tail(source, length, is_last);
    }
    return {};
  }

 private:
  static bool is_plausible(std::size_t length) { return length >= kMinEntryBytes && length <= kMaxEntryBytes; }
  std::string_view ahead() const { return std::string_view(buffer_).substr(used_); }
  void bad(std::string why) { report_.bad = BadEntry{next_sequence(), offset_, name_, std::move(why)}; }
  std::uint64_t next_sequence() const { return report_.entries == 0 ? 1 : report_.last_sequence + 1; }

  // Makes at least `bytes` available unless the file ends before.
  Result<> fill(const Source& source, std::size_t bytes) {
    while (ahead().size() < bytes && !ended_) {
      buffer_.erase(0, used_);
      used_ = 0;
      const std::size_t had = buffer_.size();
      buffer_.resize(had + kChunkBytes);
      auto got = source(buffer_.data() + had, kChunkBytes);
      if (!got) return fail(std::move(got).error());
      buffer_.resize(had + *got);
      ended_ = *got == 0;
    }
    return {};
  }

  void take(std::string_view bytes) {
    const auto entry = decode(bytes);
    if (!entry) return bad(entry.error().message());
    const bool first = report_.entries == 0;
    if ((!first || anchored_) && entry->sequence != next_sequence())
      return bad("entry " + std::to_string(entry->sequence) + " stands where entry " + std::to_string(next_sequence()) +
                 " belongs");
    const bool linked =
        first ? !anchored_ || entry->previous_hash == Digest{} : entry->previous_hash == report_.last_hash;
    if (!linked) return bad("the entry is not linked to the one before it");
    if (first) report_.first_sequence = entry->sequence;
    ++report_.entries;
    report_.last_sequence = entry->sequence;
    report_.last_time_ms = entry->time_ms;
    report_.last_hash = entry->entry_hash;
    used_ += kLengthBytes + bytes.size();
    offset_ += kLengthBytes + bytes.size();
    report_.last_file_bytes = offset_;
    if (visit_) visit_(*entry);
  }

  // No whole record is left at offset_. Decides between an interrupted write and tampering.
  Result<> odd_tail(const Source& source, std::size_t length, bool is_last) {
    if (ahead().size() >= kLengthBytes && !is_plausible(length)) {
      // After a power cut a file may have grown before its content reached the disk: only zeros to the end.
      std::uint64_t bytes = 0;
      DE_TRY(zeros, only_zeros(source, bytes));
      if (!zeros) {
        bad("a length of " + std::to_string(length) + " bytes is impossible");
      } else if (!is_last) {
        bad("zeros at the end of a file that is not the newest");
      } else {
        report_.torn_tail_bytes = bytes;
      }
      return {};
    }
    if (!is_last) {
      bad("incomplete entry at the end of a file that is not the newest");
      return {};
    }
    // A damaged length must not make the rest of the ledger look like one interrupted write.
    const std::string_view partial = ahead().substr(std::min(ahead().size(), std::size_t{kLengthBytes}));
    const auto stated = stated_bytes(partial);
    if (!stated) {
      bad("incomplete entry: " + stated.error().message());
    } else if (*stated != 0 && *stated != length) {
      bad("the entry states " + std::to_string(*stated) + " bytes, its length field " + std::to_string(length));
    } else {
      report_.torn_tail_bytes = ahead().size();
    }
    return {};
  }

  Result<bool> only_zeros(const Source& source, std::uint64_t& bytes) {
    while (true) {
      const std::string_view rest = ahead();
      if (std::any_of(rest.begin(), rest.end(), [](char byte) { return byte != 0; })) return false;
      bytes += rest.size();
      if (ended_) return true;
      used_ = buffer_.size();
      DE_CHECK(fill(source, 1));
    }
  }

  Report& report_;
  const EntryVisitor& visit_;
  const bool anchored_;
  std::string name_;
  std::string buffer_;
  std::size_t used_ = 0;  // Of buffer_; moved up only when more is read, not once per entry.
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

Error open_error(const std::string& path) {
  const std::error_code os = last_os_error();
  const Errc code = os == std::errc::no_such_file_or_directory ? Errc::NotFound
                    : os == std::errc::permission_denied       ? Errc::Denied
                                                               : Errc::Io;
  return {code, "open " + path, os};
}

Source read_from(int fd, const std::string& name) {
  return [fd, name](char* to, std::size_t bytes) -> Result<std::size_t> {
    while (true) {
      const ssize_t got = ::read(fd, to, bytes);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail(Errc::Io, "read " + name, last_os_error());
    }
  };
}

// Errors: as verify_path.
Result<std::vector<std::string>> ledger_files(int dir_fd, const std::string& path) {
  UniqueFd copy(::fcntl(dir_fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail(Errc::Io, "duplicate descriptor", last_os_error());
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(copy.get()), &::closedir);
  if (!dir) return fail(Errc::Io, "list " + path, last_os_error());
  (void)copy.release();  // The DIR owns it now.
  std::vector<std::string> names;
  while (const dirent* item = ::readdir(dir.get())) {
    if (ledger_file_number(item->d_name) == 0) continue;
    if (names.size() == kMaxFiles) return fail(Errc::Exhausted, path + " has more than 100000 ledger files");
    names.emplace_back(item->d_name);
  }
  if (names.empty()) return fail(Errc::NotFound, path + " has no ledger-*.log");
  std::sort(names.begin(), names.end());
  return names;
}

Result<Report> verify_directory(int dir_fd, const std::string& path, const EntryVisitor& visit) {
  DE_TRY(names, ledger_files(dir_fd, path));
  Report report;
  Walk walk(report, visit, true);
  for (std::size_t i = 0; i < names.size() && !report.bad; ++i) {
    if (ledger_file_number(names[i]) != i + 1) {
      report.bad = BadEntry{report.last_sequence + 1, 0, ledger_file_name(static_cast<std::uint32_t>(i + 1)),
                            "this file is missing"};
      break;
    }
    const UniqueFd fd(::openat(dir_fd, names[i].c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return fail(open_error(names[i]));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, "stat " + names[i], last_os_error());
    if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, names[i] + " is not a regular file");
    DE_CHECK(walk.file(read_from(fd.get(), names[i]), names[i], i + 1 == names.size()));
  }
  return report;
}

}  // namespace

std::string ledger_file_name(std::uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof(name), "ledger-%08u.log", number);
  return name;
}

std::uint32_t ledger_file_number(const std::string& name) {
  if (name.size() != kNameBytes || !name.starts_with("ledger-") || !name.ends_with(".log")) return 0;
  std::uint32_t number = 0;
  for (const char digit : name.substr(7, 8)) {
    if (digit < '0' || digit > '9') return 0;
    number = number * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  return number;
}

Result<Report> verify_stream(std::istream& in, const EntryVisitor& visit) {
  Report report;
  Walk walk(report, visit, true);
  const Source source = [&in](char* to, std::size_t bytes) -> Result<std::size_t> {
    in.read(to, static_cast<std::streamsize>(bytes));
    if (in.bad()) return fail(Errc::Io, "read stream");
    return static_cast<std::size_t>(in.gcount());
  };
  DE_CHECK(walk.file(source, "", true));
  return report;
}

Result<Report> verify_path(const std::string& path, const EntryVisitor& visit) {
  // O_NONBLOCK: a FIFO under this name must not hang the caller.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail(open_error(path));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, "stat " + path, last_os_error());
  if (S_ISDIR(info.st_mode)) return verify_directory(fd.get(), path, visit);
  if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, path + " is neither a file nor a directory");
  const std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0: the whole path.
  Report report;
  Walk walk(report, visit, ledger_file_number(name) <= 1);
  DE_CHECK(walk.file(read_from(fd.get(), path), name, true));
  return report;
}

}  // namespace de::ledger
