#include "console/settings.h"

#include <utility>

#include "console/local_rows.h"
#include "daemoneye/config/file_text.h"
#include "daemoneye/config/source_file.h"

namespace de::console {
namespace {

using Settings = std::vector<config::Setting>;
using Mistakes = std::vector<std::string>;

ExitCode print(const Streams& streams, std::string_view text, ExitCode verdict) {
  const auto written = write_all(streams.out, text);
  if (written || written.error().code() == Errc::Closed) return verdict;
  say(streams, written.error().message());
  return ExitCode::Failed;
}

template <class T>
Result<Settings> settings_of(Result<config::Loaded<T>> loaded, const Streams& streams) {
  if (!loaded) return fail(std::move(loaded).error());
  for (const std::string& warning : loaded->warnings) say(streams, "warning: " + warning);
  return std::move(loaded->settings);
}

Result<Settings> settings_of(const std::string& program, const config::LoadInput& input, const Streams& streams) {
  if (program == "procmond") return settings_of(config::load_procmond(input), streams);
  if (program == "cli") return settings_of(config::load_cli(input), streams);
  return settings_of(config::load_agent(input), streams);
}

// What keeps a program from starting although its files are right: variables, flags, the rights of files.
Mistakes mistakes_around(const std::vector<config::LoadInput>& usual) {
  Mistakes out;
  const auto note = [&out](const auto& loaded) {
    if (loaded) return;
    const std::string message = loaded.error().message();
    if (out.empty() || out.back() != message) out.push_back(message);
  };
  note(config::load_procmond(usual[0]));
  note(config::load_agent(usual[1]));
  note(config::load_cli(usual[2]));
  return out;
}

struct Checked {
  std::vector<std::string> files;
  Mistakes mistakes;
};

Result<Checked> check_file(const std::string& file) {
  DE_TRY(text, read_file(file, config::kMaxYamlBytes));
  return Checked{{file}, config::mistakes_in(file, text)};
}

Result<Checked> check_usual(const std::vector<config::LoadInput>& usual) {
  Checked out;
  for (const std::string& place : {usual[1].system_file, usual[2].user_file}) {
    if (place.empty()) continue;
    DE_TRY(file, config::choose_source(place));
    auto one = check_file(file);
    if (!one && one.error().code() == Errc::NotFound) continue;
    if (!one) return fail(std::move(one).error());
    out.files.push_back(file);
    for (std::string& mistake : one->mistakes) out.mistakes.push_back(std::move(mistake));
  }
  if (out.mistakes.empty()) out.mistakes = mistakes_around(usual);
  return out;
}

}  // namespace

config::Program program_of(const std::string& name) {
  if (name == "procmond") return config::Program::Procmond;
  return name == "cli" ? config::Program::Cli : config::Program::Agent;
}

ExitCode show_config(const ConfigShowCommand& command, const config::LoadInput& input, bool as_rows, Answer& answer,
                     const Streams& streams) {
  const auto settings = settings_of(command.program, input, streams);
  if (!settings) {
    say(streams, settings.error().message());
    return exit_code_for(settings.error());
  }
  if (!as_rows) return print(streams, config::print_config(*settings, command.origin), ExitCode::Complete);
  constexpr std::string_view kNames[] = {"key", "value", "origin", "place"};
  std::vector<pb::Row> rows;
  for (const config::Setting& setting : *settings) {
    pb::Row& row = rows.emplace_back();
    *row.add_values() = text_value(setting.path);
    *row.add_values() = text_value(setting.value);
    *row.add_values() = text_value(config::to_text(setting.origin));
    *row.add_values() = text_value(setting.where);
  }
  present(answer, kNames, rows);
  return answer.finish();
}

ExitCode validate_config(const ConfigValidateCommand& command, const std::vector<config::LoadInput>& usual,
                         bool as_rows, Answer& answer, const Streams& streams) {
  const auto checked = command.file.empty() ? check_usual(usual) : check_file(command.file);
  if (!checked) {
    say(streams, checked.error().message());
    return exit_code_for(checked.error());
  }
  const ExitCode verdict = checked->mistakes.empty() ? ExitCode::Complete : ExitCode::Usage;
  if (as_rows) {
    constexpr std::string_view kNames[] = {"mistake"};
    std::vector<pb::Row> rows;
    for (const std::string& mistake : checked->mistakes) *rows.emplace_back().add_values() = text_value(mistake);
    present(answer, kNames, rows);
    const ExitCode shown = answer.finish();
    return shown == ExitCode::Complete ? verdict : shown;
  }
  std::string text;
  for (const std::string& mistake : checked->mistakes) text += mistake + "\n";
  if (checked->mistakes.empty()) {
    if (checked->files.empty()) text = "no configuration file: the defaults are in force\n";
    for (const std::string& file : checked->files) text += file + ": no mistakes\n";
  }
  return print(streams, text, verdict);
}

}  // namespace de::console
