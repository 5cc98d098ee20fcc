#include "courier/webhook.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <net/if.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "daemoneye/base/text.h"
#include "daemoneye/base/unique_fd.h"

namespace de::courier {
namespace {

constexpr std::size_t kShownBytes = 200;  // Of an answer, in an error.
constexpr long kConnectMs = 5'000;

using Text = std::unique_ptr<char, void (*)(void*)>;

Text part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  (void)::curl_url_get(url, part, &text, flags);  // Absent: null.
  return {text, ::curl_free};
}

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

Result<std::string> read_token(const std::string& path) {
  const std::string what = "token_file " + path;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return fail(errno == ENOENT ? Errc::NotFound : Errc::Denied, what, last_os_error());
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return fail(Errc::Io, what, last_os_error());
  if (!S_ISREG(facts.st_mode)) return fail(Errc::Invalid, what + " is not a regular file");
  if ((facts.st_mode & 027) != 0)
    return fail(Errc::Denied, what + " may be read by others or written by its group: chmod 0640 " + path);
  std::array<char, kMaxTokenBytes + 2> bytes{};
  const ssize_t got = ::read(fd.get(), bytes.data(), bytes.size());
  if (got < 0) return fail(Errc::Io, what, last_os_error());
  std::string out(bytes.data(), static_cast<std::size_t>(got));
  ::explicit_bzero(bytes.data(), bytes.size());
  if (out.ends_with('\n')) out.pop_back();
  if (out.size() > kMaxTokenBytes) return fail(Errc::TooLarge, what + " is longer than a token can be");
  const bool printable = std::ranges::all_of(out, [](char c) { return c > ' ' && c < 0x7f; });
  if (out.empty() || !printable) return fail(Errc::Invalid, what + ": expected one line without spaces");
  return out;
}

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
  Result<> done = out->set_up(options, token);
  ::explicit_bzero(token.data(), token.size());
  if (!done) return fail(std::move(done).error());
  return out;
}

Webhook::~Webhook() = default;

Result<> Webhook::parse_url(const std::string& url) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(::curl_url(), ::curl_url_cleanup);
  if (const CURLUcode failed = ::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); failed != CURLUE_OK)
    return fail(Errc::Invalid, "url: " + std::string(::curl_url_strerror(failed)));
  const Text scheme = part_of(parsed.get(), CURLUPART_SCHEME), host = part_of(parsed.get(), CURLUPART_HOST);
  const Text port = part_of(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!scheme || !host || !port) return fail(Errc::Invalid, "url: a scheme and a host are needed");
  const std::string_view name = scheme.get();
  if (name != "http" && name != "https") return fail(Errc::Invalid, "url: expected http:// or https://");
  if (part_of(parsed.get(), CURLUPART_USER) || part_of(parsed.get(), CURLUPART_PASSWORD))
    return fail(Errc::Invalid, "url: who may post belongs into token_file");
  port_ = static_cast<std::uint16_t>(std::atoi(port.get()));
  place_ = std::string(name) + "://" + host.get() + ":" + port.get();
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
  ::explicit_bzero(authorization.data(), authorization.size());
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

Result<> Webhook::post(const parcel::Parcel& parcel) {
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
