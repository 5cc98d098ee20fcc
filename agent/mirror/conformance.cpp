#include "mirror/conformance.h"

#include <limits>
#include <map>
#include <optional>
#include <string>

#include "daemoneye/schema/predicate.h"
#include "mirror/database.h"

namespace de::mirror {
namespace {

using std::string_literals::operator""s;

const std::string kTexts[] = {"",
                              "a",
                              "A",
                              "ab",
                              "Ab",
                              "abc",
                              "b",
                              "7",
                              "07",
                              " 7",
                              "7.0",
                              "%",
                              "_",
                              "a%b",
                              "a\\%b",
                              "[a]",
                              "a]b",
                              "*",
                              "?",
                              "a\nb",
                              "\xc3\xa9",
                              "\xc3\x89",
                              "e\xcc\x81",
                              "\xff",
                              "\xc3",
                              "a\360\237\230\200b",
                              "NULL",
                              "/usr/bin/ls",
                              "/USR/bin/LS",
                              "k\xe2\x84\xaa",
                              "\xed\xa0\x80",
                              "^",
                              "-",
                              "a-b",
                              "zz"};
const std::string kPatterns[] = {"",          "%",     "_",     "a%",   "%b",     "a_c",    "%a%b%", "A%",
                                 "\xc3\xa9%", "__",    "%\\%%", "[a]",  "*",      "?",      "a*",    "*b",
                                 "[a-c]*",    "[^a]*", "[]a]*", "[a-",  "/usr/*", "/usr/%", "%/ls",  "*/ls",
                                 "\xff*",     "%\xff", "a[",    "[!a]", "[^]]*",  "??"};
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kIntegers[] = {0, 1, -1, 7, 8, 4'294'967'295, 4'294'967'296, 9'007'199'254'740'993, kMax, kMin};
constexpr double kReals[] = {0.0, -0.0, 1.0, -1.0, 0.5, 1e300, -1e300, 5e-324, 9'007'199'254'740'992.0};

constexpr int kCasesPerCheck = 900;  // Of about 40 bytes each.

constexpr pb::PredicateOp kCompare[] = {pb::PREDICATE_OP_EQ, pb::PREDICATE_OP_NE, pb::PREDICATE_OP_LT,
                                        pb::PREDICATE_OP_LE, pb::PREDICATE_OP_GT, pb::PREDICATE_OP_GE};

pb::Literal literal(const std::string& text) {
  pb::Literal out;
  out.set_string_value(text);
  return out;
}
pb::Literal literal(std::int64_t value) {
  pb::Literal out;
  out.set_int_value(value);
  return out;
}
pb::Literal literal(double value) {
  pb::Literal out;
  out.set_float_value(value);
  return out;
}

void add(pb::ConformanceCheck& out, pb::ColumnType type, const pb::Literal& value, pb::PredicateOp op,
         std::initializer_list<pb::Literal> with) {
  pb::ConformanceCase& one = *out.add_cases();
  one.set_column_type(type);
  *one.mutable_value() = value;
  one.mutable_predicate()->set_column("value");
  one.mutable_predicate()->set_op(op);
  for (const pb::Literal& literal : with) *one.mutable_predicate()->add_values() = literal;
}

// Each with itself, with its neighbours in the list, and nothing with everything.
template <class List>
void add_comparisons(pb::ConformanceCheck& out, pb::ColumnType type, const List& values) {
  const std::size_t count = std::size(values);
  for (const pb::PredicateOp op : kCompare)
    for (std::size_t i = 0; i < count; ++i) {
      for (const std::size_t j : {i, (i + 1) % count, (i + count - 1) % count, (i + 3) % count})
        add(out, type, literal(values[i]), op, {literal(values[j])});
      add(out, type, pb::Literal(), op, {literal(values[i])});
    }
  for (std::size_t i = 0; i < count; ++i) {
    add(out, type, literal(values[i]), pb::PREDICATE_OP_IN, {literal(values[i]), literal(values[(i + 2) % count])});
    add(out, type, literal(values[i]), pb::PREDICATE_OP_IN, {literal(values[(i + 1) % count])});
    add(out, type, pb::Literal(), pb::PREDICATE_OP_IN, {literal(values[i])});
  }
}

class Reference {
 public:
  Result<> open() {
    DE_TRY(db, open_memory_db());
    db_ = std::move(db);
    return exec(db_.get(), "CREATE TABLE t1(value TEXT); CREATE TABLE t2(value INTEGER); CREATE TABLE t4(value REAL)");
  }

  // What SQLite makes of it.
  Result<bool> admits(const pb::ConformanceCase& one) {
    const std::string table = "t" + std::to_string(static_cast<int>(one.column_type()));
    DE_CHECK(exec(db_.get(), "DELETE FROM " + table));
    DE_TRY(insert, statement("INSERT INTO " + table + " VALUES(?)"));
    if (bind(insert, 1, one.value()) != SQLITE_OK || sqlite3_step(insert) != SQLITE_DONE)
      return fail(sqlite_error(db_.get(), "keep a value"));
    std::string list;
    for (int i = 0; i < one.predicate().values_size(); ++i) list += i == 0 ? "?" : ",?";
    const bool in = one.predicate().op() == pb::PREDICATE_OP_IN;
    DE_TRY(select,
           statement("SELECT count(*) FROM " + table + " WHERE value " +
                     std::string(schema::to_text(one.predicate().op())) + (in ? " (" + list + ")" : " " + list)));
    for (int i = 0; i < one.predicate().values_size(); ++i) (void)bind(select, i + 1, one.predicate().values(i));
    if (sqlite3_step(select) != SQLITE_ROW) return fail(sqlite_error(db_.get(), "compare a value"));
    const bool found = sqlite3_column_int(select, 0) != 0;
    sqlite3_reset(select);
    return found;
  }

 private:
  Result<sqlite3_stmt*> statement(const std::string& sql) {
    Stmt& kept = kept_[sql];
    if (!kept) {
      DE_TRY(made, prepare_own(db_.get(), sql));
      kept = std::move(made);
    }
    sqlite3_reset(kept.get());
    return kept.get();
  }
  static int bind(sqlite3_stmt* stmt, int index, const pb::Literal& value) {
    if (value.has_int_value()) return sqlite3_bind_int64(stmt, index, value.int_value());
    if (value.has_float_value()) return sqlite3_bind_double(stmt, index, value.float_value());
    if (!value.has_string_value()) return sqlite3_bind_null(stmt, index);
    return sqlite3_bind_text64(stmt, index, value.string_value().data(), value.string_value().size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  }

  Db db_;
  std::map<std::string, Stmt> kept_;
};

struct Tally {
  bool differs = false;
  bool admitted = false;
  bool excluded = false;
};

pb::ConformanceCheck all_cases() {
  pb::ConformanceCheck out;
  add_comparisons(out, pb::COLUMN_TYPE_TEXT, kTexts);
  add_comparisons(out, pb::COLUMN_TYPE_INTEGER, kIntegers);
  add_comparisons(out, pb::COLUMN_TYPE_REAL, kReals);
  // A value of another type than the column's is for the agent to compare.
  add(out, pb::COLUMN_TYPE_INTEGER, literal(std::int64_t{7}), pb::PREDICATE_OP_EQ, {literal("7"s)});
  add(out, pb::COLUMN_TYPE_TEXT, literal("7"s), pb::PREDICATE_OP_EQ, {literal(std::int64_t{7})});
  for (const pb::PredicateOp op : {pb::PREDICATE_OP_LIKE, pb::PREDICATE_OP_GLOB})
    for (const std::string& pattern : kPatterns) {
      for (std::size_t i = 0; i < std::size(kTexts); i += 2)
        add(out, pb::COLUMN_TYPE_TEXT, literal(kTexts[(i + pattern.size()) % std::size(kTexts)]), op,
            {literal(pattern)});
      add(out, pb::COLUMN_TYPE_TEXT, pb::Literal(), op, {literal(pattern)});
    }
  return out;
}

}  // namespace

std::vector<pb::ConformanceCheck> conformance_checks() {
  std::vector<pb::ConformanceCheck> out;
  pb::ConformanceCheck all = all_cases();
  for (pb::ConformanceCase& one : *all.mutable_cases()) {
    if (out.empty() || out.back().cases_size() >= kCasesPerCheck) out.emplace_back();
    *out.back().add_cases() = std::move(one);
  }
  return out;
}

class Conformance::Impl {
 public:
  Reference reference;
  bool is_open = false;
  std::map<Operation, Tally> tallies;
};

Conformance::Conformance() : impl_(std::make_unique<Impl>()) {}
Conformance::~Conformance() = default;

Result<> Conformance::take(const pb::ConformanceCheck& cases, const pb::DetectionResult& outcomes) {
  if (outcomes.conformance_size() != cases.cases_size())
    return fail(Errc::Corrupt, "conformance: " + std::to_string(outcomes.conformance_size()) + " outcomes for " +
                                   std::to_string(cases.cases_size()) + " cases");
  if (!impl_->is_open) DE_CHECK(impl_->reference.open());
  impl_->is_open = true;
  for (int i = 0; i < cases.cases_size(); ++i) {
    const pb::ConformanceCase& one = cases.cases(i);
    if (outcomes.conformance(i) == pb::CONFORMANCE_REFUSES) continue;
    DE_TRY(expected, impl_->reference.admits(one));
    Tally& tally = impl_->tallies[{one.column_type(), one.predicate().op()}];
    const bool admitted = outcomes.conformance(i) == pb::CONFORMANCE_ADMITS;
    tally.differs |= admitted != expected;
    (admitted ? tally.admitted : tally.excluded) = true;
  }
  return {};
}

std::set<Operation> Conformance::conforming() const {
  std::set<Operation> out;
  for (const auto& [operation, tally] : impl_->tallies)
    if (!tally.differs && tally.admitted && tally.excluded) out.insert(operation);
  return out;
}

}  // namespace de::mirror
