// What a statement may mention. SQLite's own parser reports every table, column and function it resolves to the
// authorizer, which answers from the lists here; nothing is decided from the text of the statement.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

namespace de::mirror {

class ForeignView;

class Gate {
 public:
  // Switches off what a reader never needs, sets the limits. Everything of our own must exist by then.
  // Errors: Io.
  static Result<> harden(sqlite3* db, std::size_t max_sql_bytes);

  // Tables that are allowed besides our own; outlives the gate. Null: none.
  void allow(const ForeignView* foreign) { foreign_ = foreign; }

  // The authorizer is taken off only while an image is swapped: it also refuses sqlite3_deserialize.
  void attach(sqlite3* db);
  static void detach(sqlite3* db);

  // Forgets the previous statement.
  void start();
  // Why something was refused, first reason only; empty when nothing was.
  const std::string& refusal() const { return refusal_; }

  const std::set<std::string>& tables() const { return tables_; }
  const std::set<std::string>& columns() const { return columns_; }
  const std::set<std::string>& functions() const { return functions_; }
  bool is_recursive() const { return is_recursive_; }

 private:
  static int authorize(void* self, int action, const char* first, const char* second, const char* schema,
                       const char* view);
  int refuse(std::string reason);
  int read(std::string_view table, std::string_view column, std::string_view schema, std::string_view view);
  int call(std::string_view function);

  const ForeignView* foreign_ = nullptr;
  std::string refusal_;
  std::set<std::string> tables_;
  std::set<std::string> columns_;
  std::set<std::string> functions_;
  int regex_calls_ = 0;
  bool through_view_ = false;
  bool is_recursive_ = false;
};

// Lower case, sorted.
std::span<const std::string_view> allowed_functions();

}  // namespace de::mirror
