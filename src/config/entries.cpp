#include "entries.h"

#include <algorithm>
#include <span>

#include "daemoneye/base/text.h"
#include "sink_fault.h"

namespace de::config {
namespace {

constexpr std::size_t kMaxEntries = 32;  // Each sink is a queue, each collector a session.

using S = SinkConfig;
using C = CollectorConfig;

// clang-format off
constexpr Field<S> kSinkFields[] = {
    {{"name", 0, 0, Form::Name, 0, "Unique name, used in health and in the delivery queue"},
     [](S& s) -> Slot { return &s.name; }},
    {{"type", 0, 0, Form::Any, 0, "Where alerts go"}, [](S& s) -> Slot { return &s.type; }},
    {{"format", 0, 0, Form::Any, 0, "How an alert is written"}, [](S& s) -> Slot { return &s.format; }},
    {{"path", 0, 0, Form::File, 0, "File that alerts are appended to; of type journald the journal's socket"},
     [](S& s) -> Slot { return &s.path; }},
    {{"url", 0, 0, Form::Url, 0,
      "Where alerts go: https:// or http:// of type webhook; tls://, tcp://, udp:// or unix:// of type syslog"},
     [](S& s) -> Slot { return &s.url; }},
    {{"ca_file", 0, 0, Form::File, 0, "Certificates (PEM) that may have signed the server's; empty: those of the host"},
     [](S& s) -> Slot { return &s.ca_file; }},
    {{"cert_file", 0, 0, Form::File, 0, "Certificate (PEM) to show the server, for https:// and tls://"},
     [](S& s) -> Slot { return &s.cert_file; }},
    {{"key_file", 0, 0, Form::File, 0, "Key (PEM) of cert_file; mode 0640 or less"},
     [](S& s) -> Slot { return &s.key_file; }},
    {{"token_file", 0, 0, Form::File, 0,
      "File whose one line is sent as bearer token; mode 0640 or less; webhook, as the next four"},
     [](S& s) -> Slot { return &s.token_file; }},
    {{"user", 0, 0, Form::Account, 0, "Name for basic authentication"}, [](S& s) -> Slot { return &s.user; }},
    {{"password_file", 0, 0, Form::File, 0, "File whose one line is the password of user; mode 0640 or less"},
     [](S& s) -> Slot { return &s.password_file; }},
    {{"hmac_file", 0, 0, Form::File, 0, "File whose one line is the key that alerts are signed with; mode 0640 or less"},
     [](S& s) -> Slot { return &s.hmac_file; }},
    {{"proxy", 0, 0, Form::Url, 0, "http:// or https:// proxy that leads to the server"},
     [](S& s) -> Slot { return &s.proxy; }},
    {{"rfc", 0, 0, Form::Any, 0, "Form of messages; auto: 3164 for unix://, 5424 for all others; syslog, as the next two"},
     [](S& s) -> Slot { return &s.rfc; }},
    {{"facility", 0, 0, Form::Any, 0, "Facility of messages"}, [](S& s) -> Slot { return &s.facility; }},
    {{"max_bytes", 2'048, 65'000, Form::Any, 0, "Longest message; longer alerts are cut, and say so"},
     [](S& s) -> Slot { return &s.max_bytes; }},
    {{"timeout_ms", 100, 20'000, Form::Any, 0, "Time for one alert"}, [](S& s) -> Slot { return &s.timeout_ms; }},
    {{"min_severity", 0, 0, Form::Any, 0, "Lowest severity that is delivered"},
     [](S& s) -> Slot { return &s.min_severity; }},
};
constexpr Field<C> kCollectorFields[] = {
    {{"id", 0, 0, Form::Name, 0, "Unique id, which the collector gives when it registers"},
     [](C& c) -> Slot { return &c.id; }},
    {{"type", 0, 0, Form::Name, 0, "Kind of collector"}, [](C& c) -> Slot { return &c.type; }},
    {{"path", 0, 0, Form::File, 0, "Program the agent starts; empty: something else starts it"},
     [](C& c) -> Slot { return &c.path; }},
    {{"enabled", 0, 0, Form::Any, 0, "Whether it is expected to be there"}, [](C& c) -> Slot { return &c.enabled; }},
    {{"auto_restart", 0, 0, Form::Any, 0, "Whether the agent starts it again when it ends"},
     [](C& c) -> Slot { return &c.auto_restart; }},
    {{"startup_timeout_secs", 1, 600, Form::Any, 0, "Time until it must have registered"},
     [](C& c) -> Slot { return &c.startup_timeout_secs; }},
    {{"heartbeat_interval_secs", 1, 3600, Form::Any, 0, "How often it reports; three missed reports are a failure"},
     [](C& c) -> Slot { return &c.heartbeat_interval_secs; }},
    {{"user", 0, 0, Form::Account, 0,
      "Only account that may register under this id; empty: procmond.user, root or the agent's own"},
     [](C& c) -> Slot { return &c.user; }},
};
// clang-format on

tl::unexpected<Error> wrong(const FieldInfo& info, const Node& node, const Place& place, const std::string& why) {
  return fail(Errc::Invalid, place.of(node) + ": " + std::string(info.path) + ": " + why);
}

template <class Entry>
Result<Entry> parse_entry(const FieldInfo& info, std::span<const Field<Entry>> fields, const Node& node,
                          const Place& place) {
  if (!node.is_map()) return wrong(info, node, place, "each entry must be a map of fields");
  Entry entry;
  for (const auto& [key, value] : node.entries) {
    const auto found = std::ranges::find(fields, key.text, [](const Field<Entry>& f) { return f.info.path; });
    if (found == fields.end()) {
      std::vector<std::string_view> names;
      for (const Field<Entry>& field : fields) names.push_back(field.info.path);
      DE_CHECK(place.judge(wrong(info, key, place,
                                 "unknown field \"" + escape_controls(key.text) + "\"" + suggestion(key.text, names))));
      continue;
    }
    FieldInfo named = found->info;
    const std::string path = std::string(info.path) + "." + std::string(named.path);
    named.path = path;
    // `path:` with nothing after it is how a person writes "none" for a text that may be empty.
    if (value.is_null() && (named.form == Form::File || named.form == Form::Account || named.form == Form::Url))
      continue;
    DE_CHECK(place.judge(assign(found->slot(entry), named, value, place)));
  }
  return entry;
}

template <class Entry, class Check>
Result<> parse_all(const FieldInfo& info, std::span<const Field<Entry>> fields, const Node& node, const Place& place,
                   std::vector<Entry>& out, std::string Entry::*key, Check check) {
  if (!node.is_list()) return wrong(info, node, place, "expected a list of entries");
  if (node.items.size() > kMaxEntries)
    return wrong(info, node, place, "at most " + std::to_string(kMaxEntries) + " entries are allowed");
  std::vector<Entry> parsed;
  for (const Node& item : node.items) {
    DE_TRY(entry, parse_entry(info, fields, item, place));
    const std::string& id = entry.*key;
    if (id.empty()) return wrong(info, item, place, "an entry needs \"" + std::string(fields[0].info.path) + "\"");
    if (std::ranges::find(parsed, id, key) != parsed.end())
      return wrong(info, item, place, "\"" + id + "\" is there twice");
    std::string why = check(entry);
    if (!why.empty()) return wrong(info, item, place, why.insert(0, "\"" + id + "\" "));
    parsed.push_back(std::move(entry));
  }
  out = std::move(parsed);
  return {};
}

template <class Entry>
std::string show_all(std::span<const Field<Entry>> fields, std::vector<Entry>& entries) {
  std::string out = "[";
  for (Entry& entry : entries) {
    out += out.size() > 1 ? ", {" : "{";
    for (const Field<Entry>& field : fields) {
      if (&field != fields.data()) out += ", ";
      out += field.info.path;
      out += ": ";
      out += show(field.slot(entry));
    }
    out += "}";
  }
  return out + "]";
}

template <class Entry>
std::vector<std::string> help_of(std::span<const Field<Entry>> fields) {
  Entry defaults;
  std::vector<std::string> lines;
  for (const Field<Entry>& field : fields) {
    const Slot slot = field.slot(defaults);
    std::string line = std::string(field.info.path) + ": " + std::string(field.info.help) + " (";
    line += describe(slot, field.info);
    lines.push_back(line + (&field == fields.data() ? "; required)" : "; default " + show(slot) + ")"));
  }
  return lines;
}

}  // namespace

Result<> parse_entries(const FieldInfo& info, const Node& node, const Place& place, std::vector<SinkConfig>& out) {
  return parse_all<S>(info, kSinkFields, node, place, out, &S::name, fault_of);
}

Result<> parse_entries(const FieldInfo& info, const Node& node, const Place& place, std::vector<CollectorConfig>& out) {
  return parse_all<C>(info, kCollectorFields, node, place, out, &C::id, [](const C&) { return std::string(); });
}

std::string show_entries(std::vector<SinkConfig>& entries) { return show_all<S>(kSinkFields, entries); }
std::string show_entries(std::vector<CollectorConfig>& entries) { return show_all<C>(kCollectorFields, entries); }
std::vector<std::string> help_of_sinks() { return help_of<S>(kSinkFields); }
std::vector<std::string> help_of_collectors() { return help_of<C>(kCollectorFields); }

}  // namespace de::config
