// The tables about the host as SQLite sees them. All but `file` and `magic` are short lists. These two are answered
// for the paths a statement names and for nothing else: without `path = ...`, IN or a join there is no plan, and SQLite
// refuses the statement, because a walk through a directory of the host is nothing that a question may cause.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "mirror/host_source.h"

namespace de::mirror {

// What the tables of one connection share. Outlives the connection.
class HostTables {
 public:
  HostTables() = default;
  HostTables(const HostTables&) = delete;
  HostTables& operator=(const HostTables&) = delete;

  const HostSource* source = nullptr;  // Null: the tables have no rows.

  // Of the statement that ran since start():
  std::optional<Error> error;       // Why a step failed.
  std::vector<pb::Reason> missing;  // Why the answer may lack something.
  void start();

  // Each is asked for once in a statement, which sees one state of it. Null, with `error`, when it failed.
  const std::vector<HostRow>* rows(schema::HostTable table);
  const std::vector<HostRow>* named(schema::HostTable table, std::string_view path);

  struct Module {
    HostTables* shared;
    schema::HostTable table;
  };
  const Module* module(schema::HostTable table) const { return &modules_[static_cast<std::size_t>(table)]; }

 private:
  std::array<std::optional<std::vector<HostRow>>, schema::kHostTables> rows_;
  struct Named {
    std::map<std::string, std::vector<HostRow>, std::less<>> rows;
    std::set<std::string> untold;  // Directories of files that could not be looked at.
  };
  std::array<Named, schema::kHostTables> named_;
  const std::array<Module, schema::kHostTables> modules_ = {{{this, schema::HostTable::Users},
                                                             {this, schema::HostTable::Groups},
                                                             {this, schema::HostTable::UserGroups},
                                                             {this, schema::HostTable::SystemInfo},
                                                             {this, schema::HostTable::OsVersion},
                                                             {this, schema::HostTable::Uptime},
                                                             {this, schema::HostTable::Time},
                                                             {this, schema::HostTable::File},
                                                             {this, schema::HostTable::Magic}}};
};

// Without a source.
const HostTables& no_host();

// Of that name in the schema.
bool is_host_table(std::string_view name);
// The names of the modules, "de_users" and so on.
std::vector<std::string> host_modules();

// Errors: Exhausted.
Result<> add_host_modules(sqlite3* db, const HostTables& tables);
// As create_stored_tables() and connect_stored_tables(). Errors: Io, Exhausted.
Result<> create_host_tables(sqlite3* db, std::string_view schema);
Result<> connect_host_tables(sqlite3* db, std::string_view schema);

}  // namespace de::mirror
