// The tables of schema::live_tables() as SQLite sees them: answered for the processes a statement names
// by pid and for nothing else, from what was read for it.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/schema/live_columns.h"
#include "mirror/live.h"

namespace de::mirror {

// What the live tables of one connection share. Outlives the connection.
class LiveView {
 public:
  LiveView();
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  std::shared_ptr<const LiveRows> rows;  // Null: there is nobody who could read them.
  std::size_t max_wanted = 0;            // Of one statement.

  // Of the statement that ran since start():
  std::set<LiveKey> wanted;         // What was not read yet; without it the answer is not one.
  std::vector<pb::Reason> missing;  // Why the answer may lack something.
  void start();
  // Null when there are none.
  const std::vector<ForeignRow>* find(const schema::TableInfo& table, std::int64_t pid);

  struct Module {
    LiveView* shared = nullptr;
    const schema::TableInfo* table = nullptr;
  };
  std::vector<Module>& modules() { return modules_; }

 private:
  void note(const char* reason, std::string detail);

  std::vector<Module> modules_;  // As schema::live_tables().
  std::set<std::string, std::less<>> noted_;
};

// In the schema of an image, where nobody reads them.
LiveView& no_live();

// The names of the modules, "de_open_files" and so on.
std::vector<std::string> live_modules();
// Errors: Exhausted.
Result<> add_live_modules(sqlite3* db, LiveView& view);
// As create_stored_tables() and connect_stored_tables(). Errors: Io, Exhausted.
Result<> create_live_tables(sqlite3* db, std::string_view schema);
Result<> connect_live_tables(sqlite3* db, std::string_view schema);

}  // namespace de::mirror
