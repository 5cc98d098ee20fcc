#include "slot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <type_traits>
#include <utility>

#include "daemoneye/base/text.h"
#include "entries.h"

namespace de::config {
namespace {

constexpr std::size_t kMaxTextBytes = 4096;   // PATH_MAX; nothing here is longer.
constexpr std::size_t kMaxNameBytes = 64;     // An account name is at most 32, the rest is ours.
constexpr std::size_t kMaxSocketBytes = 107;  // sun_path less its terminating NUL.
constexpr std::size_t kMaxListItems = 64;     // Directories of rules; each is watched.

template <class E>
struct Names;
template <>
struct Names<LogLevel> {
  static constexpr std::array<std::string_view, 4> all{"debug", "info", "warn", "error"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<LogFormat> {
  static constexpr std::array<std::string_view, 2> all{"human", "json"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<EventBackend> {
  static constexpr std::array<std::string_view, 4> all{"auto", "bpf", "connector", "polling"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<SinkType> {
  static constexpr std::array<std::string_view, 5> all{"stdout", "file", "webhook", "syslog", "journald"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<SinkFormat> {
  static constexpr std::array<std::string_view, 7> all{"json", "human", "csv", "cef", "ecs", "ocsf", "stix"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<SyslogRfc> {
  static constexpr std::array<std::string_view, 3> all{"auto", "5424", "3164"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<SyslogFacility> {
  static constexpr std::array<std::string_view, 20> all{
      "kern",     "user", "mail",   "daemon", "auth",   "syslog", "lpr",    "news",   "uucp",   "cron",
      "authpriv", "ftp",  "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};
  static constexpr std::size_t first = 0;
};
template <>
struct Names<MinSeverity> {
  static constexpr std::array<std::string_view, 4> all{"low", "medium", "high", "critical"};
  static constexpr std::size_t first = 1;
};
template <>
struct Names<OutputFormat> {
  static constexpr std::array<std::string_view, 6> all{"table", "json", "jsonl", "csv", "markdown", "line"};
  static constexpr std::size_t first = 0;
};

template <class E>
std::string_view name_of(E value) {
  const auto index = static_cast<std::size_t>(value) - Names<E>::first;
  return index < Names<E>::all.size() ? Names<E>::all[index] : std::string_view("unknown");
}

std::string joined(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

struct Target {
  const FieldInfo& info;
  const Node& node;
  const Place& place;

  tl::unexpected<Error> wrong(const std::string& why) const {
    return fail(Errc::Invalid, place.of(node) + ": " + std::string(info.path) + ": " + why);
  }
  // What was written, short and safe to print.
  std::string written() const { return "\"" + escape_controls(node.text.substr(0, kMaxNameBytes)) + "\""; }
};

bool parse_bool(std::string_view text, bool& out) {
  constexpr std::array<std::string_view, 4> kYes{"true", "yes", "on", "1"};
  constexpr std::array<std::string_view, 4> kNo{"false", "no", "off", "0"};
  out = std::ranges::find(kYes, text) != kYes.end();
  return out || std::ranges::find(kNo, text) != kNo.end();
}

Result<> store_number(const Target& t, std::uint32_t& out) {
  const std::string range = std::to_string(t.info.low) + " to " + std::to_string(t.info.high);
  std::uint64_t number = 0;
  const std::string& text = t.node.text;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool digits = end == text.data() + text.size() && !text.empty();
  if (t.node.quoted || !digits || ec == std::errc::invalid_argument)
    return t.wrong("expected a whole number, " + range + ", not " + t.written());
  if (ec != std::errc{} || number < t.info.low || number > t.info.high)
    return t.wrong(t.written() + " is out of range: " + range);
  out = static_cast<std::uint32_t>(number);
  return {};
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

Result<> check_path(const Target& t, std::string_view path) {
  if (path.empty() || path[0] != '/') return t.wrong("expected an absolute path, not " + t.written());
  for (const auto& part : std::filesystem::path(path))
    if (part == "..") return t.wrong("a path may not contain \"..\"");
  if (t.info.form == Form::Socket && path.size() > kMaxSocketBytes)
    return t.wrong("a socket path has at most " + std::to_string(kMaxSocketBytes) + " bytes, this one has " +
                   std::to_string(path.size()));
  return {};
}

// "host", "host:1", "[::1]:1".
Result<> check_place(const Target& t, std::string_view place) {
  if (place.empty() || place[0] == ':') return t.wrong("there is no host in " + t.written());
  const bool is_address = place[0] == '[';
  const std::size_t end = is_address ? place.find(']') : place.find(':');
  if (is_address && end == place.npos) return t.wrong("an IPv6 address ends with ], as in [::1]:6514");
  std::string_view port = end == place.npos ? std::string_view() : place.substr(is_address ? end + 1 : end);
  if (port.empty()) return {};
  if (port.find(':', 1) != port.npos) return t.wrong("an IPv6 address is written [::1], with a port [::1]:6514");
  std::uint32_t number = 0;
  const auto [stop, ec] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
  if (port[0] != ':' || ec != std::errc{} || stop != port.data() + port.size() || number < 1 || number > 65'535)
    return t.wrong("the port is to be a number from 1 to 65535, not \"" + std::string(port.substr(1)) + "\"");
  return {};
}

Result<> check_url(const Target& t, std::string_view url) {
  constexpr std::string_view kLocal = "unix://";
  if (url.starts_with(kLocal)) {
    const std::string_view path = url.substr(kLocal.size());
    if (path.empty() || path[0] != '/')
      return t.wrong("unix:// is followed by an absolute path, as in unix:///dev/log");
    if (path.size() > kMaxSocketBytes)
      return t.wrong("a socket path has at most " + std::to_string(kMaxSocketBytes) + " bytes");
    return {};
  }
  std::size_t scheme = 0;
  for (const std::string_view known : {"https://", "http://", "tls://", "tcp://", "udp://"})
    if (url.starts_with(known)) scheme = known.size();
  if (scheme == 0) return t.wrong("expected https://, http://, tls://, tcp://, udp:// or unix://, not " + t.written());
  const std::size_t end = std::min(url.find_first_of("/?#", scheme), url.size());
  const std::string_view place = url.substr(scheme, end - scheme);
  if (place.find('@') != place.npos)
    return t.wrong("who may post belongs into files: token_file, or user and password_file");
  if (url.find(' ') != url.npos) return t.wrong("a URL has no spaces; write %20");
  if (end < url.size() && !url.starts_with("http")) return t.wrong("nothing follows the host and the port");
  return check_place(t, place);
}

Result<> check_text(const Target& t, const std::string& text) {
  if (text.size() > kMaxTextBytes) return t.wrong("longer than " + std::to_string(kMaxTextBytes) + " bytes");
  if (escape_controls(text) != text) return t.wrong("contains control characters or invalid UTF-8");
  switch (t.info.form) {
    case Form::Any:
      break;
    case Form::Name:
    case Form::Account:
      if (text.empty() && t.info.form == Form::Account) break;
      if (!is_name(text)) return t.wrong("expected 1 to 64 of letters, digits, '.', '_' and '-', not " + t.written());
      break;
    case Form::File:
      if (text.empty()) break;
      return check_path(t, text);
    case Form::Directory:
    case Form::Socket:
      return check_path(t, text);
    case Form::Url:
      if (text.empty()) break;
      return check_url(t, text);
  }
  return {};
}

Result<> store_list(const Target& t, std::vector<std::string>& out) {
  if (!t.node.is_list()) return t.wrong("expected a list");
  if (t.node.items.size() > kMaxListItems)
    return t.wrong("at most " + std::to_string(kMaxListItems) + " entries are allowed");
  std::vector<std::string> list;
  for (const Node& item : t.node.items) {
    const Target entry{t.info, item, t.place};
    if (!item.is_scalar()) return entry.wrong("expected a list of texts");
    DE_CHECK(check_text(entry, item.text));
    if (std::ranges::find(list, item.text) != list.end()) return entry.wrong(entry.written() + " is there twice");
    list.push_back(item.text);
  }
  out = std::move(list);
  return {};
}

template <class E>
Result<> store_choice(const Target& t, E& out) {
  constexpr auto& kNames = Names<E>::all;
  const auto found = std::ranges::find(kNames, t.node.text);
  if (found == kNames.end())
    return t.wrong("expected one of " + joined(kNames) + ", not " + t.written() + suggestion(t.node.text, kNames));
  out = static_cast<E>(static_cast<std::size_t>(found - kNames.begin()) + Names<E>::first);
  return {};
}

// One overload per slot type; the variant makes a missing one a compile error.
struct Store {
  const Target& t;

  Result<> operator()(std::vector<std::string>* out) const { return store_list(t, *out); }
  Result<> operator()(std::vector<SinkConfig>* out) const { return parse_entries(t.info, t.node, t.place, *out); }
  Result<> operator()(std::vector<CollectorConfig>* out) const { return parse_entries(t.info, t.node, t.place, *out); }
  Result<> operator()(std::optional<std::uint32_t>* out) const {
    out->reset();
    if (t.node.is_null() || (!t.node.quoted && t.node.text == "null")) return {};
    DE_CHECK(scalar());
    return store_number(t, out->emplace());
  }
  Result<> operator()(std::uint32_t* out) const {
    DE_CHECK(scalar());
    return store_number(t, *out);
  }
  Result<> operator()(bool* out) const {
    DE_CHECK(scalar());
    if (t.node.quoted || !parse_bool(t.node.text, *out)) return t.wrong("expected true or false, not " + t.written());
    return {};
  }
  Result<> operator()(std::string* out) const {
    DE_CHECK(scalar());
    DE_CHECK(check_text(t, t.node.text));
    *out = t.node.text;
    return {};
  }
  template <class E>
    requires std::is_enum_v<E>
  Result<> operator()(E* out) const {
    DE_CHECK(scalar());
    return store_choice(t, *out);
  }

 private:
  Result<> scalar() const {
    if (t.node.is_null()) return t.wrong("has no value");
    if (!t.node.is_scalar()) return t.wrong("expected one value, not a " + std::string(to_text(t.node.kind)));
    return {};
  }
};

struct Show {
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::uint32_t* value) const { return std::to_string(*value); }
  std::string operator()(const std::optional<std::uint32_t>* value) const {
    return *value ? std::to_string(**value) : "null";
  }
  std::string operator()(const std::string* value) const { return json_string(*value); }
  std::string operator()(const std::vector<std::string>* value) const {
    std::string out = "[";
    for (const std::string& item : *value) {
      if (out.size() > 1) out += ", ";
      append_json_string(out, item);
    }
    return out + "]";
  }
  std::string operator()(std::vector<SinkConfig>* value) const { return show_entries(*value); }
  std::string operator()(std::vector<CollectorConfig>* value) const { return show_entries(*value); }
  template <class E>
    requires std::is_enum_v<E>
  std::string operator()(const E* value) const {
    return std::string(name_of(*value));
  }
};

// Keys end in their unit; this is its name for a person.
std::string_view unit_of(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kUnits[] = {{"_mb_per_s", " of MiB per second"},
                                                                      {"_mb", " of MiB"},
                                                                      {"_ms", " of milliseconds"},
                                                                      {"_secs", " of seconds"},
                                                                      {"_seconds", " of seconds"},
                                                                      {"_days", " of days"},
                                                                      {"_rows", " of rows"},
                                                                      {"_percent", " of percent"}};
  const auto found = std::ranges::find_if(kUnits, [&](const auto& unit) { return path.ends_with(unit.first); });
  return found == std::end(kUnits) ? std::string_view() : found->second;
}

struct Describe {
  const FieldInfo& info;

  std::string operator()(const bool*) const { return "true or false"; }
  std::string operator()(const std::uint32_t*) const {
    return "number" + std::string(unit_of(info.path)) + ", " + std::to_string(info.low) + " to " +
           std::to_string(info.high);
  }
  std::string operator()(const std::optional<std::uint32_t>*) const { return "number or null"; }
  std::string operator()(const std::string*) const {
    switch (info.form) {
      case Form::Socket:
        return "absolute path of a socket, at most 107 bytes";
      case Form::Directory:
      case Form::File:
        return "absolute path";
      case Form::Url:
        return "URL";
      case Form::Any:
      case Form::Name:
      case Form::Account:
        break;
    }
    return "text";
  }
  std::string operator()(const std::vector<std::string>*) const { return "list of absolute paths"; }
  std::string operator()(const std::vector<SinkConfig>*) const { return "list of entries"; }
  std::string operator()(const std::vector<CollectorConfig>*) const { return "list of entries"; }
  template <class E>
    requires std::is_enum_v<E>
  std::string operator()(const E*) const {
    return "one of " + joined(Names<E>::all);
  }
};

template <class T>
constexpr bool kIsEntryList =
    std::is_same_v<T, std::vector<SinkConfig>*> || std::is_same_v<T, std::vector<CollectorConfig>*>;

}  // namespace

Result<> assign(Slot slot, const FieldInfo& info, const Node& node, const Place& place) {
  const Target target{info, node, place};
  return std::visit(Store{target}, slot);
}

Result<Node> to_node(Slot slot, std::string_view text, const Place& place) {
  const bool entries = std::visit([](auto* value) { return kIsEntryList<decltype(value)>; }, slot);
  const bool list = std::holds_alternative<std::vector<std::string>*>(slot);
  if (entries || (list && text.starts_with('['))) return parse_yaml(place.name, text);
  Node node;
  node.kind = list ? Node::Kind::List : Node::Kind::Scalar;
  node.text = list ? std::string() : std::string(text);
  while (list && !text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    Node item;
    item.kind = Node::Kind::Scalar;
    item.text = text.substr(0, end);
    node.items.push_back(std::move(item));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return node;
}

std::string show(Slot slot) { return std::visit(Show{}, slot); }
std::string describe(Slot slot, const FieldInfo& info) { return std::visit(Describe{info}, slot); }

std::string_view to_text(LogLevel level) { return name_of(level); }
std::string_view to_text(LogFormat format) { return name_of(format); }
std::string_view to_text(EventBackend backend) { return name_of(backend); }
std::string_view to_text(SinkType type) { return name_of(type); }
std::string_view to_text(SinkFormat format) { return name_of(format); }
std::string_view to_text(SyslogRfc rfc) { return name_of(rfc); }
std::string_view to_text(SyslogFacility facility) { return name_of(facility); }
std::string_view to_text(MinSeverity severity) { return name_of(severity); }
std::string_view to_text(OutputFormat format) { return name_of(format); }

}  // namespace de::config
