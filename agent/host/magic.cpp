#include "host/magic.h"

#include <fcntl.h>
#include <magic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "daemoneye/base/text.h"

namespace de::host {
namespace {

constexpr std::size_t kMaxDatabaseBytes = 64UL << 20;
constexpr std::uint32_t kDatabaseMark = 0xF11E041C;  // Else it is of a host with another byte order.
constexpr std::size_t kMaxTextBytes = 1'024;         // Of what is said about a file.

// The reader of office documents walks through chains that the file makes up, and tells who wrote it.
constexpr int kFlags = MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_CDF;

struct Limit {
  int parameter;
  std::size_t most;
};
// With libmagic's own, 64 KiB of line ends take 0.8 s; with these, nothing that was tried takes more than 60 ms.
constexpr Limit kLimits[] = {
    {MAGIC_PARAM_INDIR_MAX, 16},       // 50
    {MAGIC_PARAM_NAME_MAX, 30},        // 50
    {MAGIC_PARAM_REGEX_MAX, 1'024},    // 8 KiB
    {MAGIC_PARAM_ENCODING_MAX, 4'096}  // 64 KiB: the encoding of a text is that of its first 4 KiB.
};

class Mapped {
 public:
  Mapped(int fd, std::size_t size) : size_(size), at_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0)) {}
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (*this) ::munmap(at_, size_);
  }
  explicit operator bool() const { return at_ != MAP_FAILED; }
  void* data() const { return at_; }

 private:
  std::size_t size_;
  void* at_;
};

using Cookie = std::unique_ptr<magic_set, decltype(&::magic_close)>;

std::string last_words(const Cookie& cookie) {
  const char* text = ::magic_error(cookie.get());
  return escape_controls(std::string_view(text == nullptr ? "no reason given" : text).substr(0, kMaxTextBytes));
}

// The mapping outlives the cookie.
Result<Cookie> load(const Mapped& database, std::size_t size) {
  Cookie cookie(::magic_open(kFlags), &::magic_close);
  if (!cookie) return fail(Errc::Io, "libmagic does not start", last_os_error());
  for (const Limit& limit : kLimits)
    if (::magic_setparam(cookie.get(), limit.parameter, &limit.most) != 0)
      return fail(Errc::Unsupported, "libmagic takes no limit: " + last_words(cookie));
  void* buffer = database.data();
  if (::magic_load_buffers(cookie.get(), &buffer, &size, 1) != 0) return fail(Errc::Unsupported, last_words(cookie));
  return cookie;
}

Result<std::string> ask(const Cookie& cookie, int what, std::string_view start) {
  (void)::magic_setflags(cookie.get(), kFlags | what);
  const char* text = ::magic_buffer(cookie.get(), start.data(), start.size());
  if (text == nullptr) return fail(Errc::Corrupt, "libmagic cannot tell: " + last_words(cookie));
  return escape_controls(std::string_view(text).substr(0, kMaxTextBytes));
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

}  // namespace

MagicDatabase::MagicDatabase(std::span<const std::string> paths) {
  for (const std::string& path : paths) {
    const Result<> taken = take(path);
    if (taken) return;
    if (taken.error().code() != Errc::NotFound) why_not_ += taken.error().message() + "; ";
  }
  why_not_ += "no database of libmagic can be used: install libmagic-mgc (file-libs) and restart the agent";
}

Result<> MagicDatabase::take(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(os == std::errc::no_such_file_or_directory ? Errc::NotFound : Errc::Io, "open " + path, os);
  }
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return fail(Errc::Io, "stat " + path, last_os_error());
  const auto size = static_cast<std::size_t>(facts.st_size);
  std::uint32_t mark = 0;
  if (!S_ISREG(facts.st_mode) || size > kMaxDatabaseBytes ||
      ::pread(fd.get(), &mark, sizeof(mark), 0) != sizeof(mark) || mark != kDatabaseMark)
    return fail(Errc::Corrupt, path + " is not a database of libmagic for this host");
  const Mapped database(fd.get(), size);
  if (!database) return fail(Errc::Io, "map " + path, last_os_error());
  if (auto cookie = load(database, size); !cookie) return fail(std::move(cookie).error().during(path));
  fd_ = std::move(fd);
  size_ = size;
  path_ = path;
  return {};
}

Result<ContentType> MagicDatabase::classify(std::string_view start, bool may_run) const {
  if (!fd_) return fail(Errc::Unsupported, why_not_);
  // Whoever writes into the database in place would have the agent read where there is nothing, and end.
  struct stat facts {};
  if (::fstat(fd_.get(), &facts) != 0 || static_cast<std::size_t>(facts.st_size) != size_)
    return fail(Errc::Unsupported, path_ + " was written into: restart the agent");
  const Mapped database(fd_.get(), size_);
  if (!database) return fail(Errc::Io, "map " + path_, last_os_error());
  DE_TRY(cookie, load(database, size_));
  DE_TRY(data, ask(cookie, 0, start.substr(0, kMagicBytes)));
  DE_TRY(mime_type, ask(cookie, MAGIC_MIME_TYPE, start.substr(0, kMagicBytes)));
  DE_TRY(mime_encoding, ask(cookie, MAGIC_MIME_ENCODING, start.substr(0, kMagicBytes)));
  ContentType type{std::move(data), std::move(mime_type), std::move(mime_encoding)};
  // Both are shared objects by their header, and nearly every program of today is one. file(1) goes by the permissions,
  // which a buffer has none of.
  if (may_run && type.data.starts_with("ELF ")) replace(type.data, "shared object", "pie executable");
  if (may_run && type.mime_type == "application/x-sharedlib") type.mime_type = "application/x-pie-executable";
  return type;
}

std::span<const std::string> magic_paths() {
  static const std::array<std::string, 3> kPaths = {"/usr/share/daemoneye/magic.mgc", "/usr/share/misc/magic.mgc",
                                                    "/usr/lib/file/magic.mgc"};
  return kPaths;
}

}  // namespace de::host
