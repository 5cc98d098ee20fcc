#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/osquery/dialect.h"
#include "daemoneye/schema/sql_functions.h"
#include "daemoneye/schema/table.h"
#include "ingest/past_snapshot.h"
#include "mirror/auto_join.h"
#include "mirror/proto_value.h"
#include "serve/answers.h"

namespace de::serve {
namespace {

constexpr std::uint32_t kMinTimeoutMs = 1;
constexpr std::size_t kMaxParams = 32;
constexpr int kLiveTurns = 8;

mirror::Value to_value(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kInteger:
      return value.integer();
    case pb::Value::kReal:
      return value.real();
    case pb::Value::kText:
      return std::string_view(value.text());
    case pb::Value::kBlob:
      return mirror::Blob{value.blob()};
    case pb::Value::KIND_NOT_SET:
      return std::monostate{};
  }
  return std::monostate{};
}

void degrade(pb::Completeness& completeness, const char* reason, std::string detail) {
  completeness.set_complete(false);
  pb::Reason& added = *completeness.add_reasons();
  added.set_reason(reason);
  added.set_detail(std::move(detail));
}

// What the snapshot's reasons say already is not said again.
void add_missing(pb::Completeness& completeness, std::span<const pb::Reason> missing) {
  for (const pb::Reason& reason : missing) {
    const auto is_same = [&](const pb::Reason& known) {
      return known.reason() == reason.reason() && known.detail() == reason.detail() &&
             known.collector() == reason.collector();
    };
    if (std::ranges::any_of(completeness.reasons(), is_same)) continue;
    completeness.set_complete(false);
    *completeness.add_reasons() = reason;
  }
}

Result<Answer> run_query(mirror::Session& session, const pb::QueryRequest& request, const mirror::Budget& budget,
                         const pb::Completeness& completeness, const std::string& file_dir,
                         std::vector<mirror::LiveKey>& wanted) {
  std::vector<mirror::Value> params;
  for (const pb::Value& value : request.params()) params.push_back(to_value(value));
  Answer answer(completeness, file_dir);
  const auto on_columns = [&](std::span<const std::string> names) {
    answer.columns.assign(names.begin(), names.end());
  };
  pb::Row row;  // Reused.
  const auto on_row = [&](std::span<const mirror::Value> values) {
    row.Clear();
    for (const mirror::Value& value : values) mirror::put(*row.add_values(), value);
    return answer.rows.add(row);
  };
  DE_TRY(outcome, session.run(request.sql(), params, budget, on_columns, on_row));
  wanted = std::move(outcome.wanted);
  add_missing(*answer.trailer.mutable_completeness(), outcome.missing);
  // Cut where the asker wanted it cut is complete; cut before, by a limit of ours, is not.
  if (outcome.truncated && (request.limit_rows() == 0 || outcome.rows < request.limit_rows()))
    degrade(*answer.trailer.mutable_completeness(), "ResultCapped",
            "the answer was cut after " + std::to_string(outcome.rows) + " rows; narrow it or add LIMIT");
  answer.trailer.set_elapsed_us(outcome.elapsed_us);
  return answer;
}

std::string joined(const std::set<std::string, std::less<>>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string moment_text(std::int64_t ms, const char* otherwise) {
  return ms == mirror::kNoStartMs || ms == mirror::kNoEndMs ? otherwise : std::string(to_iso8601(ms).text);
}

// What it costs is known once it ran; its rows are nobody's.
template <class Add>
void add_cost(const Result<mirror::Outcome>& outcome, const Add& add) {
  if (!outcome) return add("cost", "not known: " + outcome.error().what());
  for (const mirror::Looked& one : outcome->stored)
    add("read", std::string(one.table) + ": " + std::to_string(one.rows) + " rows in " + std::to_string(one.looks) +
                    (one.looks == 1 ? " look" : " looks") + ", from " + moment_text(one.from_ms, "the first") + " to " +
                    moment_text(one.to_ms, "the last"));
  std::string ms;
  append_json_number(ms, static_cast<double>(outcome->elapsed_us) / 1000);
  add("cost", std::to_string(outcome->rows) + (outcome->truncated ? " rows and more, " : " rows, ") +
                  std::to_string(outcome->vm_steps) + " steps, " + ms + " ms");
}

Result<Answer> explain_query(mirror::Session& session, const pb::QueryRequest& request, const mirror::Budget& budget,
                             const std::string& collected) {
  DE_TRY(explained, session.explain(request.sql()));
  Answer answer(complete());
  answer.columns = {"kind", "detail"};
  const auto add = [&](std::string_view kind, std::string_view detail) {
    answer.rows.add(row_of({text_value(kind), text_value(detail)}));
  };
  for (const std::string& step : explained.plan) add("plan", step);
  for (const std::string& table : explained.statement.tables) add("table", table);
  for (const std::string& column : explained.statement.columns_used) add("column", column);
  for (const std::string& function : explained.statement.functions) add("function", function);
  if (!collected.empty()) add("collected", "on demand: " + collected);
  for (const std::string& warning : explained.warnings) add("warning", warning);
  std::vector<mirror::Value> params;
  for (const pb::Value& value : request.params()) params.push_back(to_value(value));
  add_cost(session.run(
               request.sql(), params, budget, [](const auto&) {}, [](const auto&) { return true; }),
           add);
  return answer;
}

Result<Answer> validate_query(mirror::Session& session, const pb::QueryRequest& request) {
  DE_TRY(statement, session.validate(request.sql()));
  Answer answer(complete());
  answer.columns = {"valid", "columns", "parameters"};
  answer.rows.add(row_of({text_value("yes"), int_value(static_cast<std::int64_t>(statement.columns.size())),
                          int_value(statement.parameters)}));
  return answer;
}

mirror::Budget budget_for(const pb::QueryRequest& request, mirror::Budget budget) {
  if (request.timeout_ms() != 0)
    budget.time_ms = std::clamp<std::int64_t>(request.timeout_ms(), kMinTimeoutMs, budget.time_ms);
  if (request.limit_rows() != 0) budget.rows = std::min<std::size_t>(budget.rows, request.limit_rows());
  return budget;
}

}  // namespace

Result<std::unique_ptr<mirror::Session>> SessionShelf::take() {
  if (idle_.empty()) return mirror::Session::create(mirror::Origin::AdHoc, clock_, &stored_, host_);
  std::unique_ptr<mirror::Session> session = std::move(idle_.back());
  idle_.pop_back();
  return session;
}

void SessionShelf::put_back(std::unique_ptr<mirror::Session> session) {
  if (idle_.size() >= kKept) return;
  if (!nothing_) {
    auto empty = mirror::empty_image();
    if (!empty) return;  // No memory: the next query makes a new session.
    nothing_ = std::move(*empty);
  }
  if (session->load(nothing_)) idle_.push_back(std::move(session));
}

namespace {

// In place: what follows sees the agent's own SQL only.
Result<> translate(pb::QueryRequest& request) {
  if (request.dialect() == pb::DIALECT_OSQUERY) {
    DE_TRY(translated, osquery::from_osquery(request.sql()));
    request.set_sql(std::move(translated));
    request.clear_dialect();
  }
  DE_TRY(joined, mirror::rewrite_auto_joins(request.sql()));
  request.set_sql(std::move(joined.sql));
  return {};
}

}  // namespace

namespace {

// Whether it is worth a look what the statement reads.
bool may_need_more(std::string_view sql) {
  const auto is_named = [sql](const schema::ColumnInfo& column) {
    return column.on_demand && sql.find(column.name) != std::string_view::npos;
  };
  return sql.find('*') != std::string_view::npos ||
         std::ranges::any_of(schema::find_table("processes")->columns, is_named);
}

// A statement that is wrong needs nothing; it is refused when it is run.
link::Task<mirror::ColumnNeeds> find_needs(Context& context, mirror::Session& session, pb::QueryRequest request) {
  if (request.has_as_of_ms() || !may_need_more(request.sql())) co_return mirror::ColumnNeeds();
  auto image = context.image();
  auto job = [&session, &request, &image]() -> Result<mirror::ColumnNeeds> {
    if (!translate(request) || (image && !session.load(image))) return mirror::ColumnNeeds();
    auto needs = session.needs(request.sql(), false);
    return needs ? std::move(*needs) : mirror::ColumnNeeds();
  };
  co_return co_await link::run_on(context.readers, std::move(job));
}

// One statement, asked again when more was read for it.
struct QueryRun {
  Context& context;
  mirror::Session& session;
  pb::QueryRequest& request;
  const mirror::Budget budget;
  pb::Completeness completeness;
  std::shared_ptr<const mirror::Image> image;
  const std::string collected;             // On demand, in words.
  std::shared_ptr<mirror::LiveRows> live;  // Null: nobody reads anything.
  std::vector<mirror::LiveKey> wanted;     // Of the latest run.

  Result<std::shared_ptr<Answer>> run();
  void add(const mirror::LiveRows& read) {
    auto more = std::make_shared<mirror::LiveRows>(read);
    more->rows.insert(live->rows.begin(), live->rows.end());
    more->cut.insert(live->cut.begin(), live->cut.end());
    live = std::move(more);
  }
};

Result<std::shared_ptr<Answer>> QueryRun::run() {
  DE_CHECK(translate(request));
  if (request.has_as_of_ms()) {
    DE_TRY(past, ingest::past_snapshot(context.store, request.as_of_ms()));
    image = std::move(past.image);
    completeness = std::move(past.completeness);
  }
  if (image) DE_CHECK(session.load(image));
  session.see_live(live, context.max_live);
  const auto wrap = [](Result<Answer> answer) -> Result<std::shared_ptr<Answer>> {
    if (!answer) return fail(std::move(answer).error());
    return std::make_shared<Answer>(std::move(*answer));
  };
  switch (request.mode()) {
    case pb::QUERY_EXPLAIN:
      return wrap(explain_query(session, request, budget, collected));
    case pb::QUERY_VALIDATE:
      return wrap(validate_query(session, request));
    default:
      return wrap(run_query(session, request, budget, completeness, context.file_dir, wanted));
  }
}

}  // namespace

link::Task<Answer> answer_query(Context& context, SessionShelf& shelf, link::Peer peer, pb::QueryRequest request,
                                Unwanted is_unwanted) {
  if (request.params_size() > static_cast<int>(kMaxParams)) co_return fail(Errc::Invalid, "more than 32 parameters");
  DE_CO_TRY(taken, shelf.take());
  std::unique_ptr<mirror::Session> session = std::move(taken);
  const std::string written = request.sql();
  if (request.mode() == pb::QUERY_RUN && !request.has_as_of_ms()) {
    auto settled = co_await context.settle();
    (void)settled;  // Never fails; what could not be stored is said by the completeness below.
  }
  mirror::Budget budget = budget_for(request, context.query_budget);
  DE_CO_TRY(needs, co_await find_needs(context, *session, request));
  bool is_collected = true;
  if (request.mode() == pb::QUERY_RUN && !needs.is_empty()) {
    DE_CO_TRY(done, co_await context.collect(needs, budget.time_ms));
    is_collected = done;
  }
  const std::string collected = context.demand.in_words(needs);
  auto image = context.image();
  pb::Completeness completeness = context.completeness();
  if (!is_collected)
    degrade(completeness, "CollectionFailed",
            "columns that are collected on demand did not come in time: " + joined(needs.columns));
  budget.is_unwanted = is_unwanted.get();
  QueryRun query{context, *session, request, budget, std::move(completeness), std::move(image), collected, {}, {}};
  if (!request.has_as_of_ms()) query.live = std::make_shared<mirror::LiveRows>();
  auto job = [&query] { return query.run(); };
  auto answer = co_await link::run_on(context.readers, job);
  // What it says of a process may lead to another one.
  for (int turn = 0; turn < kLiveTurns && answer && !query.wanted.empty(); ++turn) {
    std::vector<mirror::LiveKey> keys;
    keys.swap(query.wanted);
    auto read = co_await context.read_live(std::move(keys), budget.time_ms);
    if (!read) break;
    query.add(**read);
    answer = co_await link::run_on(context.readers, job);
  }
  if (answer && !query.wanted.empty())
    degrade(*(*answer)->trailer.mutable_completeness(), "ResourceLimit",
            "the statement asks for more processes with what it read of others than " + std::to_string(kLiveTurns) +
                " times");
  session->see_live();
  // After a memory overrun the session may hold on to what it got: a fresh one is cheaper than a doubt.
  if (answer || answer.error().code() == Errc::Invalid) shelf.put_back(std::move(session));
  if (!answer) {
    if (answer.error().code() == Errc::Invalid)
      context.audit("query.refused", "{\"uid\":" + std::to_string(peer.uid) +
                                         ",\"reason\":" + json_string(answer.error().what().substr(0, 512)) +
                                         ",\"sql\":" + json_string(written.substr(0, 1024)) + "}");
    co_return fail(std::move(answer).error());
  }
  co_return std::move(**answer);
}

namespace {

std::string help_of(const mirror::ForeignTables* tables, const schema::TableInfo& table,
                    const schema::ColumnInfo& column) {
  std::string out(column.help);
  if (column.on_demand) out += "; collected on demand";
  if (tables != nullptr && tables->is_untold(std::string(table.name) + "." + std::string(column.name)))
    out += "; no collector tells it now";
  return out;
}

void add_foreign(Answer& answer, const mirror::ForeignInfo& info) {
  for (std::size_t i = 0; i < info.columns.size(); ++i) {
    const mirror::ForeignColumn& column = info.columns[i];
    answer.rows.add(row_of({text_value(info.name), text_value(column.name), text_value(schema::to_text(column.type)),
                            text_value(column.unit), text_value(info.key == i ? "yes" : ""), text_value(column.help)}));
  }
}

}  // namespace

link::Task<Answer> answer_schema(const Context& context, pb::SchemaRequest request) {
  Answer answer(complete());
  if (request.functions()) {
    answer.columns = {"function", "kind", "form", "help"};
    for (const schema::SqlFunction& one : schema::sql_function_rows())
      answer.rows.add(row_of({text_value(one.name), text_value(one.kind), text_value(one.form), text_value(one.help)}));
    co_return answer;
  }
  answer.columns = {"table", "column", "type", "unit", "indexed", "help"};
  const auto image = context.image();
  const mirror::ForeignTables* tables = image ? image->foreign.get() : nullptr;
  const schema::TableInfo* only = nullptr;
  if (!request.table().empty()) {
    only = schema::find_table(request.table());
    const mirror::ForeignTable* foreign = tables == nullptr ? nullptr : tables->find(request.table());
    if (foreign != nullptr) {
      add_foreign(answer, *foreign->info);
      co_return answer;
    }
    if (only == nullptr) {
      std::vector<std::string_view> names;
      for (const schema::TableInfo& table : schema::tables()) names.push_back(table.name);
      for (std::size_t i = 0; tables != nullptr && i < tables->tables.size(); ++i)
        names.push_back(tables->tables[i].info->name);
      co_return fail(Errc::NotFound,
                     "no table " + escape_controls(request.table()) + suggestion(request.table(), names));
    }
  }
  for (const schema::TableInfo& table : schema::tables()) {
    if (only != nullptr && only != &table) continue;
    for (const schema::ColumnInfo& column : table.columns)
      answer.rows.add(row_of({text_value(table.name), text_value(column.name), text_value(schema::to_text(column.type)),
                              text_value(schema::to_text(column.unit)), text_value(column.indexed ? "yes" : ""),
                              text_value(help_of(tables, table, column))}));
  }
  for (std::size_t i = 0; only == nullptr && tables != nullptr && i < tables->tables.size(); ++i)
    add_foreign(answer, *tables->tables[i].info);
  co_return answer;
}

}  // namespace de::serve
