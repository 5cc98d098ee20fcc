#include "host/account_files.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace de::host {
namespace {

constexpr std::size_t kMaxOsFields = 256;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of lines that say something.
template <class Take>
void each_line(std::string_view text, Take take) {
  text = text.substr(0, kMaxAccountFileBytes);
  for (const std::string_view line : split(text, '\n'))
    if (!line.empty() && line.front() != '#') take(line);
}

// The shell's quotes: "..." with \ before what stands for itself, '...' as it is.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || (text.front() != '"' && text.front() != '\'') || text.back() != text.front())
    return std::string(text);
  const bool escapes = text.front() == '"';
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (escapes && text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

}  // namespace

std::vector<User> parse_passwd(std::string_view text) {
  std::vector<User> out;
  each_line(text, [&out](std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() != 7 || fields[0].empty() || out.size() == kMaxAccounts) return;
    const auto uid = number(fields[2]), gid = number(fields[3]);
    if (!uid || !gid) return;
    out.push_back(
        {*uid, *gid, std::string(fields[0]), std::string(fields[4]), std::string(fields[5]), std::string(fields[6])});
  });
  return out;
}

std::vector<Group> parse_group(std::string_view text) {
  std::vector<Group> out;
  each_line(text, [&out](std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() != 4 || fields[0].empty() || out.size() == kMaxAccounts) return;
    const auto gid = number(fields[2]);
    if (!gid) return;
    Group& group = out.emplace_back(Group{*gid, std::string(fields[0]), {}});
    for (const std::string_view member : split(fields[3], ','))
      if (!member.empty() && group.members.size() < kMaxAccounts) group.members.emplace_back(member);
  });
  return out;
}

std::map<std::string, std::string> parse_os_release(std::string_view text) {
  std::map<std::string, std::string> out;
  each_line(text, [&out](std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || out.size() == kMaxOsFields) return;
    out[std::string(line.substr(0, equals))] = unquoted(line.substr(equals + 1));
  });
  return out;
}

}  // namespace de::host
