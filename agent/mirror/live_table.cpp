#include "mirror/live_table.h"

#include "mirror/database.h"
#include "mirror/function_args.h"
#include "mirror/virtual_table.h"

namespace de::mirror {
namespace {

std::string bare(const schema::TableInfo& table) { return std::string(table.name.substr(table.name.find('.') + 1)); }

struct LiveVtab : sqlite3_vtab {
  struct Cursor : sqlite3_vtab_cursor {
    int filter(std::string_view, std::span<sqlite3_value* const> values) {
      at = 0;
      rows = nullptr;
      const auto& vtab = table_of<LiveVtab>(*this);
      // '7' and 7.0 are pids, too: the column is one of integers.
      if (!values.empty() && sqlite3_value_numeric_type(values[0]) == SQLITE_INTEGER)
        rows = vtab.view->find(*vtab.info, sqlite3_value_int64(values[0]));
      return SQLITE_OK;
    }
    int next() {
      ++at;
      return SQLITE_OK;
    }
    bool at_end() const { return rows == nullptr || at >= rows->size(); }
    int column(sqlite3_context* context, int column) const {
      const ForeignRow& row = (*rows)[at];
      if (static_cast<std::size_t>(column) < row.size()) give_copy(context, row[static_cast<std::size_t>(column)]);
      return SQLITE_OK;
    }
    // SQLite takes rows with the same number for the same row.
    sqlite3_int64 row_id() const { return reinterpret_cast<std::intptr_t>(&(*rows)[at]); }

    const std::vector<ForeignRow>* rows = nullptr;
    std::size_t at = 0;
  };

  LiveVtab(void* client, std::string_view)
      : sqlite3_vtab{},
        view(static_cast<LiveView::Module*>(client)->shared),
        info(static_cast<LiveView::Module*>(client)->table) {}
  std::string declaration() const { return declaration_of(info->columns); }
  // `pid` is the first column. Without it there is no plan: nobody reads every process for one question.
  int plan(sqlite3_index_info* out) const {
    for (int i = 0; i < out->nConstraint; ++i) {
      const auto& constraint = out->aConstraint[i];
      if (constraint.usable == 0 || constraint.iColumn != 0 || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
      out->aConstraintUsage[i].argvIndex = 1;
      out->estimatedRows = 20;
      out->estimatedCost = 1'000;  // A process is asked, which takes its time.
      return SQLITE_OK;
    }
    return SQLITE_CONSTRAINT;
  }

  LiveView* view;
  const schema::TableInfo* info;
};

}  // namespace

LiveView::LiveView() {
  for (const schema::TableInfo& table : schema::live_tables()) modules_.push_back({this, &table});
}

void LiveView::start() {
  wanted.clear();
  missing.clear();
  noted_.clear();
}

void LiveView::note(const char* reason, std::string detail) {
  if (!noted_.insert(detail).second) return;
  pb::Reason& out = missing.emplace_back();
  out.set_reason(reason);
  out.set_detail(std::move(detail));
}

const std::vector<ForeignRow>* LiveView::find(const schema::TableInfo& table, std::int64_t pid) {
  const std::string name(table.name);
  if (!rows) {
    note("CollectionFailed", name + " is read live, and here is nobody who reads it");
    return nullptr;
  }
  if (const auto failed = rows->failed.find(name); failed != rows->failed.end()) {
    note("CollectionFailed", name + " could not be read: " + failed->second);
    return nullptr;
  }
  LiveKey key{name, pid};
  const auto found = rows->rows.find(key);
  if (found != rows->rows.end()) {
    if (const auto cut = rows->cut.find(name); cut != rows->cut.end())
      note("CollectionFailed", name + ": " + cut->second);
    return &found->second;
  }
  if (wanted.size() + rows->rows.size() >= max_wanted)
    note("ResourceLimit", name + " was read for the first " + std::to_string(max_wanted) + " processes only");
  else
    wanted.insert(std::move(key));
  return nullptr;
}

LiveView& no_live() {
  static LiveView kNone;
  return kNone;
}

std::vector<std::string> live_modules() {
  std::vector<std::string> out;
  for (const schema::TableInfo& table : schema::live_tables()) out.push_back("de_" + bare(table));
  return out;
}

Result<> add_live_modules(sqlite3* db, LiveView& view) {
  for (LiveView::Module& module : view.modules())
    if (sqlite3_create_module_v2(db, ("de_" + bare(*module.table)).c_str(), VirtualTable<LiveVtab>::module(), &module,
                                 nullptr) != SQLITE_OK)
      return fail(sqlite_error(db, "add the table " + std::string(module.table->name)));
  return {};
}

Result<> create_live_tables(sqlite3* db, std::string_view schema) {
  for (const schema::TableInfo& table : schema::live_tables())
    DE_CHECK(exec(db, "CREATE VIRTUAL TABLE IF NOT EXISTS " + std::string(schema) + "." + bare(table) + " USING de_" +
                          bare(table)));
  return {};
}

Result<> connect_live_tables(sqlite3* db, std::string_view schema) {
  for (const schema::TableInfo& table : schema::live_tables())
    DE_CHECK(exec(db, "SELECT 1 FROM " + std::string(schema) + "." + bare(table) + " WHERE pid=0 LIMIT 0"));
  return {};
}

}  // namespace de::mirror
