#include "sink_fault.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace de::config {
namespace {

constexpr unsigned bit(SinkType type) { return 1U << static_cast<unsigned>(type); }

struct TypedField {
  std::string_view name;
  unsigned types;  // Those that have it.
  bool (*is_set)(const SinkConfig& sink);
};

constexpr TypedField kTypedFields[] = {
    {"a path", bit(SinkType::File) | bit(SinkType::Journald), [](const SinkConfig& s) { return !s.path.empty(); }},
    {"a url", bit(SinkType::Webhook) | bit(SinkType::Syslog), [](const SinkConfig& s) { return !s.url.empty(); }},
    {"a ca_file", bit(SinkType::Webhook) | bit(SinkType::Syslog),
     [](const SinkConfig& s) { return !s.ca_file.empty(); }},
    {"a token_file", bit(SinkType::Webhook), [](const SinkConfig& s) { return !s.token_file.empty(); }},
    {"a cert_file", bit(SinkType::Syslog), [](const SinkConfig& s) { return !s.cert_file.empty(); }},
    {"a key_file", bit(SinkType::Syslog), [](const SinkConfig& s) { return !s.key_file.empty(); }},
    {"an rfc", bit(SinkType::Syslog), [](const SinkConfig& s) { return s.rfc != SinkConfig{}.rfc; }},
    {"a facility", bit(SinkType::Syslog), [](const SinkConfig& s) { return s.facility != SinkConfig{}.facility; }},
    {"a max_bytes", bit(SinkType::Syslog), [](const SinkConfig& s) { return s.max_bytes != SinkConfig{}.max_bytes; }},
};

constexpr std::array kTypes = {SinkType::Stdout, SinkType::File, SinkType::Webhook, SinkType::Syslog,
                               SinkType::Journald};

// "type file has", "types file and journald have".
std::string having(unsigned types) {
  std::string list;
  std::size_t count = 0;
  for (const SinkType type : kTypes) {
    if ((types & bit(type)) == 0) continue;
    if (count++ > 0) list += " and ";
    list += to_text(type);
  }
  return (count == 1 ? "type " : "types ") + list + (count == 1 ? " has" : " have");
}

std::string webhook_fault(const SinkConfig& sink) {
  if (sink.url.empty()) return "is of type webhook and needs a url";
  if (sink.url.starts_with("https://")) return {};
  if (!sink.url.starts_with("http://")) return "is of type webhook, whose url begins with https:// or http://";
  if (!sink.ca_file.empty()) return "has a ca_file, which only https:// uses";
  return sink.token_file.empty() ? "" : "would send its token to http:// for everybody to read; use https://";
}

std::string syslog_fault(const SinkConfig& sink) {
  if (sink.url.empty()) return "is of type syslog and needs a url, as unix:///dev/log or tls://logs.example";
  bool is_known = false;
  for (const std::string_view scheme : {"unix://", "udp://", "tcp://", "tls://"})
    is_known = is_known || sink.url.starts_with(scheme);
  if (!is_known) return "is of type syslog, whose url begins with unix://, udp://, tcp:// or tls://";
  // A record that goes over several lines would be several messages at the other end.
  if (sink.format == SinkFormat::Human || sink.format == SinkFormat::Csv)
    return "is of type syslog, whose messages are one line: format is to be json, cef, ecs, ocsf or stix";
  if (!sink.url.starts_with("tls://")) {
    if (!sink.ca_file.empty()) return "has a ca_file, which only tls:// uses";
    return sink.cert_file.empty() && sink.key_file.empty() ? "" : "has a certificate, which only tls:// uses";
  }
  if (sink.cert_file.empty() != sink.key_file.empty())
    return "has one of cert_file and key_file; a certificate needs its key, so give both or none";
  return {};
}

}  // namespace

std::string fault_of(const SinkConfig& sink) {
  for (const TypedField& field : kTypedFields)
    if ((field.types & bit(sink.type)) == 0 && field.is_set(sink))
      return "has " + std::string(field.name) + ", which only " + having(field.types);
  switch (sink.type) {
    case SinkType::Stdout:
    case SinkType::Journald:
      return {};
    case SinkType::File:
      return sink.path.empty() ? "is of type file and needs a path" : "";
    case SinkType::Webhook:
      return webhook_fault(sink);
    case SinkType::Syslog:
      return syslog_fault(sink);
  }
  return {};
}

}  // namespace de::config
