// New events for somebody who watches: what was stored since the last look, in one bounded answer.
#include "daemoneye/schema/event_columns.h"
#include "serve/answers.h"

namespace de::serve {
namespace {

constexpr std::size_t kMaxRows = 5'000;
constexpr std::size_t kMaxBytes = 8UL << 20;
constexpr std::size_t kMaxTextBytes = 4'096;  // A line on a screen; a query has the whole.

constexpr std::string_view kShown[] = {"event_time_ms", "event_type",      "pid",       "ppid",
                                       "user_name",     "user_id",         "name",      "executable_path",
                                       "command_line",  "parent_name",     "exit_code", "exit_signal",
                                       "duration_ms",   "modified_fields", "reason",    "process_uid"};

using EventColumn = schema::Column<pb::ProcessEvent>;

std::vector<const EventColumn*> find_shown() {
  std::vector<const EventColumn*> out;
  for (const std::string_view name : kShown)
    for (const EventColumn& column : schema::event_columns())
      if (column.name == name) out.push_back(&column);
  return out;
}

void put(pb::Value& to, const schema::Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) to.set_integer(*integer);
  if (const auto* real = std::get_if<double>(&cell)) to.set_real(*real);
  if (const auto* view = std::get_if<std::string_view>(&cell)) to.set_text(std::string(view->substr(0, kMaxTextBytes)));
  if (const auto* text = std::get_if<std::string>(&cell)) to.set_text(text->substr(0, kMaxTextBytes));
}

Result<std::shared_ptr<Answer>> read_new(const Context& context, const pb::FollowRequest& request,
                                         const pb::Completeness& completeness) {
  static const std::vector<const EventColumn*> shown = find_shown();
  auto answer = std::make_shared<Answer>(completeness, context.file_dir);
  for (const EventColumn* column : shown) answer->columns.emplace_back(column->name);
  store::EventFilter filter;
  if (request.has_after())
    filter.after = request.after();
  else
    filter.to_ms = filter.from_ms;  // Nothing: only the position.
  pb::Row row;                      // Reused.
  std::uint64_t left_out = 0;
  DE_TRY(outcome, context.store.find_events(filter, [&](std::string_view, const pb::ProcessEvent& event) {
    // Counted to the end: going on in the middle of an answer is not possible.
    if (answer->rows.size() >= kMaxRows || answer->rows.bytes() >= kMaxBytes) {
      ++left_out;
      return true;
    }
    row.Clear();
    for (const EventColumn* column : shown) put(*row.add_values(), column->read(event));
    return answer->rows.add(row);
  }));
  answer->trailer.set_position(outcome.position);
  answer->trailer.set_left_out(left_out);
  return answer;
}

}  // namespace

link::Task<Answer> answer_follow(Context& context, pb::FollowRequest request) {
  auto settled = co_await context.settle();
  (void)settled;  // As for a query.
  const pb::Completeness completeness = context.completeness();
  auto job = [&context, &request, &completeness] { return read_new(context, request, completeness); };
  DE_CO_TRY(answer, co_await link::run_on(context.readers, std::move(job)));
  co_return std::move(*answer);
}

}  // namespace de::serve
