#include "store/day_set.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "daemoneye/log/log.h"
#include "store/scrub.h"

namespace de::store {
namespace {

constexpr std::string_view kQuarantinedSuffix = ".quarantined";
constexpr std::string_view kRemovingSuffix = ".removing";
constexpr int kMaxQuarantinedPerDay = 1000;

std::string read_reason(const std::string& directory) {
  std::ifstream file(directory + "/reason");
  std::string line;
  std::getline(file, line);
  return line.empty() ? "damaged" : line.substr(0, 512);
}

bool overlaps(const std::string& day, std::int64_t from_ms, std::int64_t to_ms) {
  const auto start = parse_day_name(day);
  return start && *start<to_ms&& * start + kDayMs> from_ms;
}

}  // namespace

Result<> DaySet::load() {
  std::vector<std::string> names;
  std::error_code ec;
  for (std::filesystem::directory_iterator it(directory_.path(), ec), end; !ec && it != end; it.increment(ec))
    names.push_back(it->path().filename().string());
  if (ec) return fail(Errc::Io, directory_.path() + ": list", ec);
  // Newest first: today is written to, and the time for looking through them is limited.
  std::sort(names.rbegin(), names.rend());
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& name : names) {
    const auto spent = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
    const auto left = static_cast<std::int64_t>(kScrubSeconds) - spent.count();
    DE_CHECK(load_one(name, left > 0 ? static_cast<unsigned>(left) : 0));
  }
  return {};
}

Result<> DaySet::load_one(const std::string& name, unsigned scrub_s) {
  const std::string day = name.substr(0, 10);
  if (!parse_day_name(day)) return {};
  const std::string_view rest = std::string_view(name).substr(10);
  if (rest == kRemovingSuffix) return remove_directory(directory_.below(name));
  if (rest.starts_with(kQuarantinedSuffix)) {
    quarantined_.push_back({day, name, read_reason(directory_.below(name))});
    return {};
  }
  if (!rest.empty()) return {};
  Result<std::shared_ptr<Day>> opened;
  auto sound = scrub_s == 0 ? Result<>() : scrub(directory_.below(name), scrub_s);
  if (sound)
    opened = Day::open(directory_.below(name), name, map_bytes_);
  else
    opened = fail(std::move(sound).error());
  if (opened) {
    days_.emplace(name, std::move(*opened));
    return {};
  }
  if (opened.error().code() != Errc::Corrupt) return fail(std::move(opened).error());
  quarantined_.push_back({day, set_aside(name, opened.error().message()), opened.error().message()});
  return {};
}

// Renames a day out of the way and returns its new name.
std::string DaySet::set_aside(const std::string& name, const std::string& reason) const {
  log::error("store", "day quarantined", {log::field("day", name), log::field("reason", reason)});
  std::string target;
  for (int n = 0; n < kMaxQuarantinedPerDay; ++n) {
    target = name + std::string(kQuarantinedSuffix) + (n == 0 ? "" : "-" + std::to_string(n));
    struct stat info {};
    if (::lstat(directory_.below(target).c_str(), &info) != 0) break;
  }
  {
    std::ofstream file(directory_.below(name) + "/reason");
    file << reason << '\n';  // On a full disk the reason is lost after a restart, the quarantine is not.
  }
  if (::rename(directory_.below(name).c_str(), directory_.below(target).c_str()) != 0) return name;
  return target;
}

Result<std::shared_ptr<Day>> DaySet::for_writing(std::int64_t ms) {
  const std::string name = day_name(ms);
  const std::lock_guard lock(mutex_);
  if (const auto known = days_.find(name); known != days_.end()) return known->second;
  struct stat info {};
  if (::lstat(directory_.below(name).c_str(), &info) == 0)
    return fail(Errc::Corrupt, directory_.below(name) + ": is damaged and could not be renamed");
  DE_CHECK(directory_.make(name));
  auto opened = Day::open(directory_.below(name), name, map_bytes_);
  if (!opened) {
    // A day that could not be begun is not a day: what LMDB wrote of it must not be found at the next start.
    (void)remove_directory(directory_.below(name));  // Ours and fresh; if it stays, the next start opens it.
    return fail(std::move(opened).error().during("begin day"));
  }
  return days_.emplace(name, std::move(*opened)).first->second;
}

std::vector<std::shared_ptr<Day>> DaySet::between(std::int64_t from_ms, std::int64_t to_ms) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Day>> out;
  for (const auto& [name, day] : days_)
    if (overlaps(name, from_ms, to_ms)) out.push_back(day);
  return out;
}

std::vector<std::shared_ptr<Day>> DaySet::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Day>> out;
  for (const auto& [name, day] : days_) out.push_back(day);
  return out;
}

std::vector<DayProblem> DaySet::quarantined_between(std::int64_t from_ms, std::int64_t to_ms) const {
  const std::lock_guard lock(mutex_);
  std::vector<DayProblem> out;
  for (const Bad& bad : quarantined_)
    if (overlaps(bad.day, from_ms, to_ms)) out.push_back({bad.day, bad.reason});
  return out;
}

std::vector<DayProblem> DaySet::quarantined() const {
  const std::lock_guard lock(mutex_);
  std::vector<DayProblem> out;
  for (const Bad& bad : quarantined_) out.push_back({bad.day, bad.reason});
  return out;
}

void DaySet::quarantine(const std::shared_ptr<Day>& day, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  const auto known = days_.find(day->name());
  if (known == days_.end() || known->second != day) return;
  quarantined_.push_back({day->name(), set_aside(day->name(), reason), reason});
  days_.erase(known);
}

std::vector<DaySet::Removable> DaySet::removable() const {
  const std::lock_guard lock(mutex_);
  std::vector<Removable> out;
  for (const Bad& bad : quarantined_) out.push_back({bad.day, bad.directory, 0});
  for (const auto& [name, day] : days_) out.push_back({name, name, 0});
  for (Removable& entry : out) entry.bytes = disk_bytes_below(directory_.below(entry.directory));
  std::stable_sort(out.begin(), out.end(), [](const Removable& a, const Removable& b) { return a.day < b.day; });
  return out;
}

Result<> DaySet::remove(const Removable& what) {
  const std::string from = directory_.below(what.directory);
  const std::string doomed = directory_.below(what.day + std::string(kRemovingSuffix));
  {
    const std::lock_guard lock(mutex_);
    if (::access(doomed.c_str(), F_OK) == 0) DE_CHECK(remove_directory(doomed));  // An earlier removal that failed.
    if (::rename(from.c_str(), doomed.c_str()) != 0) return fail(Errc::Io, from + ": rename", last_os_error());
    std::erase_if(quarantined_, [&](const Bad& bad) { return bad.directory == what.directory; });
    days_.erase(what.directory);
  }
  return remove_directory(doomed);
}

}  // namespace de::store
