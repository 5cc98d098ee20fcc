// What differs between two configurations, and what a running program may take over of it.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/config/config.h"

namespace de::config {

// One key that is not the same in two configurations.
struct Change {
  std::string_view path;
  std::string before;
  std::string after;
  std::string where;          // Where the new value is from.
  std::string_view gives_up;  // What the new value protects less, as a sentence; empty: nothing.
};

// Both of the same program, or both of all.
std::vector<Change> changes_between(const std::vector<Setting>& before, const std::vector<Setting>& after);

// The keys that `program` takes over while it runs; every other one takes a restart.
std::vector<std::string_view> live_keys(Program program);
bool is_live(Program program, std::string_view path);
// "a reload", "a restart", or which of both for whom: what makes a changed value count.
std::string_view takes_effect_by(std::string_view path);

// What reading the configuration again brought. `settings` are those that are in force once `live` is taken over.
struct Reread {
  std::vector<Change> live;
  std::vector<Change> waiting;  // Take a restart.
  std::vector<Setting> settings;
};
Reread compare(Program program, const std::vector<Setting>& running, const std::vector<Setting>& read);

// For the ledger: a JSON object of {"from", "to", "where"} by key; values are cut at 256 bytes.
std::string changes_json(const std::vector<Change>& changes);
// "log.level, query.max_rows", for a log line.
std::string names_of(const std::vector<Change>& changes);

}  // namespace de::config
