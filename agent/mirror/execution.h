// Admitting and stepping a statement: what every kind of session does alike.
//
// Thread: that of the connection.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/clock.h"
#include "mirror/charge.h"
#include "mirror/database.h"
#include "mirror/gate.h"
#include "mirror/session.h"

namespace de::mirror {

// While alive, the session is busy and what it does is charged. Statements made meanwhile must be gone or reset before.
class Meter {
 public:
  Meter(sqlite3* db, bool& busy, const Clock& clock, const Budget& budget);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  Charge charge;

 private:
  sqlite3* db_;
  bool& busy_;
  ChargeScope scope_;
};

// Looking at a statement without running it.
constexpr Budget kValidateBudget{1'000, 32UL << 20, 0, 0};

// Every measure that stands before the first step; the tests list which attempt each of them stops.
// Errors: Invalid, Timeout, Exhausted.
Result<Stmt> admit(sqlite3* db, Gate& gate, std::string_view sql, std::size_t max_sql_bytes, const Charge& charge,
                   const Budget& budget);

std::vector<std::string> column_names(sqlite3_stmt* stmt);

// Steps until the end, a cap or the callback's no, and resets the statement. `row` is scratch, one place a column.
// Errors: Invalid, Timeout, Exhausted, Io.
Result<Outcome> step_all(sqlite3* db, sqlite3_stmt* stmt, const Gate& gate, Charge& charge, const Budget& budget,
                         std::vector<Value>& row, const Session::OnRow& on_row);

}  // namespace de::mirror
