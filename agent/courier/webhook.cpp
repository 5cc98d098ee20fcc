#include "courier/webhook.h"

#include <curl/curl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "courier/place.h"
#include "courier/secret_file.h"
#include "daemoneye/base/text.h"
#include "daemoneye/base/unique_fd.h"

namespace de::courier {
namespace {

constexpr std::size_t kShownBytes = 200;  // Of an answer, in an error.
constexpr long kConnectMs = 5'000;

std::size_t take_answer(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& answer = *static_cast<std::string*>(to);
  const std::size_t length = size * count;
  if (length > kMaxAnswerBytes - answer.size()) return 0;  // Ends it: CURLE_WRITE_ERROR.
  answer.append(bytes, length);
  return length;
}

Result<> check_ca_file(const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return {};
  return fail(Errc::Denied, "ca_file " + path, last_os_error());
}

// Whether there is any interface but the one that leads to ourselves. Who may make no socket is told of none.
bool sees_network() {
  struct if_nameindex* const all = ::if_nameindex();
  if (all == nullptr) return false;
  bool found = false;
  for (const struct if_nameindex* one = all; one->if_index != 0; ++one)
    found = found || std::string_view(one->if_name) != "lo";
  ::if_freenameindex(all);
  return found;
}

// What is probably to be done about it; empty: libcurl's own words have to do.
std::string_view remedy(CURLcode failed, bool sees_network) {
  switch (failed) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return "; if it is the right server, `url` needs the name in its certificate, `ca_file` what signed it";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return "; what answers there does not speak HTTP: check the port of `url`, and http or https";
    case CURLE_SSL_CONNECT_ERROR:
      return "; check the port of `url`, and that the server expects https there";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return sees_network ? "" : "; the service is cut off from the network, see docs/sinks.md";
    default:
      return "";
  }
}

Errc kind_of(CURLcode failed) {
  if (failed == CURLE_OPERATION_TIMEDOUT) return Errc::Timeout;
  return failed == CURLE_PEER_FAILED_VERIFICATION ? Errc::Denied : Errc::Io;
}

}  // namespace

struct Webhook::Handles {
  ~Handles() {
    ::curl_slist_free_all(headers);
    ::curl_easy_cleanup(easy);
  }
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;  // Those of every request.
};

Result<std::unique_ptr<Webhook>> Webhook::open(const WebhookOptions& options) {
  if (::curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return fail(Errc::Io, "libcurl does not start");
  std::unique_ptr<Webhook> out(new Webhook);
  out->sees_network_ = sees_network();
  DE_CHECK(out->parse_url(options.url));
  DE_CHECK(check_ca_file(options.ca_file));
  std::string token;
  if (!options.token_file.empty()) {
    DE_TRY(read, read_token(options.token_file));
    token = std::move(read);
  }
  out->ca_file_ = options.ca_file;
  Result<> done = out->set_up(options, token);
  wipe(token);
  if (!done) return fail(std::move(done).error());
  return out;
}

Webhook::~Webhook() = default;

Result<> Webhook::parse_url(const std::string& url) {
  DE_TRY(place, parse_place(url));
  if (place.scheme != "http" && place.scheme != "https")
    return fail(Errc::Invalid, "url: expected http:// or https://");
  port_ = place.port;
  place_ = place.text();
  return {};
}

Result<> Webhook::set_up(const WebhookOptions& options, const std::string& token) {
  curl_ = std::make_unique<Handles>();
  curl_->easy = ::curl_easy_init();
  if (curl_->easy == nullptr) return fail(Errc::Exhausted, "libcurl has no memory");
  // "Expect:" takes out a pause before the body that few servers end.
  std::string authorization = "Authorization: Bearer " + token;
  std::vector<std::string> lines = {"Content-Type: " + options.content_type, "Expect:"};
  for (const std::string& line : lines) curl_->headers = ::curl_slist_append(curl_->headers, line.c_str());
  if (!token.empty()) curl_->headers = ::curl_slist_append(curl_->headers, authorization.c_str());
  wipe(authorization);
  CURL* const easy = curl_->easy;
  CURLcode failed = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (failed == CURLE_OK) failed = ::curl_easy_setopt(easy, option, value);
  };
  set(CURLOPT_URL, options.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");  // Not what the environment says.
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, std::min(kConnectMs, static_cast<long>(options.timeout.count())));
  set(CURLOPT_USERAGENT, "daemoneye/" DE_VERSION);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_WRITEFUNCTION, &take_answer);
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  return failed == CURLE_OK ? Result<>() : fail(Errc::Unsupported, ::curl_easy_strerror(failed));
}

Result<> Webhook::deliver(const parcel::Parcel& parcel) {
  CURL* const easy = curl_->easy;
  std::string answer;
  std::array<char, CURL_ERROR_SIZE> details{};
  // In front of the others, which stay for the next request.
  const std::string key = "Idempotency-Key: " + parcel.key;
  curl_slist first{const_cast<char*>(key.c_str()), curl_->headers};
  (void)::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &first);
  (void)::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, parcel.body.data());
  (void)::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(parcel.body.size()));
  (void)::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
  (void)::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, details.data());
  const CURLcode failed = ::curl_easy_perform(easy);
  long status = 0;
  (void)::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  (void)::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, curl_->headers);
  (void)::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
  return judge(failed, details.data(), status, answer);
}

Result<> Webhook::judge(int failed, const char* details, long status, const std::string& answer) const {
  const auto code = static_cast<CURLcode>(failed);
  // Larger than is read, but it has said what it had to.
  const bool answered = code == CURLE_OK || code == CURLE_WRITE_ERROR;
  if (answered && status >= 200 && status < 300) return {};
  if (answered) {
    const std::string shown = answer.empty() ? "" : ": " + escape_controls(answer.substr(0, kShownBytes));
    const bool refused = status == 401 || status == 403;
    return fail(refused ? Errc::Denied : Errc::Io, place_ + " answered " + std::to_string(status) + shown);
  }
  const std::string why = *details != '\0' ? details : ::curl_easy_strerror(code);
  return fail(kind_of(code), place_ + ": " + why + std::string(remedy(code, sees_network_)));
}

}  // namespace de::courier
