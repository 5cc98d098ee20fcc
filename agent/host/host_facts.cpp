#include "host/host_facts.h"

#include <array>
#include <charconv>
#include <ctime>
#include <map>

#include "daemoneye/base/text.h"
#include "host/system_facts.h"
#include "mirror/as_of.h"

namespace de::host {
namespace {

using mirror::HostRow;
using schema::Cell;
using schema::HostTable;

Cell whole(std::uint64_t value) { return static_cast<std::int64_t>(value); }
Cell as_signed(std::uint32_t id) { return std::int64_t{static_cast<std::int32_t>(id)}; }

HostRow user_row(const User& user) {
  return {whole(user.uid),
          whole(user.gid),
          as_signed(user.uid),
          as_signed(user.gid),
          user.name,
          user.description,
          user.directory,
          user.shell,
          std::string(),
          Cell(),
          Cell()};
}

HostRow group_row(const Group& group) { return {whole(group.gid), as_signed(group.gid), group.name, Cell()}; }

// Each pair once: the primary group may list its user, too.
std::vector<HostRow> memberships(const std::vector<User>& users, const std::vector<Group>& groups) {
  std::multimap<std::string_view, std::uint32_t> listed;
  for (const Group& group : groups)
    for (const std::string& member : group.members) {
      if (listed.size() == kMaxAccounts) break;
      listed.emplace(member, group.gid);
    }
  std::vector<HostRow> out;
  for (const User& user : users) {
    out.push_back({whole(user.uid), whole(user.gid)});
    const auto [from, to] = listed.equal_range(user.name);
    for (auto at = from; at != to; ++at)
      if (at->second != user.gid) out.push_back({whole(user.uid), whole(at->second)});
  }
  return out;
}

Cell version_part(std::string_view version, std::size_t which) {
  for (; which > 0; --which) {
    const std::size_t dot = version.find('.');
    if (dot == std::string_view::npos) return std::int64_t{0};
    version.remove_prefix(dot + 1);
  }
  std::int64_t value = 0;
  (void)std::from_chars(version.data(), version.data() + version.size(), value);  // No number is 0.
  return value;
}

// In libmagic's words, which it has for files that it sees itself.
ContentType unread_type(const FileStart& start) {
  if (start.type == "regular") return {"empty", "inode/x-empty", "binary"};
  if (start.type == "symlink") return {"symbolic link to " + escape_controls(start.target), "inode/symlink", "binary"};
  if (start.type == "character") return {"character special (" + start.device + ")", "inode/chardevice", "binary"};
  if (start.type == "block") return {"block special (" + start.device + ")", "inode/blockdevice", "binary"};
  if (start.type == "fifo") return {"fifo (named pipe)", "inode/fifo", "binary"};
  return {start.type, "inode/" + start.type, "binary"};
}

}  // namespace

bool is_below(std::string_view path, const std::vector<std::string>& dirs) {
  if (!path.starts_with('/') || path.ends_with("/..") || path.find("/../") != std::string_view::npos) return false;
  for (std::string_view dir : dirs) {
    while (dir.ends_with('/')) dir.remove_suffix(1);
    if (path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/')) return true;
  }
  return false;
}

HostRow uptime_row(std::int64_t seconds) {
  return {seconds / 86'400, seconds / 3'600 % 24, seconds / 60 % 60, seconds % 60, seconds};
}

HostRow time_row(std::int64_t unix_seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm at{};
  ::gmtime_r(&seconds, &at);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%a %b %e %H:%M:%S %Y UTC", &at);
  const std::string written = text.data();
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &at);
  const std::string iso = text.data();
  std::tm local{};
  ::localtime_r(&seconds, &local);
  const std::string zone = local.tm_zone == nullptr ? "" : local.tm_zone;
  const auto part = [](int value) { return Cell{std::int64_t{value}}; };
  return {std::string(kDays[static_cast<std::size_t>(at.tm_wday)]),
          part(at.tm_year + 1900),
          part(at.tm_mon + 1),
          part(at.tm_mday),
          part(at.tm_hour),
          part(at.tm_min),
          part(at.tm_sec),
          std::string("UTC"),
          zone,
          unix_seconds,
          written,
          iso,
          iso,
          iso};
}

HostRow os_row(const std::map<std::string, std::string>& release, std::string_view arch) {
  const auto field = [&release](const char* name) {
    const auto at = release.find(name);
    return at == release.end() ? std::string() : at->second;
  };
  const std::string id = field("VERSION_ID");
  std::string version = field("VERSION");
  if (version.empty()) version = id;
  return {field("NAME"),
          version,
          version_part(id, 0),
          version_part(id, 1),
          version_part(id, 2),
          field("BUILD_ID"),
          field("ID"),
          field("ID_LIKE"),
          field("VERSION_CODENAME"),
          std::string(arch),
          Cell(),
          Cell()};
}

SystemFacts read_system(const std::string& etc_dir, std::span<const std::string> magic) {
  std::map<std::string, std::string> release;
  if (const auto text = read_small_file(etc_dir + "/os-release", kMaxAccountFileBytes))
    release = parse_os_release(*text);
  return {system_row(etc_dir), os_row(release, architecture()), std::make_shared<const MagicDatabase>(magic)};
}

Result<std::shared_ptr<const HostFacts::Accounts>> HostFacts::accounts() const {
  const std::string passwd = options_.etc_dir + "/passwd", group = options_.etc_dir + "/group";
  const std::string stamp = stamp_of(passwd) + stamp_of(group);
  const std::scoped_lock lock(mutex_);
  if (accounts_ && stamp == stamp_) return accounts_;
  auto users = read_small_file(passwd, kMaxAccountFileBytes);
  auto groups = read_small_file(group, kMaxAccountFileBytes);
  is_stale_ = !users || !groups;
  if (is_stale_ && accounts_) return accounts_;
  if (is_stale_) return fail(users ? std::move(groups).error() : std::move(users).error());
  accounts_ = std::make_shared<const Accounts>(Accounts{parse_passwd(*users), parse_group(*groups)});
  stamp_ = stamp;
  return accounts_;
}

Result<std::vector<HostRow>> HostFacts::rows(HostTable table) const {
  std::vector<HostRow> out;
  switch (table) {
    case HostTable::SystemInfo:
      out.push_back(system_.system);
      return out;
    case HostTable::OsVersion:
      out.push_back(system_.os);
      return out;
    case HostTable::Uptime:
      out.push_back(uptime_row(seconds_since_boot()));
      return out;
    case HostTable::Time:
      out.push_back(time_row(mirror::as_of_ms().value_or(clock_.unix_ms()) / 1'000));
      return out;
    case HostTable::File:
    case HostTable::Magic:
      return out;  // By name only.
    default:
      break;
  }
  DE_TRY(accounts, this->accounts());
  if (table == HostTable::UserGroups) return memberships(accounts->users, accounts->groups);
  if (table == HostTable::Users)
    for (const User& user : accounts->users) out.push_back(user_row(user));
  if (table == HostTable::Groups)
    for (const Group& group : accounts->groups) out.push_back(group_row(group));
  return out;
}

std::string HostFacts::why_stale(HostTable table) const {
  if (table != HostTable::Users && table != HostTable::Groups && table != HostTable::UserGroups) return {};
  const std::scoped_lock lock(mutex_);
  return is_stale_ ? "accounts have changed since the agent started, and it cannot read them any more: restart it" : "";
}

Result<std::optional<HostRow>> HostFacts::named(HostTable table, std::string_view path) const {
  // What a process runs that never had a name in a file system.
  if (path.starts_with("/memfd:")) return std::optional<HostRow>();
  const bool is_magic = table == HostTable::Magic;
  if (!is_below(path, is_magic ? options_.content_dirs : options_.file_dirs))
    return fail(Errc::Denied,
                std::string(path) + " is not below one of query." + (is_magic ? "content_dirs" : "file_dirs"));
  return is_magic ? magic(std::string(path)) : file_row(std::string(path));
}

Result<std::optional<HostRow>> HostFacts::magic(const std::string& path) const {
  DE_TRY(start, read_start(path, options_.content_dirs, kMagicBytes));
  if (!start) return std::optional<HostRow>();
  auto type = start->bytes.empty() ? Result<ContentType>(unread_type(*start))
                                   : system_.magic->classify(start->bytes, start->may_run);
  if (!type) {
    if (type.error().code() == Errc::Unsupported) return fail(std::move(type).error());
    return fail(std::move(type).error().during(path));
  }
  return std::optional<HostRow>(HostRow{path, system_.magic->path(), std::move(type->data), std::move(type->mime_type),
                                        std::move(type->mime_encoding)});
}

}  // namespace de::host
