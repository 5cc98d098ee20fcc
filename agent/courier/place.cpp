#include "courier/place.h"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace de::courier {
namespace {

using UrlText = std::unique_ptr<char, void (*)(void*)>;

UrlText part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  (void)::curl_url_get(url, part, &text, flags);  // Absent: null.
  return {text, ::curl_free};
}

// Registered for syslog: RFC 5426, 6587 and 5425.
std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "udp") return 514;
  if (scheme == "tcp") return 601;
  if (scheme == "tls") return 6514;
  return scheme == "https" ? 443 : 80;
}

}  // namespace

std::string Place::text() const {
  if (!path.empty()) return scheme + "://" + path;
  const bool is_ipv6 = host.find(':') != host.npos;
  return scheme + "://" + (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Place> parse_place(const std::string& url, const std::string& key) {
  constexpr std::string_view kLocal = "unix://";
  if (url.starts_with(kLocal)) return Place{"unix", {}, 0, url.substr(kLocal.size())};
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(::curl_url(), ::curl_url_cleanup);
  const CURLUcode failed = ::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (failed != CURLUE_OK) return fail(Errc::Invalid, key + ": " + std::string(::curl_url_strerror(failed)));
  const UrlText scheme = part_of(parsed.get(), CURLUPART_SCHEME), host = part_of(parsed.get(), CURLUPART_HOST);
  const UrlText port = part_of(parsed.get(), CURLUPART_PORT);
  if (!scheme || !host) return fail(Errc::Invalid, key + ": a scheme and a host are needed");
  if (part_of(parsed.get(), CURLUPART_USER) || part_of(parsed.get(), CURLUPART_PASSWORD))
    return fail(Errc::Invalid, key + ": who may post belongs into files, not here");
  Place out{scheme.get(), host.get(), default_port(scheme.get()), {}};
  if (port) out.port = static_cast<std::uint16_t>(std::atoi(port.get()));
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

}  // namespace de::courier
