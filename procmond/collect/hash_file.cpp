#include "collect/hash_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {
namespace {

constexpr std::string_view kMagic = "DEHASH1\n";
constexpr std::size_t kHeadBytes = kMagic.size() + 4;
constexpr std::size_t kEntryBytes = 6 * 8 + 32 + 8;
constexpr std::size_t kSealBytes = 32;

Errc code_of(std::error_code os) {
  if (os == std::errc::no_such_file_or_directory) return Errc::NotFound;
  const bool denied = os == std::errc::permission_denied || os == std::errc::operation_not_permitted ||
                      os == std::errc::too_many_symbolic_link_levels;
  return denied ? Errc::Denied : Errc::Io;
}

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return fail(Errc::Io, "write", last_os_error());
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

}  // namespace

std::string encode_hashes(const std::vector<KnownHash>& hashes) {
  std::string out(kMagic);
  out.reserve(kHeadBytes + hashes.size() * kEntryBytes + kSealBytes);
  append_le(out, static_cast<std::uint32_t>(hashes.size()));
  for (const KnownHash& hash : hashes) {
    for (const std::uint64_t part :
         {hash.key.dev, hash.key.inode, hash.key.size, static_cast<std::uint64_t>(hash.key.mtime_ns),
          static_cast<std::uint64_t>(hash.key.ctime_ns), static_cast<std::uint64_t>(hash.key.btime_ns)})
      append_le(out, part);
    out.append(crypto::as_bytes(hash.digest));
    append_le(out, hash.last_use);
  }
  const Digest seal = crypto::sha256(out);
  out.append(crypto::as_bytes(seal));
  return out;
}

Result<std::vector<KnownHash>> decode_hashes(std::string_view text, std::size_t max_entries) {
  if (text.size() < kHeadBytes + kSealBytes || !text.starts_with(kMagic))
    return fail(Errc::Corrupt, "hash file: no header");
  const std::string_view sealed = text.substr(0, text.size() - kSealBytes);
  const Digest seal = crypto::sha256(sealed);
  if (text.substr(sealed.size()) != crypto::as_bytes(seal)) return fail(Errc::Corrupt, "hash file: wrong checksum");
  const std::size_t count = load_le<std::uint32_t>(text.data() + kMagic.size());
  if (count > max_entries) return fail(Errc::TooLarge, "hash file: too many entries");
  if (sealed.size() != kHeadBytes + count * kEntryBytes) return fail(Errc::Corrupt, "hash file: wrong length");

  std::vector<KnownHash> hashes(count);
  const char* at = sealed.data() + kHeadBytes;
  const auto take = [&at] {
    const auto value = load_le<std::uint64_t>(at);
    at += 8;
    return value;
  };
  for (KnownHash& hash : hashes) {
    hash.key.dev = take();
    hash.key.inode = take();
    hash.key.size = take();
    hash.key.mtime_ns = static_cast<std::int64_t>(take());
    hash.key.ctime_ns = static_cast<std::int64_t>(take());
    hash.key.btime_ns = static_cast<std::int64_t>(take());
    std::memcpy(hash.digest.data(), at, hash.digest.size());
    at += hash.digest.size();
    hash.last_use = take();
  }
  return hashes;
}

Result<std::string> read_hash_file(const std::string& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), "open hash file", os);
  }
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return fail(Errc::Io, "stat hash file", last_os_error());
  // Who can write this file decides which hash an executable has.
  const bool ours = facts.st_uid == ::geteuid() || facts.st_uid == 0;
  if (!S_ISREG(facts.st_mode) || !ours || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Errc::Denied, "hash file: not a regular file that only we can write");
  if (facts.st_size < 0 || static_cast<std::uint64_t>(facts.st_size) > max_bytes)
    return fail(Errc::TooLarge, "hash file: too large");

  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::Io, "read hash file", last_os_error());
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  text.resize(filled);
  return text;
}

Result<> write_hash_file(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());  // Left by a crash; O_EXCL reports any other obstacle.
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) {
    const std::error_code os = last_os_error();
    return fail(code_of(os), "create hash file", os);
  }
  if (Result<> wrote = write_all(fd.get(), text); !wrote) {
    (void)::unlink(fresh.c_str());  // A half-written copy helps nobody.
    return fail(std::move(wrote).error().during("hash file"));
  }
  // The rename must not become durable before the content, or a power cut leaves an empty file.
  if (::fdatasync(fd.get()) != 0) return fail(Errc::Io, "sync hash file", last_os_error());
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail(Errc::Io, "rename hash file", last_os_error());
  return {};
}

}  // namespace de::collect
