#include "console/service_command.h"

#include <algorithm>

#include "service/program.h"

namespace de::console {
namespace {

using service::Action;

bool changes(Action action) { return action != Action::Status && action != Action::Logs; }

ExitCode say_failed(const Error& error, const Streams& streams) {
  say(streams, error.message());
  return ExitCode::Failed;
}

ExitCode say_ended(const service::Step& step, int exit_code, const Streams& streams) {
  std::string words;
  for (const std::string& word : step) words += (words.empty() ? "" : " ") + word;
  say(streams, "this ended with " + std::to_string(exit_code) + ": " + words);
  return ExitCode::Failed;
}

pb::Value text_value(const std::string& text) {
  pb::Value value;
  if (!text.empty()) value.set_text(text);
  return value;
}

pb::Value number_value(std::uint64_t number) {
  pb::Value value;
  value.set_integer(static_cast<std::int64_t>(number));
  return value;
}

// Rows of `answer`, like every other result.
ExitCode show(const std::vector<service::State>& states, Answer& answer) {
  pb::ControlReply reply;
  for (const char* name : {"unit", "active", "enabled", "pid", "restarts", "since", "status"})
    reply.mutable_header()->add_columns(name);
  auto taken = answer.take(reply);
  for (const service::State& state : states) {
    pb::Row& row = *reply.mutable_page()->add_rows();
    *row.add_values() = text_value(state.unit);
    *row.add_values() = text_value(state.active);
    *row.add_values() = text_value(state.enabled);
    *row.add_values() = state.pid == 0 ? pb::Value() : number_value(state.pid);
    *row.add_values() = number_value(state.restarts);
    *row.add_values() = text_value(state.since);
    *row.add_values() = state.active == "active" ? text_value(state.status) : pb::Value();  // Else its last words.
  }
  if (taken) taken = answer.take(reply);
  pb::Trailer trailer;
  trailer.mutable_completeness()->set_complete(true);
  (void)answer.end(trailer);  // A failed output is the answer's to judge.
  return answer.finish();
}

ExitCode show_status(const service::Step& step, Answer& answer, const Streams& streams) {
  const auto printed = service::read_program(step, streams.err);
  if (!printed) return say_failed(printed.error(), streams);
  if (printed->exit_code != 0) return say_ended(step, printed->exit_code, streams);
  const auto states = service::parse_status(printed->text);
  if (!states) return say_failed(states.error(), streams);
  const ExitCode shown = show(*states, answer);
  if (shown != ExitCode::Complete) return shown;
  const auto is_well = [](const service::State& state) { return state.active == "active"; };
  if (std::ranges::all_of(*states, is_well)) return ExitCode::Complete;
  const bool is_absent =
      std::ranges::any_of(*states, [](const service::State& state) { return state.enabled.empty(); });
  say(streams, is_absent ? "a service is not installed: install the package, or run install.sh of the archive"
                         : "a service does not run; daemoneye-cli service logs says why, service start starts it");
  return ExitCode::Failed;
}

}  // namespace

ExitCode run_service(const service::Request& request, bool is_root, Answer& answer, const Streams& streams) {
  const std::string name(service::to_text(request.action));
  if (const auto host = service::check_host(); !host) return say_failed(host.error(), streams);
  if (changes(request.action) && !is_root) {
    say(streams, "only root may " + name + " services: sudo daemoneye-cli service " + name);
    return ExitCode::NotPermitted;
  }
  const service::Plan plan = service::make_plan(request);
  if (request.action == Action::Status) return show_status(plan.steps.front(), answer, streams);
  for (const service::Step& step : plan.steps) {
    // Only logs are a result; what the others print is for the operator.
    const int out = request.action == Action::Logs ? streams.out : streams.err;
    const auto exit_code = service::run_program(step, out, streams.err);
    if (!exit_code) return say_failed(exit_code.error(), streams);
    if (*exit_code != 0 && request.action == Action::Logs && *exit_code >= 128) return ExitCode::Complete;  // Ctrl-C.
    if (*exit_code != 0) return say_ended(step, *exit_code, streams);
  }
  if (!plan.done.empty()) say(streams, plan.done);
  return ExitCode::Complete;
}

}  // namespace de::console
