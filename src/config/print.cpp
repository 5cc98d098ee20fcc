#include "daemoneye/base/text.h"
#include "daemoneye/config/change.h"
#include "daemoneye/config/config.h"
#include "entries.h"
#include "keys.h"

namespace de::config {
namespace {

constexpr std::string_view kIntroduction =
    "# DaemonEye: settings of procmond, daemoneye-agent and daemoneye-cli.\n"
    "#\n"
    "# Every line that sets something is commented out and shows the built-in default. What is written here is\n"
    "# overridden by ~/.config/daemoneye/config.yaml, by environment variables (DAEMONEYE_SPOOL__MAX_MB, or\n"
    "# PROCMOND_, DAEMONEYE_AGENT_, DAEMONEYE_CLI_ for one program) and by flags.\n";

std::string programs_of(const Key& key) {
  std::string out;
  for (const auto& [program, name] :
       {std::pair{Program::Procmond, "procmond"}, std::pair{Program::Agent, "agent"}, std::pair{Program::Cli, "cli"}}) {
    if (is_for(key, program)) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out;
}

// How the sentence about a key begins that can protect less than it does.
std::string to_text(Weaker weaker) {
  switch (weaker) {
    case Weaker::True:
      return "When true:";
    case Weaker::False:
      return "When false:";
    case Weaker::Less:
      return "When lowered:";
    case Weaker::Changed:
    case Weaker::Never:
      break;
  }
  return "When changed:";
}

// The comment above a key, each line indented and no longer than a terminal where words allow.
void append_help(std::string& out, const std::string& indent, std::string text) {
  constexpr std::size_t kWidth = 110;
  while (!text.empty()) {
    std::size_t cut = text.size();
    if (indent.size() + 2 + cut > kWidth) {
      cut = text.rfind(' ', kWidth - indent.size() - 2);
      if (cut == std::string::npos) cut = text.size();
    }
    out += indent + "# " + text.substr(0, cut) + "\n";
    text.erase(0, std::min(cut + 1, text.size()));
  }
}

}  // namespace

std::string_view to_text(Origin origin) {
  switch (origin) {
    case Origin::Default:
      return "default";
    case Origin::SystemFile:
      return "system file";
    case Origin::UserFile:
      return "user file";
    case Origin::ExplicitFile:
      return "given file";
    case Origin::Environment:
      return "environment";
    case Origin::Flag:
      break;
  }
  return "flag";
}

std::string print_config(const std::vector<Setting>& settings, bool origin) {
  std::string out;
  for (const Setting& setting : settings) {
    out += std::string(setting.path) + ": " + setting.value;
    if (origin) {
      out += "  # " + std::string(to_text(setting.origin));
      if (setting.origin != Origin::Default) out += ": " + setting.where;  // Its makers escape it.
    }
    out += "\n";
  }
  return out;
}

std::string changed_settings_json(const std::vector<Setting>& settings) {
  constexpr std::size_t kMaxListedBytes = 256;
  std::string out = "{";
  for (const Setting& setting : settings) {
    if (setting.origin == Origin::Default) continue;
    if (out.size() > 1) out += ",";
    out += json_string(setting.path) + ":{\"value\":" + json_string(setting.value.substr(0, kMaxListedBytes)) +
           ",\"where\":" + json_string(setting.where) + "}";
  }
  return out + "}";
}

std::string sample_file(std::optional<Program> only) {
  Everything defaults;
  std::string out(kIntroduction);
  std::string_view section;
  for (const Key& key : keys()) {
    if (only && !is_for(key, *only)) continue;
    const std::string_view path = key.info.path;
    const std::size_t dot = path.find('.');
    const std::string_view here = dot == path.npos ? std::string_view() : path.substr(0, dot);
    if (here != section || here.empty()) out += "\n";
    if (here != section && !here.empty()) out += std::string(here) + ":\n";
    section = here;
    const std::string indent(here.empty() ? 0 : 2, ' ');
    const Slot slot = key.slot(defaults);
    append_help(out, indent,
                std::string(key.info.help) + " (" + describe(slot, key.info) + "; for " + programs_of(key) +
                    "). Counts after " + std::string(takes_effect_by(path)) + ".");
    if (key.info.weaker != Weaker::Never)
      append_help(out, indent, to_text(key.info.weaker) + " " + std::string(key.info.gives_up) + ".");
    if (path == "sinks")
      for (const std::string& line : help_of_sinks()) append_help(out, indent, "- " + line);
    if (path == "collectors")
      for (const std::string& line : help_of_collectors()) append_help(out, indent, "- " + line);
    out += indent + "#" + std::string(here.empty() ? path : path.substr(dot + 1)) + ": " + show(slot) + "\n";
  }
  return out;
}

}  // namespace de::config
