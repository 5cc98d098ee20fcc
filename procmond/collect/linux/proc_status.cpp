#include "collect/linux/proc_status.h"

#include <charconv>
#include <cstddef>
#include <string>

namespace de::collect {
namespace {

// Reads one number after blanks and moves past it.
template <class Int>
bool take_number(std::string_view& text, Int& out, int base = 10) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (ec != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

template <class Int>
bool only_number(std::string_view text, Int& out, int base = 10) {
  return take_number(text, out, base) && text.empty();
}

bool parse_ids(std::string_view value, std::uint32_t& real, std::uint32_t& effective, std::uint32_t& saved) {
  return take_number(value, real) && take_number(value, effective) && take_number(value, saved);
}

// Calls fn(key, value) per "Key:\tvalue" line. The kernel escapes line breaks in the name, so no line is forged.
template <class Fn>
void each_line(std::string_view text, Fn fn) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    const std::size_t colon = line.find(':');
    if (colon != line.npos) fn(line.substr(0, colon), line.substr(colon + 1));
  }
}

}  // namespace

Result<ProcStatus> parse_proc_status(std::string_view text) {
  ProcStatus status;
  bool has_uid = false, has_gid = false;
  std::string_view bad;
  each_line(text, [&](std::string_view key, std::string_view value) {
    bool ok = true;
    if (key == "Uid") {
      ok = has_uid = parse_ids(value, status.uid, status.euid, status.suid);
    } else if (key == "Gid") {
      ok = has_gid = parse_ids(value, status.gid, status.egid, status.sgid);
    } else if (key == "Tgid") {
      ok = only_number(value, status.tgid);
    } else if (key == "CapEff") {
      ok = only_number(value, status.cap_effective.emplace(), 16);
    } else if (key == "NoNewPrivs") {
      unsigned flag = 0;
      ok = only_number(value, flag) && flag <= 1;
      status.no_new_privs = flag == 1;
    } else if (key == "Seccomp") {
      ok = only_number(value, status.seccomp.emplace());
    }
    if (!ok && bad.empty()) bad = key;
  });
  if (!bad.empty()) return fail(Errc::Corrupt, "status: " + std::string(bad));
  if (!has_uid || !has_gid) return fail(Errc::Corrupt, "status: no owner");
  return status;
}

std::optional<ProcIo> parse_proc_io(std::string_view text) {
  ProcIo io;
  bool has_read = false, has_write = false;
  each_line(text, [&](std::string_view key, std::string_view value) {
    if (key == "read_bytes") has_read = only_number(value, io.read_bytes);
    if (key == "write_bytes") has_write = only_number(value, io.write_bytes);
  });
  if (!has_read || !has_write) return std::nullopt;
  return io;
}

}  // namespace de::collect
