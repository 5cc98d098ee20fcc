#include "collect/linux/proc_stat.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace de::collect {
namespace {

// Fields after the closing parenthesis, numbered as in proc(5).
enum Field : int {
  kState = 3,
  kPpid = 4,
  kPgrp = 5,
  kSession = 6,
  kTty = 7,
  kFlags = 9,
  kUtime = 14,
  kStime = 15,
  kNice = 19,
  kThreads = 20,
  kStart = 22,
  kVsize = 23,
  kRss = 24,
  kStartCode = 26,
  kStartStack = 28,
  kArgStart = 48,
  kArgEnd = 49
};

template <class Int>
bool parse_number(std::string_view word, Int& out) {
  const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), out);
  return ec == std::errc{} && end == word.data() + word.size();
}

// Fields that name a process or session are printed as 0 or, from another pid namespace, as -1.
bool parse_id(std::string_view word, std::uint32_t& out) {
  std::int64_t value = 0;
  if (!parse_number(word, value) || value < -1 || value > INT32_MAX) return false;
  out = value < 0 ? 0 : static_cast<std::uint32_t>(value);
  return true;
}

bool parse_field(int field, std::string_view word, ProcStat& stat) {
  switch (field) {
    case kState:
      if (word.size() != 1) return false;
      stat.state = word[0];
      return true;
    case kPpid:
      return parse_number(word, stat.ppid);
    case kPgrp:
      return parse_id(word, stat.pgid);
    case kSession:
      return parse_id(word, stat.session);
    case kTty:
      return parse_number(word, stat.tty_nr);
    case kFlags:
      return parse_number(word, stat.flags);
    case kUtime:
      return parse_number(word, stat.user_ticks);
    case kStime:
      return parse_number(word, stat.system_ticks);
    case kNice:
      return parse_number(word, stat.nice);
    case kThreads:
      return parse_number(word, stat.threads);
    case kStart:
      return parse_number(word, stat.start_ticks);
    case kVsize:
      return parse_number(word, stat.virtual_bytes);
    case kRss:
      return parse_number(word, stat.rss_pages);
    case kStartCode:
      return parse_number(word, stat.start_code);
    case kStartStack:
      return parse_number(word, stat.start_stack);
    default:
      return !word.empty();
  }
}

}  // namespace

Result<ProcStat> parse_proc_stat(std::string_view text) {
  // A process picks its own name, and ") R 1 (" is a legal one. The kernel writes no parenthesis after the name, so
  // the last ')' is the only one that can be trusted; splitting on the first would let malware forge its parent.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return fail(Errc::Corrupt, "stat: no process name");

  ProcStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  if (open == 0 || text[open - 1] != ' ' || !parse_number(text.substr(0, open - 1), stat.pid))
    return fail(Errc::Corrupt, "stat: field 1");
  std::string_view rest = text.substr(close + 1);
  std::uint64_t arg_start = 0, arg_end = 0;
  for (int field = kState; field <= kArgEnd; ++field) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(word.size());
    if (word.empty() && field > kStartStack) break;  // Older kernels print fewer.
    if (field == kArgStart && !parse_number(word, arg_start)) return fail(Errc::Corrupt, "stat: field 48");
    if (field == kArgEnd && !parse_number(word, arg_end)) return fail(Errc::Corrupt, "stat: field 49");
    if (!parse_field(field, word, stat)) return fail(Errc::Corrupt, "stat: field " + std::to_string(field));
  }
  if (arg_end > arg_start) stat.argument_bytes = arg_end - arg_start;
  return stat;
}

std::string tty_name(std::int32_t tty_nr) {
  if (tty_nr == 0) return {};
  // As the kernel's new_encode_dev(): minor in bits 31-20 and 7-0, major in 19-8.
  const auto bits = static_cast<std::uint32_t>(tty_nr);
  const std::uint32_t major = (bits >> 8) & 0xfffU;
  const std::uint32_t minor = (bits & 0xffU) | ((bits >> 12) & 0xfff00U);
  struct Driver {
    std::uint32_t major, first_minor, last_minor;
    const char* prefix;
  };
  static constexpr std::array kDrivers = {
      Driver{4, 0, 63, "tty"},    Driver{4, 64, 255, "ttyS"},    Driver{204, 64, 79, "ttyAMA"},
      Driver{229, 0, 255, "hvc"}, Driver{188, 0, 255, "ttyUSB"}, Driver{166, 0, 255, "ttyACM"},
  };
  if (major == 5 && minor == 1) return "console";
  if (major >= 136 && major <= 143)  // Unix98 pseudo terminals; modern kernels use 136 with large minors.
    return "pts/" + std::to_string((major - 136) * 256 + minor);
  for (const Driver& driver : kDrivers)
    if (major == driver.major && minor >= driver.first_minor && minor <= driver.last_minor)
      return driver.prefix + std::to_string(minor - driver.first_minor);
  return std::to_string(major) + ":" + std::to_string(minor);
}

}  // namespace de::collect
