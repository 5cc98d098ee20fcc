#include "console/run.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <type_traits>

#include "console/answer.h"
#include "console/arguments.h"
#include "console/client.h"
#include "console/import_rules.h"
#include "console/offline.h"
#include "console/replay_events.h"
#include "console/request.h"
#include "console/service_command.h"
#include "console/set_config.h"
#include "console/settings.h"
#include "console/tree.h"
#include "console/watch.h"
#include "daemoneye/config/config.h"

namespace de::console {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kReplyLimit = 60s;       // Twelve times what a query may take by default.
constexpr std::chrono::milliseconds kBacktestLimit = 3600s;  // The longest that an agent can be set to.
constexpr std::chrono::milliseconds kReplyMargin = 30s;      // On top of the time a query was given.

template <class... Kinds>
bool is_any(const Command& command) {
  return (std::holds_alternative<Kinds>(command) || ...);
}

ExitCode print(const Streams& streams, std::string_view text) {
  const auto written = write_all(streams.out, text);
  if (written || written.error().code() == Errc::Closed) return ExitCode::Complete;
  say(streams, written.error().message());
  return ExitCode::Failed;
}

config::LoadInput load_input(const Invocation& invocation, const char* const* env, config::Program program) {
  config::LoadInput input = config::standard_input(program, env);
  input.explicit_file = invocation.config_file;
  if (invocation.state_dir) input.flags["state_dir"] = *invocation.state_dir;
  if (program != config::Program::Procmond && invocation.socket) input.flags["control_socket"] = *invocation.socket;
  if (program == config::Program::Cli && invocation.output) input.flags["cli.output"] = *invocation.output;
  return input;
}

// Every value is named, so that a format the configuration learns cannot be printed as another one.
render::Format to_format(config::OutputFormat format) {
  switch (format) {
    case config::OutputFormat::Table:
      return render::Format::Table;
    case config::OutputFormat::Json:
      return render::Format::Json;
    case config::OutputFormat::Jsonl:
      return render::Format::Jsonl;
    case config::OutputFormat::Csv:
      return render::Format::Csv;
    case config::OutputFormat::Markdown:
      return render::Format::Markdown;
    case config::OutputFormat::Line:
      break;
  }
  return render::Format::Line;
}

// The group that may use the socket, or that may enter its directory when the socket itself cannot be seen.
std::string group_of(const std::string& socket) {
  struct stat status {};
  if (::stat(socket.c_str(), &status) != 0 &&
      ::stat(socket.substr(0, std::max<std::size_t>(1, socket.rfind('/'))).c_str(), &status) != 0)
    return "daemoneye";
  const group* found = ::getgrgid(status.st_gid);
  return found != nullptr ? found->gr_name : "number " + std::to_string(status.st_gid);
}

ExitCode say_unconnected(const Error& error, const config::Paths& paths, const Streams& streams) {
  const std::string& socket = paths.control_socket;
  if (error.code() == Errc::Denied) {
    say(streams, "not permitted to use " + socket + ": members of the group " + group_of(socket) +
                     " may (a new membership counts from the next login)");
    return ExitCode::NotPermitted;
  }
  if (error.code() == Errc::Invalid) {
    say(streams, error.message());
    return ExitCode::Usage;
  }
  const std::string start = paths.is_private ? "daemoneye-agent --foreground --state-dir " + paths.state_dir
                                             : std::string("systemctl start daemoneye-agent");
  say(streams, "no agent answers on " + socket + ": " + error.message() + "\nStart it with: " + start +
                   "\nor name the socket of a running one with --socket PATH or --state-dir DIR.");
  return ExitCode::Unreachable;
}

std::chrono::milliseconds reply_limit(const Command& command) {
  std::chrono::milliseconds asked{0};
  if (const auto* query = std::get_if<QueryCommand>(&command)) asked = std::chrono::milliseconds(query->timeout_ms);
  if (const auto* test = std::get_if<RuleBacktestCommand>(&command))
    asked = test->timeout_ms == 0 ? kBacktestLimit : std::chrono::milliseconds(test->timeout_ms);
  return std::max(kReplyLimit, asked + kReplyMargin);
}

// A question may take its time, and an agent that stands still looks the same from here.
Client::OnSilence say_waiting(std::chrono::milliseconds limit, const Streams& streams) {
  return [limit, &streams] {
    say(streams, "no answer for " + std::to_string(Client::kPatience.count()) +
                     " s: the agent is busy or stands still; waiting for up to " +
                     std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count()) + " s");
  };
}

ExitCode ask_agent(const Question& question, const Command& command, const config::Paths& paths, Answer& answer,
                   const Streams& streams) {
  for (const pb::ControlRequest& request : question.requests) {
    auto client = Client::connect(paths.control_socket);
    if (!client) {
      // Not broke_off(): what was answered before stays an answer, and the next step is the operator's.
      const ExitCode code = say_unconnected(client.error(), paths, streams);
      (void)answer.finish();  // Completes what is on the screen already; this exit code outranks its.
      return code;
    }
    const std::chrono::milliseconds limit = reply_limit(command);
    const auto trailer = client->ask(
        request, limit, [&](const pb::ControlReply& reply) { return answer.take(reply); }, say_waiting(limit, streams));
    if (!trailer) {
      answer.broke_off(trailer.error());
      break;
    }
    if (!answer.end(*trailer)) break;
  }
  return answer.finish();
}

// Whole before anything is printed: who is whose parent is known at the end.
ExitCode show_tree(const Question& question, const TreeCommand& command, const config::Paths& paths, bool as_rows,
                   Answer& answer, const Streams& streams) {
  auto client = Client::connect(paths.control_socket);
  if (!client) return say_unconnected(client.error(), paths, streams);
  Tree tree;
  const auto take = [&tree](const pb::ControlReply& reply) -> Result<> {
    for (const pb::Row& row : reply.page().rows()) DE_CHECK(tree.add(row));
    return {};
  };
  const auto trailer = client->ask(question.requests.front(), kReplyLimit, take, say_waiting(kReplyLimit, streams));
  if (!trailer) {
    answer.broke_off(trailer.error());
    return answer.finish();
  }
  if (!answer.end(*trailer) || trailer->status() != pb::STATUS_OK) return answer.finish();
  const auto rows = tree.rows(command.pid);
  if (!rows) {
    say(streams, rows.error().message());
    return ExitCode::Failed;
  }
  if (!as_rows) {
    const ExitCode printed = print(streams, *tree.draw(command.pid));
    return printed == ExitCode::Complete ? answer.finish() : printed;
  }
  pb::ControlReply reply;
  for (const std::string& column : Tree::columns()) reply.mutable_header()->add_columns(column);
  auto taken = answer.take(reply);
  for (const pb::Row& row : *rows) *reply.mutable_page()->add_rows() = row;
  if (taken) taken = answer.take(reply);
  if (!taken) answer.broke_off(taken.error());
  return answer.finish();
}

std::string words_of(const Command& command) {
  if (const auto* asked = std::get_if<ServiceCommand>(&command))
    return "service " + std::string(service::to_text(asked->request.action));
  if (is_any<AuditVerifyCommand>(command)) return "audit verify";
  if (is_any<AuditTailCommand>(command)) return "audit tail";
  if (is_any<RulesImportCommand>(command)) return "rules import";
  if (is_any<RuleBacktestCommand>(command)) return "rules backtest";
  return is_any<ConfigValidateCommand>(command) ? "config validate" : "config show";
}

render::Options render_options(const Invocation& invocation, const char* const* env, const Streams& streams,
                               config::OutputFormat format) {
  const Screen screen = screen_of(streams.out, env, invocation.no_color);
  return {to_format(format), screen.color, screen.width, words_of(invocation.command)};
}

// What looks at files that may be wrong, so that none is read before.
ExitCode execute_on_files(const Invocation& invocation, const char* const* env, const Streams& streams) {
  config::LoadInput flags;
  if (invocation.output) flags.flags["cli.output"] = *invocation.output;
  const auto loaded = config::load_cli(flags);
  if (!loaded) return say_error(loaded.error(), streams);
  Answer answer(render_options(invocation, env, streams, loaded->value.output), streams);
  ConfigValidateCommand validate = std::get<ConfigValidateCommand>(invocation.command);
  if (validate.file.empty()) validate.file = invocation.config_file;
  std::vector<config::LoadInput> usual;
  for (const config::Program program : {config::Program::Procmond, config::Program::Agent, config::Program::Cli})
    usual.push_back(load_input(invocation, env, program));
  return validate_config(validate, usual, invocation.output.has_value(), answer, streams);
}

ExitCode execute(const Invocation& invocation, const char* const* env, const Streams& streams) {
  const Command& command = invocation.command;
  if (is_any<VersionCommand>(command)) return print(streams, "daemoneye-cli " DE_VERSION "\n");
  if (const auto* sample = std::get_if<ConfigSampleCommand>(&command))
    return print(streams,
                 sample->program.empty() ? config::sample_file() : config::sample_file(program_of(sample->program)));
  if (const auto* set = std::get_if<ConfigSetCommand>(&command)) {
    ConfigSetCommand wanted = *set;
    if (wanted.file.empty()) wanted.file = invocation.config_file;
    return set_config(wanted, config::standard_input(config::Program::Cli, env), streams);
  }
  if (is_any<ConfigValidateCommand>(command)) return execute_on_files(invocation, env, streams);

  const auto loaded = config::load_cli(load_input(invocation, env, config::Program::Cli));
  if (!loaded) return say_error(loaded.error(), streams);
  for (const std::string& warning : loaded->warnings) say(streams, "warning: " + warning);
  const config::Paths& paths = loaded->value.paths;

  render::Options options = render_options(invocation, env, streams, loaded->value.output);
  if (const auto* show = std::get_if<ConfigShowCommand>(&command)) {
    Answer answer(std::move(options), streams);
    const auto input = load_input(invocation, env, program_of(show->program));
    return show_config(*show, input, invocation.output.has_value(), answer, streams);
  }
  if (const auto* verify = std::get_if<AuditVerifyCommand>(&command)) {
    Answer answer(std::move(options), streams);
    return verify_ledger(*verify, paths, answer, streams);
  }
  if (const auto* tail = std::get_if<AuditTailCommand>(&command)) {
    Answer answer(std::move(options), streams);
    return tail_ledger(*tail, paths, answer, streams);
  }
  if (const auto* import = std::get_if<RulesImportCommand>(&command)) {
    Answer answer(std::move(options), streams);
    return import_rules(*import, answer, streams);
  }
  if (const auto* backtest = std::get_if<RuleBacktestCommand>(&command);
      backtest != nullptr && !backtest->events.empty()) {
    Answer answer(std::move(options), streams);
    return replay_events(*backtest, answer, streams);
  }
  if (const auto* asked = std::get_if<ServiceCommand>(&command)) {
    if (invocation.state_dir || invocation.socket) {
      say(streams, "service is about the installed instance: leave out --state-dir and --socket");
      return ExitCode::Usage;
    }
    Answer answer(std::move(options), streams);
    return run_service(asked->request, ::geteuid() == 0, answer, streams);
  }
  if (const auto* watch = std::get_if<WatchCommand>(&command))
    return watch_processes(*watch, paths, std::move(options), streams,
                           [&](const Error& error) { return say_unconnected(error, paths, streams); });
  const auto question = make_question(command, streams);
  if (!question) return say_error(question.error(), streams);
  options.query = question->text;
  Answer answer(std::move(options), streams);
  if (const auto* tree = std::get_if<TreeCommand>(&command))
    return show_tree(*question, *tree, paths, invocation.output.has_value(), answer, streams);
  return ask_agent(*question, command, paths, answer, streams);
}

}  // namespace

Identity own_identity() { return {::getuid(), ::geteuid(), ::getgid(), ::getegid()}; }

ExitCode run(std::span<const char* const> arguments, const char* const* env, const Streams& streams,
             const Identity& identity) {
  // Files, sockets and environment are all named by the caller: with somebody else's rights that is an open door.
  if (identity.real_user != identity.effective_user || identity.real_group != identity.effective_group) {
    say(streams, "refuses to run set-uid or set-gid");
    return ExitCode::NotPermitted;
  }
  // A closed pipe is an error code of write(), handled where it happens.
  std::signal(SIGPIPE, SIG_IGN);
  const auto parsed = parse_arguments(arguments);
  if (const auto* answered = std::get_if<Answered>(&parsed)) {
    if (answered->exit_code == ExitCode::Complete) return print(streams, answered->text);
    (void)write_all(streams.err, answered->text);  // There is nowhere left to complain.
    return answered->exit_code;
  }
  return execute(std::get<Invocation>(parsed), env, streams);
}

}  // namespace de::console
