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
    {"a user", bit(SinkType::Webhook), [](const SinkConfig& s) { return !s.user.empty(); }},
    {"a password_file", bit(SinkType::Webhook), [](const SinkConfig& s) { return !s.password_file.empty(); }},
    {"an hmac_file", bit(SinkType::Webhook), [](const SinkConfig& s) { return !s.hmac_file.empty(); }},
    {"a proxy", bit(SinkType::Webhook), [](const SinkConfig& s) { return !s.proxy.empty(); }},
    {"a cert_file", bit(SinkType::Webhook) | bit(SinkType::Syslog),
     [](const SinkConfig& s) { return !s.cert_file.empty(); }},
    {"a key_file", bit(SinkType::Webhook) | bit(SinkType::Syslog),
     [](const SinkConfig& s) { return !s.key_file.empty(); }},
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

bool is_http(std::string_view url) { return url.starts_with("http://") || url.starts_with("https://"); }

// What a connection without TLS cannot have, or must not be told.
std::string clear_text_fault(const SinkConfig& sink, const std::string& secure) {
  if (!sink.ca_file.empty()) return "has a ca_file, which only " + secure + " uses";
  if (!sink.cert_file.empty() || !sink.key_file.empty()) return "has a certificate, which only " + secure + " uses";
  if (!sink.token_file.empty()) return "would send its token to http:// for everybody to read; use https://";
  return sink.password_file.empty() ? "" : "would send its password to http:// for everybody to read; use https://";
}

std::string certificate_fault(const SinkConfig& sink) {
  if (sink.cert_file.empty() == sink.key_file.empty()) return {};
  return "has one of cert_file and key_file; a certificate needs its key, so give both or none";
}

std::string webhook_fault(const SinkConfig& sink) {
  if (sink.url.empty()) return "is of type webhook and needs a url";
  if (!is_http(sink.url)) return "is of type webhook, whose url begins with https:// or http://";
  if (!sink.proxy.empty() && !is_http(sink.proxy)) return "has a proxy, which begins with http:// or https://";
  if (sink.user.empty() != sink.password_file.empty())
    return "has one of user and password_file; basic authentication needs both";
  if (!sink.user.empty() && !sink.token_file.empty())
    return "has both token_file and user; a request has room for one of them";
  if (sink.url.starts_with("http://")) return clear_text_fault(sink, "https://");
  return certificate_fault(sink);
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
  return sink.url.starts_with("tls://") ? certificate_fault(sink) : clear_text_fault(sink, "tls://");
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
