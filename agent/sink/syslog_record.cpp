#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/log_record.h"
#include "sink/process_facts.h"
#include "sink/severity_code.h"

namespace de::sink {
namespace {

constexpr std::size_t kMaxHostBytes = 255;   // RFC 5424, section 6.
constexpr std::size_t kMaxParamBytes = 100;  // Before escapes; together they stay far below kMinSyslogBytes.
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// 32473 is the enterprise number that RFC 5612 keeps for those who have none.
constexpr std::string_view kDataId = "daemoneye@32473";

// A header field is printable ASCII without spaces.
std::string syslog_host(const std::string& host) {
  std::string out = host.substr(0, kMaxHostBytes);
  std::ranges::replace_if(
      out, [](char c) { return c <= ' ' || c >= 0x7f; }, '?');
  return out.empty() ? "-" : out;
}

void append_param(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ' ';
  out += name;
  out += "=\"";
  for (const char c : escape_controls(value.substr(0, kMaxParamBytes))) {
    if (c == '"' || c == '\\' || c == ']') out += '\\';
    out += c;
  }
  out += '"';
}

std::string structured_data(const pb::Alert& alert, std::size_t cut) {
  std::string out = "[" + std::string(kDataId);
  append_param(out, "id", alert.id());
  append_param(out, "sequence", std::to_string(alert.sequence()));
  append_param(out, "severity", schema::to_text(alert.severity()));
  append_param(out, "rule", alert.rule_id());
  append_param(out, "category", alert.category());
  append_param(out, "process", alert.process_uid());
  if (cut > 0) append_param(out, "cut", std::to_string(cut));
  return out + "]";
}

// "Jan  2 03:04:05", UTC.
std::string old_time(std::int64_t unix_ms) {
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = printable_ms(unix_ms) / 1'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%s %2d %02d:%02d:%02d",
                      kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_mday, parts.tm_hour, parts.tm_min,
                      parts.tm_sec);  // It fits.
  return text.data();
}

std::string syslog_header(const SyslogOptions& options, const pb::Alert& alert, std::size_t cut) {
  const unsigned priority = options.facility * 8 + severity_code(alert.severity());
  const std::string begin = "<" + std::to_string(priority) + ">";
  if (!options.is_rfc3164)
    return begin + "1 " + to_iso8601(printable_ms(alert.alert_time_ms())).text + " " + syslog_host(alert.host()) +
           " daemoneye - alert " + structured_data(alert, cut) + " ";
  const std::string host = options.is_local ? "" : syslog_host(alert.host()) + " ";
  return begin + old_time(alert.alert_time_ms()) + " " + host + "daemoneye: ";
}

std::string mark_of(std::size_t cut) { return "...(" + std::to_string(cut) + " bytes more)"; }

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string syslog_record(const SyslogOptions& options, const pb::Alert& alert) {
  std::string body = format_alert(options.format, alert);
  while (body.ends_with('\n')) body.pop_back();
  // Text that is marked as UTF-8 has to begin so; what is ASCII is that too, and needs no mark.
  if (!options.is_rfc3164 && !is_ascii(body)) body.insert(0, kByteOrderMark);
  std::string header = syslog_header(options, alert, 0);
  const std::size_t limit = std::max(options.max_bytes, kMinSyslogBytes);
  if (header.size() + body.size() <= limit) return header + body;
  // How many bytes are missing is said with as many digits as the whole has, or fewer.
  const std::size_t around = syslog_header(options, alert, body.size()).size() + mark_of(body.size()).size();
  std::size_t kept = limit - std::min(limit, around);
  while (kept > 0 && (static_cast<unsigned char>(body[kept]) & 0xC0) == 0x80) --kept;
  const std::size_t cut = body.size() - kept;
  return syslog_header(options, alert, cut) + body.substr(0, kept) + mark_of(cut);
}

}  // namespace de::sink
