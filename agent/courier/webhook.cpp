#include "courier/webhook.h"

#include <curl/curl.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iterator>

#include "courier/place.h"
#include "courier/secret_file.h"
#include "courier/tls.h"
#include "daemoneye/base/text.h"

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

std::string base64(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
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
std::string_view remedy(CURLcode failed, bool sees_network, bool is_tls, bool shows_certificate) {
  switch (failed) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return "; if it is the right server, `url` needs the name in its certificate, `ca_file` what signed it";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return "; what answers there does not speak HTTP: check the port of `url`, and http or https";
    case CURLE_SSL_CONNECT_ERROR:
      return "; check the port of `url`, and that the server expects https there";
    case CURLE_RECV_ERROR:  // In TLS 1.3 it is the first answer that says so.
    case CURLE_SSL_CERTPROBLEM:
      if (!is_tls) return "";
      return shows_certificate ? "; it may want another certificate: check `cert_file`"
                               : "; if it wants a certificate, name it in `cert_file` and its key in `key_file`";
    case CURLE_COULDNT_RESOLVE_PROXY:
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

std::string signature(std::string_view key, std::int64_t unix_s, std::string_view body) {
  const std::string text = std::to_string(unix_s) + "." + std::string(body);
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  (void)::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(),
               reinterpret_cast<unsigned char*>(mac.data()), &size);
  mac.resize(size);
  return "sha256=" + to_hex(mac);
}

struct Webhook::Handles {
  ~Handles() {
    for (curl_slist* line = headers; line != nullptr; line = line->next)
      ::explicit_bzero(line->data, ::strlen(line->data));
    ::curl_slist_free_all(headers);
    ::curl_easy_cleanup(easy);
  }
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;  // Those of every request.
};

Webhook::Webhook(WebhookOptions options) : options_(std::move(options)) {}

Result<std::unique_ptr<Webhook>> Webhook::open(const WebhookOptions& options) {
  if (::curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return fail(Errc::Io, "libcurl does not start");
  std::unique_ptr<Webhook> out(new Webhook(options));
  out->sees_network_ = sees_network();
  DE_CHECK(out->parse_urls());
  DE_CHECK(out->read_certificate());
  if (!options.hmac_file.empty()) {
    DE_TRY(key, read_token("hmac_file", options.hmac_file));
    out->hmac_key_ = std::move(key);
  }
  DE_CHECK(out->set_up());
  return out;
}

Webhook::~Webhook() {
  wipe(hmac_key_);
  wipe(key_);
}

Result<> Webhook::parse_urls() {
  const auto parse = [](const std::string& key, const std::string& url) -> Result<Place> {
    DE_TRY(place, parse_place(url, key));
    if (place.scheme == "http" || place.scheme == "https") return std::move(place);
    return fail(Errc::Invalid, key + ": expected http:// or https://");
  };
  DE_TRY(server, parse("url", options_.url));
  place_ = server.text();
  port_ = server.port;
  if (options_.proxy.empty()) return {};
  DE_TRY(proxy, parse("proxy", options_.proxy));
  port_ = proxy.port;
  return {};
}

Result<> Webhook::read_certificate() {
  if (!options_.url.starts_with("https://")) return {};
  // What is wrong with the files is said now and by their names; libcurl would say less, at the first alert.
  auto judged = Tls::open({{}, options_.ca_file, options_.cert_file, options_.key_file});
  if (!judged) return fail(std::move(judged).error());
  if (options_.cert_file.empty()) return {};
  std::ifstream file(options_.cert_file);
  certificate_.assign(std::istreambuf_iterator<char>(file), {});
  DE_TRY(key, read_secret("key_file", options_.key_file, kMaxKeyBytes));
  key_ = std::move(key);
  return {};
}

Result<std::string> Webhook::authorization() const {
  if (!options_.token_file.empty()) {
    DE_TRY(token, read_token("token_file", options_.token_file));
    std::string line = "Authorization: Bearer " + token;
    wipe(token);
    return line;
  }
  if (options_.user.empty()) return std::string();
  DE_TRY(password, read_token("password_file", options_.password_file));
  std::string both = options_.user + ":" + password;
  std::string line = "Authorization: Basic " + base64(both);
  wipe(both);
  wipe(password);
  return line;
}

Result<> Webhook::set_up() {
  curl_ = std::make_unique<Handles>();
  curl_->easy = ::curl_easy_init();
  if (curl_->easy == nullptr) return fail(Errc::Exhausted, "libcurl has no memory");
  DE_TRY(authorized, authorization());
  // "Expect:" takes out a pause before the body that few servers end.
  const std::string content = "Content-Type: " + options_.content_type;
  for (const char* line : {content.c_str(), "Expect:", authorized.c_str()})
    if (*line != '\0') curl_->headers = ::curl_slist_append(curl_->headers, line);
  wipe(authorized);
  CURL* const easy = curl_->easy;
  CURLcode failed = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (failed == CURLE_OK) failed = ::curl_easy_setopt(easy, option, value);
  };
  set(CURLOPT_URL, options_.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, options_.proxy.c_str());  // Not what the environment says.
  set(CURLOPT_NOPROXY, "");
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!options_.proxy.empty()) set(CURLOPT_PROXYPORT, static_cast<long>(port_));  // libcurl's own default is 1080.
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, std::min(kConnectMs, static_cast<long>(options_.timeout.count())));
  set(CURLOPT_USERAGENT, "daemoneye/" DE_VERSION);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_WRITEFUNCTION, &take_answer);
  if (failed != CURLE_OK) return fail(Errc::Unsupported, ::curl_easy_strerror(failed));
  return set_up_tls();
}

Result<> Webhook::set_up_tls() {
  CURLcode failed = CURLE_OK;
  const auto set = [&](CURLoption option, auto value) {
    if (failed == CURLE_OK) failed = ::curl_easy_setopt(curl_->easy, option, value);
  };
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) {
    set(CURLOPT_CAINFO, options_.ca_file.c_str());
    set(CURLOPT_PROXY_CAINFO, options_.ca_file.c_str());
  }
  if (!key_.empty()) {
    curl_blob certificate{certificate_.data(), certificate_.size(), CURL_BLOB_NOCOPY};
    curl_blob key{key_.data(), key_.size(), CURL_BLOB_NOCOPY};
    set(CURLOPT_SSLCERT_BLOB, &certificate);
    set(CURLOPT_SSLKEY_BLOB, &key);
  }
  return failed == CURLE_OK ? Result<>() : fail(Errc::Unsupported, ::curl_easy_strerror(failed));
}

Result<> Webhook::deliver(const parcel::Parcel& parcel) {
  CURL* const easy = curl_->easy;
  std::string answer;
  std::array<char, CURL_ERROR_SIZE> details{};
  // In front of the others, which stay for the next request.
  std::string key = "Idempotency-Key: " + parcel.key, timestamp, signed_by;
  curl_slist first{key.data(), curl_->headers}, second{}, third{};
  if (!hmac_key_.empty()) {
    const std::int64_t now_s = std::time(nullptr);
    timestamp = "X-DaemonEye-Timestamp: " + std::to_string(now_s);
    signed_by = "X-DaemonEye-Signature: " + signature(hmac_key_, now_s, parcel.body);
    third = {signed_by.data(), curl_->headers};
    second = {timestamp.data(), &third};
    first.next = &second;
  }
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
  return fail(kind_of(code), place_ + ": " + why +
                                 std::string(remedy(code, sees_network_, place_.starts_with("https"), !key_.empty())));
}

}  // namespace de::courier
