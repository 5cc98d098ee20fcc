#include "console/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "console/text_io.h"
#include "daemoneye/base/unique_fd.h"

namespace de::console {
namespace {

tl::unexpected<Error> failed(const std::string& path) {
  const Errc code = errno == EACCES || errno == EPERM || errno == EROFS ? Errc::Denied
                    : errno == ENOENT || errno == ENOTDIR               ? Errc::NotFound
                                                                        : Errc::Io;
  return fail(code, path, last_os_error());
}

// Gone again unless it became the file.
class Draft {
 public:
  explicit Draft(const std::string& path) : name_(path + ".XXXXXX"), fd_(::mkostemp(name_.data(), O_CLOEXEC)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    if (fd_ && !name_.empty()) ::unlink(name_.c_str());
  }
  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  bool become(const std::string& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

Result<> check_unchanged(const std::string& path, std::string_view expected, bool exists) {
  std::string now;
  if (exists) {
    DE_TRY(text, read_file(path, expected.size()));  // A longer one is another one.
    now = std::move(text);
  }
  if (now != expected) return fail(Errc::Conflict, path + " was changed by somebody else meanwhile; try again");
  return {};
}

}  // namespace

Result<> replace_file(const std::string& path, std::string_view text, std::string_view expected, mode_t new_mode) {
  struct stat old {};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  Draft draft(path);
  if (draft.fd() < 0) return failed(path);
  // The owner first: a change of it takes special bits of the mode away.
  if (exists && ::fchown(draft.fd(), old.st_uid, old.st_gid) != 0) return failed(path + ": keep its owner");
  if (::fchmod(draft.fd(), exists ? old.st_mode & 07777U : new_mode) != 0) return failed(path + ": keep its mode");
  if (Result<> written = write_all(draft.fd(), text); !written) return fail(std::move(written).error().during(path));
  if (::fsync(draft.fd()) != 0) return failed(path);
  auto unchanged = check_unchanged(path, expected, exists);
  if (!unchanged && unchanged.error().code() == Errc::TooLarge)
    return fail(Errc::Conflict, path + " was changed by somebody else meanwhile; try again");
  if (!unchanged) return unchanged;
  if (!draft.become(path)) return failed(path);
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const UniqueFd parent(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return failed(path + ": it is written, but may not survive a power cut");
  return {};
}

}  // namespace de::console
