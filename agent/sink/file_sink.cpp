// The file sink survives what happens to log files:
//   - a full disk: a record is in the file whole or not at all, and is tried again;
//   - rename or removal by a rotation tool: noticed before the next record, a new file is made;
//   - our own rotation: PATH becomes PATH.1, PATH.1 becomes PATH.2, the oldest goes;
//   - a planted symbolic link, FIFO or device at PATH: refused.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "daemoneye/base/unique_fd.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

constexpr mode_t kFileMode = 0640;

class FileSink final : public Sink {
 public:
  explicit FileSink(const SinkOptions& options) : options_(options) {}

  std::string_view name() const override { return options_.name; }

  Result<> deliver(const pb::Alert& alert) override {
    const std::string record = format_alert(options_.format, alert);
    DE_CHECK(open_if_moved());
    DE_TRY(size, size_bytes());
    if (size > file_header(options_.format).size() && size + record.size() > options_.rotate_bytes) {
      DE_CHECK(rotate());
      DE_CHECK(open());
    }
    return append(record);
  }

  Result<> sync() override {
    if (!fd_) return {};
    if (::fdatasync(fd_.get()) != 0) return fail(Errc::Io, "sync " + options_.path, last_os_error());
    return {};
  }

  Result<> open() {
    fd_.reset();
    constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    bool created = true;
    UniqueFd fd(::open(options_.path.c_str(), kFlags | O_CREAT | O_EXCL, kFileMode));
    if (!fd && errno == EEXIST) {
      created = false;
      fd = UniqueFd(::open(options_.path.c_str(), kFlags));
    }
    if (!fd) return fail(errno == EACCES ? Errc::Denied : Errc::Io, "open " + options_.path, last_os_error());
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail(Errc::Io, "read " + options_.path, last_os_error());
    if (!S_ISREG(info.st_mode)) return fail(Errc::Invalid, options_.path + " is not a regular file");
    // A new file has the promised mode whatever the umask says; an existing one keeps what the operator gave it.
    if (created && ::fchmod(fd.get(), kFileMode) != 0)
      return fail(Errc::Io, "set mode of " + options_.path, last_os_error());
    fd_ = std::move(fd);
    device_ = info.st_dev;
    inode_ = info.st_ino;
    if (created) DE_CHECK(sync_directory());
    return {};
  }

 private:
  Result<> open_if_moved() {
    struct stat info {};
    const bool same =
        fd_ && ::lstat(options_.path.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
    if (same) return {};
    // What was written before the move has to be safe as well, and this is the last time we hold it.
    DE_CHECK(sync());
    return open();
  }

  Result<std::uint64_t> size_bytes() const {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return fail(Errc::Io, "read " + options_.path, last_os_error());
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<> append(std::string_view record) {
    DE_TRY(before, size_bytes());
    std::string text;
    if (before == 0) text = file_header(options_.format);
    text += record;
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t put = ::write(fd_.get(), text.data() + done, text.size() - done);
      if (put >= 0) {
        done += static_cast<std::size_t>(put);
        continue;
      }
      const std::error_code os = last_os_error();
      if (os == std::errc::interrupted) continue;
      // Half a record would corrupt the next one. We are the file's only writer, so its end is ours.
      if (done > 0 && ::ftruncate(fd_.get(), static_cast<off_t>(before)) != 0) fd_.reset();
      const bool full = os == std::errc::no_space_on_device || os == std::errc::file_too_large || os.value() == EDQUOT;
      return fail(full ? Errc::Exhausted : Errc::Io, "write " + options_.path, os);
    }
    return {};
  }

  std::string rotated(std::uint32_t number) const { return options_.path + "." + std::to_string(number); }

  Result<> rotate() {
    DE_CHECK(sync());
    if (options_.keep_files == 0) {
      if (::unlink(options_.path.c_str()) != 0) return fail(Errc::Io, "rotate " + options_.path, last_os_error());
      return sync_directory();
    }
    for (std::uint32_t number = options_.keep_files; number > 1; --number) {
      // Renaming onto the oldest removes it.
      if (::rename(rotated(number - 1).c_str(), rotated(number).c_str()) != 0 && errno != ENOENT)
        return fail(Errc::Io, "rotate " + rotated(number - 1), last_os_error());
    }
    if (::rename(options_.path.c_str(), rotated(1).c_str()) != 0)
      return fail(Errc::Io, "rotate " + options_.path, last_os_error());
    return sync_directory();
  }

  // Makes names durable: without it a file created before a power failure may have no name after it.
  Result<> sync_directory() const {
    const std::string directory = options_.path.substr(0, std::max<std::size_t>(1, options_.path.rfind('/')));
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return fail(Errc::Io, "sync " + directory, last_os_error());
    return {};
  }

  const SinkOptions options_;
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace

Result<std::unique_ptr<Sink>> make_file_sink(const SinkOptions& options) {
  if (options.path.empty() || options.path.front() != '/' || options.path.back() == '/' ||
      options.path.find('\0') != std::string::npos)
    return fail(Errc::Invalid, "sink \"" + options.name + "\": path must be absolute and name a file");
  if (options.rotate_bytes < kMinRotateBytes)
    return fail(Errc::Invalid,
                "sink \"" + options.name + "\": rotate_bytes is at least " + std::to_string(kMinRotateBytes));
  if (options.keep_files > kMaxKeptFiles)
    return fail(Errc::Invalid, "sink \"" + options.name + "\": keep_files is at most " + std::to_string(kMaxKeptFiles));
  auto sink = std::make_unique<FileSink>(options);
  DE_CHECK(sink->open());
  return Result<std::unique_ptr<Sink>>(std::move(sink));
}

}  // namespace de::sink
