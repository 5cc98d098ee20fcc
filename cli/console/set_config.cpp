#include "console/set_config.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "console/edit_config.h"
#include "console/replace_file.h"
#include "daemoneye/config/change.h"
#include "daemoneye/config/file_text.h"
#include "daemoneye/config/source_file.h"

namespace de::console {
namespace {

constexpr mode_t kSystemMode = 0644;  // The daemons' accounts read it, too.
constexpr mode_t kUserMode = 0600;
constexpr std::size_t kMaxAnswerBytes = 16;

struct Target {
  std::string path;
  std::string text;
  mode_t new_mode = kUserMode;
};

Result<Target> find_target(const ConfigSetCommand& command, const config::LoadInput& usual) {
  Target out;
  const bool is_root = ::geteuid() == 0;
  if (is_root) out.new_mode = kSystemMode;
  out.path = command.file;
  if (out.path.empty()) {
    DE_TRY(chosen, config::choose_source(is_root ? usual.system_file : usual.user_file));
    out.path = chosen;
    if (out.path.empty())
      return fail(Errc::Invalid, "neither HOME nor XDG_CONFIG_HOME is set: name a file with --file");
    std::error_code ec;
    std::filesystem::create_directories(std::filesystem::path(out.path).parent_path(), ec);
    if (ec) return fail(Errc::Denied, "create the directory of " + out.path, ec);
  }
  // A link stays one: what it leads to is replaced.
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(out.path.c_str(), nullptr), &std::free);
  if (real) out.path = real.get();
  auto text = config::read_source(out.path, false);
  if (text) {
    out.text = std::move(*text);
  } else if (text.error().code() != Errc::NotFound) {
    return fail(std::move(text).error());
  }
  return out;
}

bool has_person(const Streams& streams) { return ::isatty(streams.in) != 0 && ::isatty(streams.err) != 0; }

// "yes" and nothing else.
bool agrees(const Streams& streams) {
  constexpr std::string_view kQuestion = "Type yes to set it all the same: ";
  if (!write_all(streams.err, kQuestion)) return false;
  std::string answer;
  char c = 0;
  while (answer.size() < kMaxAnswerBytes) {
    const ssize_t got = ::read(streams.in, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') break;
    answer += c;
  }
  return answer == "yes";
}

// Nothing when it may be set.
std::optional<ExitCode> ask_consent(const ConfigSetCommand& command, const std::vector<config::Change>& changes,
                                    const Streams& streams) {
  for (const config::Change& change : changes) {
    if (change.gives_up.empty() || command.yes) continue;
    say(streams, std::string(change.path) + ": from " + change.before + " to " + change.after + " protects less. " +
                     std::string(change.gives_up) + ".");
    if (!has_person(streams)) {
      say(streams, "nothing was written: without a terminal this takes --yes");
      return ExitCode::Usage;
    }
    if (!agrees(streams)) {
      say(streams, "nothing was written");
      return ExitCode::Failed;
    }
  }
  return std::nullopt;
}

ExitCode say_done(const config::Change& change, const Streams& streams) {
  const std::string_view by = config::takes_effect_by(change.path);
  std::string text = change.where + ": " + std::string(change.path) + " was " + change.before + " and is " +
                     change.after + "; it counts after " + std::string(by) + "\n";
  const auto written = write_all(streams.out, text);
  if (!written && written.error().code() != Errc::Closed) return say_error(written.error(), streams);
  return ExitCode::Complete;
}

}  // namespace

ExitCode set_config(const ConfigSetCommand& command, const config::LoadInput& usual, const Streams& streams) {
  const auto target = find_target(command, usual);
  if (!target) return say_error(target.error(), streams);
  const std::vector<std::string> mistakes = config::mistakes_in(target->path, target->text);
  if (!mistakes.empty()) {
    say(streams, mistakes.front());
    say(streams, "nothing was written: correct the file first (daemoneye-cli config validate " + target->path + ")");
    return ExitCode::Usage;
  }
  const auto value = config::value_for_file(command.key, command.value, syntax_of(target->path, target->text));
  if (!value) return say_error(value.error(), streams);
  const auto before = config::settings_in(target->path, target->text);
  const auto edited = set_in_text(target->path, target->text, command.key, *value);
  if (!edited) return say_error(edited.error(), streams);
  const auto after = config::settings_in(target->path, *edited);
  if (!before || !after) return say_error(before ? after.error() : before.error(), streams);
  const std::vector<config::Change> changes = config::changes_between(*before, *after);
  if (changes.empty()) {
    const auto written = write_all(streams.out, command.key + " is " + *value + " already; nothing was written\n");
    return written ? ExitCode::Complete : say_error(written.error(), streams);
  }
  if (const auto refused = ask_consent(command, changes, streams)) return *refused;
  const auto replaced = replace_file(target->path, *edited, target->text, target->new_mode);
  if (!replaced) return say_error(replaced.error(), streams);
  return say_done(changes.front(), streams);
}

}  // namespace de::console
