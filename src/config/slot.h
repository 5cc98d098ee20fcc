// One configuration value: what a row of a key table says about it, where it is stored, how text becomes it.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemoneye/config/config.h"
#include "daemoneye/config/yaml_tree.h"

namespace de::config {

// Where a value is stored; its type is the type of the key.
using Slot = std::variant<bool*, std::uint32_t*, std::optional<std::uint32_t>*, std::string*, std::vector<std::string>*,
                          LogLevel*, LogFormat*, EventBackend*, SinkType*, SinkFormat*, SyslogRfc*, SyslogFacility*,
                          MinSeverity*, OutputFormat*, std::vector<SinkConfig>*, std::vector<CollectorConfig>*>;

// What a text must be, besides text.
enum class Form : std::uint8_t {
  Any,
  Name,       // Letters, digits, '.', '_', '-'; 1 to 64 of them.
  Account,    // A Name or nothing.
  Directory,  // Absolute, without "..".
  File,       // The same, or nothing.
  Socket,     // The same as Directory, and short enough for the kernel.
  Url         // A place to send to, with its scheme, or nothing.
};

// Which new value of a key protects less than the old one.
enum class Weaker : std::uint8_t { Never, True, False, Changed, Less };

struct FieldInfo {
  std::string_view path;  // "spool.max_mb"; of an entry's field: "min_severity".
  std::uint32_t low = 0;  // Of numbers.
  std::uint32_t high = 0;
  Form form = Form::Any;
  std::uint8_t programs = 0;  // Bits of Program; no meaning for an entry's field.
  std::string_view help;
  std::uint8_t live = 0;  // Of `programs`, those that take a new value over while they run.
  Weaker weaker = Weaker::Never;
  std::string_view gives_up = {};  // What a weaker value gives up; a sentence.
};

template <class Owner>
struct Field {
  FieldInfo info;
  Slot (*slot)(Owner&);
};

// Where a value was written. A file has positions, the others have a name only.
struct Place {
  std::string_view name;
  bool is_file = false;
  std::vector<std::string>* mistakes = nullptr;  // Where all of them are gathered; null: the first one ends it.

  std::string of(const Node& node) const { return is_file ? at(name, node) : std::string(name); }
  // Whether to go on after `checked`.
  Result<> judge(Result<> checked) const {
    if (checked || mistakes == nullptr) return checked;
    mistakes->push_back(checked.error().message());
    return {};
  }
};

// Checks `node` against `info` and stores it. Errc::Invalid, naming place, key, and what would be right.
Result<> assign(Slot slot, const FieldInfo& info, const Node& node, const Place& place);

// A value given as text (variable, flag) as the node a file would have had. Lists are separated by ':' or written as
// YAML ("[a, b]"); lists of entries are YAML.
Result<Node> to_node(Slot slot, std::string_view text, const Place& place);

// As YAML in flow style: 30000, "/run/x", ["a", "b"], null.
std::string show(Slot slot);

// "number of milliseconds, 100 to 3600000", "one of debug, info, warn, error": for help and errors.
std::string describe(Slot slot, const FieldInfo& info);

}  // namespace de::config
