// The tables of other collectors as SQLite sees them. Each name before the dot is a database of its own that is
// attached to the session's connection and holds virtual tables only.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "mirror/foreign.h"

namespace de::mirror {

constexpr const char* kForeignModule = "de_foreign";

// What the foreign tables of one connection share. Outlives the connection.
class ForeignView {
 public:
  ForeignView() = default;
  ForeignView(const ForeignView&) = delete;
  ForeignView& operator=(const ForeignView&) = delete;

  // Errors: Exhausted.
  Result<> add_module(sqlite3* db);
  // From now on statements see these; null: none. The authorizer must be off. Errors: Io, Exhausted.
  Result<> show(sqlite3* db, std::shared_ptr<const ForeignTables> tables);

  const ForeignTables* tables() const { return tables_.get(); }
  // By the names that SQLite reports: where no column is needed, without a schema. Null when there is none.
  const ForeignInfo* find(std::string_view schema, std::string_view table) const;

  // Of the statement that ran since start(): why the answer may lack something.
  std::vector<pb::Reason> missing;
  void start();
  void note_untold(const ForeignInfo& info);

 private:
  std::shared_ptr<const ForeignTables> tables_;
  std::set<std::string, std::less<>> attached_;
  std::set<std::string, std::less<>> noted_;  // Tables in `missing`.
};

}  // namespace de::mirror
