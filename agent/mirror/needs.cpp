#include "mirror/needs.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "daemoneye/schema/table.h"
#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/functions.h"
#include "mirror/host_table.h"
#include "mirror/stored_row.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

constexpr const char* kNeedModule = "de_need";
constexpr int kLastBit = 63;  // Of colUsed: it stands for all columns from there on.
constexpr std::size_t kMaxPlans = 4'096;

// What SQLite asked about one way of reading a table.
struct AskedPlan {
  bool is_history = false;
  std::vector<std::string> dear;  // Columns that it reads.
  std::vector<pb::Predicate> predicates;
};
struct Asked {
  std::vector<AskedPlan> plans;
  bool is_full = false;
};

const schema::TableInfo& table_named(std::string_view name) {
  const schema::TableInfo* found = schema::find_table(name);
  return *found;  // Only tables of ours are made.
}

// Of both tables whose rows are snapshots.
bool is_dear(const schema::TableInfo& table, std::string_view column) {
  if (table.name != "processes" && table.name != "processes.history") return false;
  const auto columns = table_named("processes").columns;
  return std::ranges::any_of(columns,
                             [&](const schema::ColumnInfo& one) { return one.on_demand && one.name == column; });
}

std::optional<pb::PredicateOp> operation(int op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return pb::PREDICATE_OP_EQ;
    case SQLITE_INDEX_CONSTRAINT_NE:
      return pb::PREDICATE_OP_NE;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return pb::PREDICATE_OP_LT;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return pb::PREDICATE_OP_LE;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return pb::PREDICATE_OP_GT;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return pb::PREDICATE_OP_GE;
    case SQLITE_INDEX_CONSTRAINT_LIKE:
      return pb::PREDICATE_OP_LIKE;
    case SQLITE_INDEX_CONSTRAINT_GLOB:
      return pb::PREDICATE_OP_GLOB;
    default:
      return std::nullopt;
  }
}

// A value that SQLite would compare as it is, without turning it into another type first.
std::optional<pb::Literal> literal_of(sqlite3_value* value, schema::SqlType type) {
  pb::Literal out;
  if (type == schema::SqlType::Integer && sqlite3_value_type(value) == SQLITE_INTEGER)
    out.set_int_value(sqlite3_value_int64(value));
  else if (type == schema::SqlType::Text && sqlite3_value_type(value) == SQLITE_TEXT)
    out.set_string_value(std::string(text_of(value)));
  else
    return std::nullopt;
  return out;
}

struct NeedVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {  // Of a table that is never read.
    int filter(std::string_view, std::span<sqlite3_value* const>) { return SQLITE_OK; }
    int next() { return SQLITE_OK; }
    bool at_end() const { return true; }
    int column(sqlite3_context*, int) const { return SQLITE_OK; }
    sqlite3_int64 row_id() const { return 0; }
  };

  NeedVtab(void* client, std::string_view argument)
      : sqlite3_vtab{},
        asked(static_cast<Asked*>(client)),
        info(table_named(argument)),
        columns(info.columns.begin(), info.columns.end()) {
    std::ranges::stable_partition(columns, [this](const auto& column) { return is_dear(info, column.name); });
  }
  std::string declaration() const { return declaration_of(columns); }
  int plan(sqlite3_index_info* out) const;
  void add(sqlite3_index_info* from, int i, AskedPlan& plan) const;

  Asked* asked;
  const schema::TableInfo& info;
  std::vector<schema::ColumnInfo>
      columns;  // The dear ones first: of the 63rd and all behind it SQLite tells as of one.
};

void NeedVtab::add(sqlite3_index_info* from, int i, AskedPlan& plan) const {
  const auto& constraint = from->aConstraint[i];
  const auto op = operation(constraint.op);
  if (!op || constraint.iColumn < 0 || plan.predicates.size() >= NeedFinder::kMaxPredicates) return;
  sqlite3_value* value = nullptr;  // Stays so for a list of values.
  if (sqlite3_vtab_rhs_value(from, i, &value) != SQLITE_OK || value == nullptr) return;
  const schema::ColumnInfo& column = columns[static_cast<std::size_t>(constraint.iColumn)];
  if (is_dear(info, column.name)) return;  // It is read for those that meet the others.
  const char* collation = sqlite3_vtab_collation(from, i);
  if (column.type == schema::SqlType::Text && (collation == nullptr || std::string_view(collation) != "BINARY")) return;
  const auto literal = literal_of(value, column.type);
  if (!literal) return;
  pb::Predicate& predicate = plan.predicates.emplace_back();
  predicate.set_column(std::string(column.name));
  predicate.set_op(*op);
  *predicate.add_values() = *literal;
}

// Every constraint makes a plan cheaper, so that what can be narrowed is, and the terms of an OR are read one by one.
int NeedVtab::plan(sqlite3_index_info* out) const {
  if (asked->plans.size() >= kMaxPlans) {
    asked->is_full = true;
    return SQLITE_OK;
  }
  AskedPlan& plan = asked->plans.emplace_back();
  plan.is_history = info.name == "processes.history";
  int used = 0;
  for (int i = 0; i < out->nConstraint; ++i) {
    if (out->aConstraint[i].usable == 0) continue;
    out->aConstraintUsage[i].argvIndex = ++used;
    add(out, i, plan);
  }
  for (std::size_t i = 0; i < columns.size() && is_dear(info, columns[i].name); ++i)
    if ((out->colUsed >> std::min<std::size_t>(i, kLastBit) & 1U) != 0) plan.dear.emplace_back(columns[i].name);
  out->estimatedCost = used == 0 ? 1e7 : 100.0 / used;
  out->estimatedRows = used == 0 ? 1'000'000 : 10;
  out->idxStr = sqlite3_mprintf("n%lld", static_cast<sqlite3_int64>(asked->plans.size() - 1));
  out->needToFreeIdxStr = 1;
  return out->idxStr == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

}  // namespace

bool ColumnNeeds::is_of_all() const {
  return std::ranges::any_of(of, [](const auto& list) { return list.empty(); });
}

class NeedFinder::Impl {
 public:
  Result<> open();
  void look_at_history(bool yes) { of_history_ = yes; }
  // Errors: Invalid.
  Result<ColumnNeeds> read(std::string_view sql);

 private:
  bool of_history_ = false;
  Asked asked_;  // Before db_: outlives it.
  Db db_;
};

Result<> NeedFinder::Impl::open() {
  DE_TRY(db, open_memory_db());
  db_ = std::move(db);
  DE_CHECK(exec(db_.get(), "ATTACH ':memory:' AS processes"));
  DE_CHECK(add_text_functions(db_.get()));
  DE_CHECK(add_like_functions(db_.get()));
  DE_CHECK(add_regex_functions(db_.get()));
  if (sqlite3_create_module_v2(db_.get(), kNeedModule, VirtualTable<NeedVtab>::module(), &asked_, nullptr) != SQLITE_OK)
    return fail(sqlite_error(db_.get(), "add the tables of needs"));
  const auto add = [this](std::string_view name, std::string_view table) {
    return exec(db_.get(), "CREATE VIRTUAL TABLE processes.\"" + std::string(name) + "\" USING " + kNeedModule + "(" +
                               std::string(table) + ")");
  };
  DE_CHECK(add("snapshots", "processes"));
  for (const schema::TableInfo& table : schema::tables())
    DE_CHECK(add(table.name.substr(table.name.rfind('.') + 1), table.name));
  return {};
}

Result<ColumnNeeds> NeedFinder::Impl::read(std::string_view sql) {
  asked_ = Asked();
  DE_TRY(stmt, prepare_explain(db_.get(), "EXPLAIN ", sql));
  ColumnNeeds out;
  constexpr int kOpcode = 1, kP4 = 5;
  while (sqlite3_step(stmt.get()) == SQLITE_ROW) {
    if (text_at(stmt.get(), kOpcode) != "VFilter") continue;
    const std::string_view name = text_at(stmt.get(), kP4);
    std::size_t number = 0;
    if (!name.starts_with('n') ||
        std::from_chars(name.data() + 1, name.data() + name.size(), number).ec != std::errc{} ||
        number >= asked_.plans.size())
      return fail(Errc::Invalid, "a plan that nobody made");
    const AskedPlan& plan = asked_.plans[number];
    if (plan.dear.empty() || (plan.is_history && !of_history_)) continue;
    out.columns.insert(plan.dear.begin(), plan.dear.end());
    out.of.push_back(plan.predicates);
  }
  if (asked_.is_full) return fail(Errc::Invalid, "more plans than are looked at");
  return out;
}

NeedFinder::NeedFinder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NeedFinder::~NeedFinder() = default;

Result<std::unique_ptr<NeedFinder>> NeedFinder::create() {
  auto impl = std::make_unique<Impl>();
  if (auto opened = impl->open(); !opened) return fail(std::move(opened).error().during("open the finder of needs"));
  return std::unique_ptr<NeedFinder>(new NeedFinder(std::move(impl)));
}

ColumnNeeds NeedFinder::find(std::string_view sql, const std::vector<std::string>& columns_used, bool of_history) {
  ColumnNeeds out;
  impl_->look_at_history(of_history);
  for (const std::string_view table : {"processes", "processes.history"})
    for (const schema::ColumnInfo& column : table_named(table).columns) {
      const std::string full = std::string(table) + "." + std::string(column.name);
      if ((of_history || table == "processes") && is_dear(table_named(table), column.name) &&
          std::ranges::find(columns_used, full) != columns_used.end())
        out.columns.insert(std::string(column.name));
    }
  if (out.is_empty()) return out;
  // A view names more columns than are read through it.
  if (auto read = impl_->read(sql)) out = std::move(*read);
  if (out.is_empty()) return out;
  if (out.of.empty() || out.of.size() > kMaxLists || out.is_of_all()) out.of.assign(1, {});
  return out;
}

}  // namespace de::mirror
