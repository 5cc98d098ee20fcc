#include "mirror/foreign_table.h"

#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

constexpr int kAttachedWhileShown = static_cast<int>(kMaxNamespaces) + 1;

struct ForeignVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {
    int filter(std::string_view plan, std::span<sqlite3_value* const> values);
    int next() {
      ++at;
      return SQLITE_OK;
    }
    bool at_end() const { return at >= (by_key ? found.size() : rows == nullptr ? 0 : rows->rows.size()); }
    std::size_t place() const { return by_key ? found[at] : at; }
    int column(sqlite3_context* context, int column) const {
      give_copy(context, rows->rows[place()][static_cast<std::size_t>(column)]);
      return SQLITE_OK;
    }
    sqlite3_int64 row_id() const { return static_cast<sqlite3_int64>(place()); }

    const ForeignRows* rows = nullptr;
    bool by_key = false;
    std::vector<std::size_t> found;
    std::size_t at = 0;
  };

  ForeignVtab(void* client, std::string_view argument)
      : sqlite3_vtab{}, view(static_cast<ForeignView*>(client)), name(argument) {}
  std::string declaration() const;
  int plan(sqlite3_index_info* info) const;
  const ForeignTable* find() const { return view->tables() == nullptr ? nullptr : view->tables()->find(name); }

  ForeignView* view;
  const std::string name;
};

std::string ForeignVtab::declaration() const {
  const ForeignTable* table = find();
  return table == nullptr ? std::string("CREATE TABLE x(nothing)") : declaration_of(table->info->columns);
}

// The key is only compared where its type makes equal values equal in every collation that is asked for.
int ForeignVtab::plan(sqlite3_index_info* info) const {
  const ForeignTable* table = find();
  const auto rows = table == nullptr || !table->rows ? std::size_t{1} : table->rows->rows.size() + 1;
  info->estimatedRows = static_cast<sqlite3_int64>(rows);
  info->estimatedCost = static_cast<double>(rows);
  if (table == nullptr || !table->info->key) return SQLITE_OK;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.usable == 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ ||
        constraint.iColumn != static_cast<int>(*table->info->key))
      continue;
    const char* collation = sqlite3_vtab_collation(info, i);
    if (collation == nullptr || std::string_view(collation) != "BINARY") continue;
    info->aConstraintUsage[i].argvIndex = 1;
    info->idxNum = 1;
    info->estimatedRows = 1;
    info->estimatedCost = 2;
    return SQLITE_OK;
  }
  return SQLITE_OK;
}

int ForeignVtab::Cursor::filter(std::string_view, std::span<sqlite3_value* const> values) {
  const auto& vtab = table_of<ForeignVtab>(*this);
  const ForeignTable* table = vtab.find();
  at = 0;
  found.clear();
  by_key = false;
  rows = table == nullptr ? nullptr : table->rows.get();
  if (rows == nullptr) {
    if (table != nullptr) vtab.view->note_untold(*table->info);
    return SQLITE_OK;
  }
  if (values.empty()) return SQLITE_OK;
  schema::Cell wanted;
  const int type = sqlite3_value_type(values[0]);
  const schema::SqlType key = table->info->columns[*table->info->key].type;
  // SQLite has not turned the value into one of the column's type; where it is another, it looks at every row itself.
  if (type == SQLITE_INTEGER && key == schema::SqlType::Integer)
    wanted = static_cast<std::int64_t>(sqlite3_value_int64(values[0]));
  else if (type == SQLITE_TEXT && key == schema::SqlType::Text)
    wanted = text_of(values[0]);
  else if (type != SQLITE_NULL)
    return SQLITE_OK;
  by_key = true;  // NULL is equal to nothing.
  const auto [from, to] = rows->by_key.equal_range(key_text(wanted));
  for (auto one = from; one != to; ++one) found.push_back(one->second);
  return SQLITE_OK;
}

}  // namespace

Result<> ForeignView::add_module(sqlite3* db) {
  if (sqlite3_create_module_v2(db, kForeignModule, VirtualTable<ForeignVtab>::module(), this, nullptr) == SQLITE_OK)
    return {};
  return fail(sqlite_error(db, "add the tables of other collectors"));
}

Result<> ForeignView::show(sqlite3* db, std::shared_ptr<const ForeignTables> tables) {
  const std::uint64_t before = tables_ ? tables_->generation : 0;
  tables_ = std::move(tables);
  if (before == (tables_ ? tables_->generation : 0)) return {};
  const int limit = sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, kAttachedWhileShown);
  const auto attach = [&]() -> Result<> {
    for (const std::string& space : attached_) DE_CHECK(exec(db, "DETACH " + space));
    attached_.clear();
    if (!tables_) return {};
    for (const ForeignTable& table : tables_->tables) {
      const std::string space(table.info->space());
      if (attached_.insert(space).second) DE_CHECK(exec(db, "ATTACH ':memory:' AS " + space));
      const std::string& name = table.info->name;
      const std::string quoted = space + ".\"" + std::string(table.info->bare()) + '"';
      DE_CHECK(exec(db, "CREATE VIRTUAL TABLE " + quoted + " USING " + kForeignModule + "(" + name + ")"));
    }
    return {};
  };
  Result<> done = attach();
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, limit);
  return done;
}

const ForeignInfo* ForeignView::find(std::string_view schema, std::string_view table) const {
  if (!tables_) return nullptr;
  for (const ForeignTable& one : tables_->tables)
    if (one.info->bare() == table && (schema.empty() || one.info->space() == schema)) return one.info.get();
  return nullptr;
}

void ForeignView::start() {
  missing.clear();
  noted_.clear();
}

void ForeignView::note_untold(const ForeignInfo& info) {
  if (!noted_.insert(info.name).second) return;
  pb::Reason& reason = missing.emplace_back();
  reason.set_reason("CollectorUnavailable");
  reason.set_collector(info.collector);
  reason.set_detail(info.name + ": nothing has come from collector " + info.collector + " yet");
}

}  // namespace de::mirror
