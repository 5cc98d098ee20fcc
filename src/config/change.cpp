#include "daemoneye/config/change.h"

#include <algorithm>
#include <charconv>

#include "daemoneye/base/text.h"
#include "keys.h"

namespace de::config {
namespace {

constexpr std::size_t kMaxValueBytes = 256;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);  // What is no number is compared as 0.
  return value;
}

bool is_weaker(Weaker kind, const Change& change) {
  switch (kind) {
    case Weaker::Never:
      return false;
    case Weaker::True:
      return change.after == "true";
    case Weaker::False:
      return change.after == "false";
    case Weaker::Less:
      return number(change.after) < number(change.before);
    case Weaker::Changed:
      break;
  }
  return true;
}

bool is_live(const Key& key, Program program) { return (key.info.live & static_cast<std::uint8_t>(program)) != 0; }

}  // namespace

std::vector<Change> changes_between(const std::vector<Setting>& before, const std::vector<Setting>& after) {
  std::vector<Change> out;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i].value == after[i].value) continue;
    Change change{after[i].path, before[i].value, after[i].value, after[i].where, {}};
    const FieldInfo& info = find_key(after[i].path)->info;
    if (is_weaker(info.weaker, change)) change.gives_up = info.gives_up;
    out.push_back(std::move(change));
  }
  return out;
}

std::vector<std::string_view> live_keys(Program program) {
  std::vector<std::string_view> out;
  for (const Key& key : keys())
    if (is_live(key, program)) out.push_back(key.info.path);
  return out;
}

bool is_live(Program program, std::string_view path) {
  const Key* key = find_key(path);
  return key != nullptr && is_live(*key, program);
}

std::string_view takes_effect_by(std::string_view path) {
  const Key* key = find_key(path);
  if (key == nullptr || key->info.live == 0)
    return key != nullptr && key->info.programs == static_cast<std::uint8_t>(Program::Cli) ? "the next command"
                                                                                           : "a restart";
  return key->info.live == key->info.programs ? "a reload" : "a reload of the agent and a restart of the others";
}

Reread compare(Program program, const std::vector<Setting>& running, const std::vector<Setting>& read) {
  Reread out;
  for (Change& change : changes_between(running, read))
    (is_live(program, change.path) ? out.live : out.waiting).push_back(std::move(change));
  out.settings = running;
  for (std::size_t i = 0; i < std::min(running.size(), read.size()); ++i)
    if (is_live(program, read[i].path)) out.settings[i] = read[i];
  return out;
}

std::string changes_json(const std::vector<Change>& changes) {
  std::string out = "{";
  for (const Change& change : changes) {
    if (out.size() > 1) out += ",";
    out += json_string(change.path) + ":{\"from\":" + json_string(change.before.substr(0, kMaxValueBytes)) +
           ",\"to\":" + json_string(change.after.substr(0, kMaxValueBytes)) +
           ",\"where\":" + json_string(change.where) + "}";
  }
  return out + "}";
}

std::string names_of(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) out += (out.empty() ? "" : ", ") + std::string(change.path);
  return out;
}

}  // namespace de::config
