// All days of the store: opening, quarantine, removal.
//
// A damaged day is renamed to "<day>.quarantined[-n]" with the reason in a file inside, so that it stays out across
// restarts and a fresh environment can take its name. A day that is being removed is renamed first as well, so that a
// crash half-way leaves nothing that looks like a day.
//
// Thread: any; the set is behind one mutex. A Day is shared with the readers that are inside it: its environment is
// closed when the last of them leaves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "store/day.h"
#include "store/directory.h"
#include "store/store.h"

namespace de::store {

// Times are filed from 1970 to the year 9999; a wider range reads no more.
constexpr std::int64_t kEndOfTimeMs = 253'402'300'800'000;

class DaySet {
 public:
  DaySet(const Directory& directory, std::uint64_t map_bytes) : directory_(directory), map_bytes_(map_bytes) {}

  // Opens every day in the directory; those that do not open are quarantined.
  Result<> load();
  // The day of this time, made when it is missing. Thread: writer.
  Result<std::shared_ptr<Day>> for_writing(std::int64_t ms);

  std::vector<std::shared_ptr<Day>> between(std::int64_t from_ms, std::int64_t to_ms) const;
  std::vector<std::shared_ptr<Day>> all() const;
  std::vector<DayProblem> quarantined_between(std::int64_t from_ms, std::int64_t to_ms) const;
  std::vector<DayProblem> quarantined() const;

  // Takes the day out and marks it. A second call for the same environment does nothing.
  void quarantine(const std::shared_ptr<Day>& day, const std::string& reason);

  struct Removable {
    std::string day;
    std::string directory;  // Name below the store.
    std::uint64_t bytes = 0;
  };
  // Oldest first, quarantined ones included.
  std::vector<Removable> removable() const;
  Result<> remove(const Removable& what);

 private:
  struct Bad {
    std::string day;
    std::string directory;
    std::string reason;
  };

  Result<> load_one(const std::string& name, unsigned scrub_s);
  std::string set_aside(const std::string& name, const std::string& reason) const;

  const Directory& directory_;
  const std::uint64_t map_bytes_;
  mutable std::mutex mutex_;  // Guards the two below; held for renames, never while reading a day.
  std::map<std::string, std::shared_ptr<Day>> days_;
  std::vector<Bad> quarantined_;
};

}  // namespace de::store
