#include "courier/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>

#include "courier/secret_file.h"

namespace de::courier {
namespace {

constexpr std::size_t kMaxTlsChatter = 64UL << 10;
// Since TLS 1.3 a client is done before the server has seen the client's certificate. What a server says next is
// either a ticket or that it will not have us; one that says nothing costs this once per connection.
constexpr std::chrono::milliseconds kVerdictLimit{500};

std::string tls_reason() {
  std::string out;
  while (const unsigned long code = ::ERR_get_error()) {
    const char* const reason = ::ERR_reason_error_string(code);
    if (reason != nullptr && out.empty()) out = reason;
  }
  return out;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// Says which file it is about, where OpenSSL says what it was after.
Result<> check_readable(const std::string& key, const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return {};
  return fail(errno == ENOENT ? Errc::NotFound : Errc::Denied, key + " " + path, last_os_error());
}

}  // namespace

struct Tls::Handles {
  ~Handles() {
    ::SSL_free(session);
    ::SSL_CTX_free(context);
  }
  SSL_CTX* context = nullptr;
  SSL* session = nullptr;
};

Tls::~Tls() = default;

Result<std::unique_ptr<Tls>> Tls::open(const TlsOptions& options) {
  std::unique_ptr<Tls> out(new Tls);
  out->handles_ = std::make_unique<Handles>();
  out->host_ = options.host;
  SSL_CTX* const context = ::SSL_CTX_new(::TLS_client_method());
  out->handles_->context = context;
  if (context == nullptr || ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
    return fail(Errc::Unsupported, "OpenSSL does not start: " + tls_reason());
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  DE_CHECK(check_readable("ca_file", options.ca_file));
  const int trusted = options.ca_file.empty()
                          ? ::SSL_CTX_set_default_verify_paths(context)
                          : ::SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr);
  if (trusted != 1) return fail(Errc::Invalid, "ca_file " + options.ca_file + " has no certificates: " + tls_reason());
  if (!options.cert_file.empty()) DE_CHECK(out->load_certificate(options));
  return out;
}

Result<> Tls::load_certificate(const TlsOptions& options) {
  DE_CHECK(check_readable("cert_file", options.cert_file));
  if (::SSL_CTX_use_certificate_chain_file(handles_->context, options.cert_file.c_str()) != 1)
    return fail(Errc::Invalid, "cert_file " + options.cert_file + " is no certificate in PEM: " + tls_reason());
  DE_TRY(text, read_secret("key_file", options.key_file, kMaxKeyBytes));
  const std::unique_ptr<BIO, int (*)(BIO*)> bytes(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                  ::BIO_free);
  // A key that is locked by a password is refused: nobody is there to type it.
  char none[] = "";
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      ::PEM_read_bio_PrivateKey(bytes.get(), nullptr, nullptr, none), ::EVP_PKEY_free);
  wipe(text);
  if (!key) return fail(Errc::Invalid, "key_file " + options.key_file + " is no open key in PEM: " + tls_reason());
  if (::SSL_CTX_use_PrivateKey(handles_->context, key.get()) != 1 ||
      ::SSL_CTX_check_private_key(handles_->context) != 1)
    return fail(Errc::Invalid, "key_file " + options.key_file + " is not the key of cert_file: " + tls_reason());
  return {};
}

Result<> Tls::prepare_session(int fd) {
  end();
  fd_ = fd;
  ::ERR_clear_error();
  SSL* const session = ::SSL_new(handles_->context);
  handles_->session = session;
  if (session == nullptr || ::SSL_set_fd(session, fd) != 1) return fail(Errc::Exhausted, "OpenSSL: " + tls_reason());
  ::SSL_set_mode(session, SSL_MODE_ENABLE_PARTIAL_WRITE);
  int named = 0;
  if (is_address(host_)) {
    named = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(session), host_.c_str());
  } else {
    ::SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    named = static_cast<int>(::SSL_set1_host(session, host_.c_str()) == 1 &&
                             ::SSL_set_tlsext_host_name(session, host_.c_str()) == 1);
  }
  return named == 1 ? Result<>() : fail(Errc::Invalid, "url: \"" + host_ + "\" is no name of a server");
}

Result<> Tls::begin(int fd, Deadline until) {
  DE_CHECK(prepare_session(fd));
  for (;;) {
    ::ERR_clear_error();
    const int outcome = ::SSL_connect(handles_->session);
    if (outcome == 1) break;
    DE_CHECK(go_on(outcome, until));
  }
  if (::SSL_version(handles_->session) < TLS1_3_VERSION) return {};
  const Result<> spoken = await_socket(fd, POLLIN, std::min(until, std::chrono::steady_clock::now() + kVerdictLimit));
  return spoken ? check_open() : Result<>();
}

void Tls::end() {
  ::SSL_free(handles_->session);
  handles_->session = nullptr;
}

Result<> Tls::send(std::string_view bytes, Deadline until) {
  while (!bytes.empty()) {
    ::ERR_clear_error();
    std::size_t sent = 0;
    const int outcome = ::SSL_write_ex(handles_->session, bytes.data(), bytes.size(), &sent);
    if (outcome == 1) {
      bytes.remove_prefix(sent);
    } else {
      DE_CHECK(go_on(outcome, until));
    }
  }
  return {};
}

Result<> Tls::check_open() {
  std::array<char, 4'096> chatter{};
  for (std::size_t heard = 0; heard < kMaxTlsChatter;) {
    ::ERR_clear_error();
    std::size_t got = 0;
    const int outcome = ::SSL_read_ex(handles_->session, chatter.data(), chatter.size(), &got);
    const int os_error = errno;
    heard += got;
    if (outcome == 1) continue;
    const int why = ::SSL_get_error(handles_->session, outcome);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {};
    return failure(outcome, os_error);
  }
  return fail(Errc::Io, "what answers there is no syslog server: it says more than 64 KiB");
}

// After an outcome that is no success: waits for what TLS waits for, or says what has failed.
Result<> Tls::go_on(int outcome, Deadline until) {
  const int os_error = errno;
  const int why = ::SSL_get_error(handles_->session, outcome);
  if (why == SSL_ERROR_WANT_READ) return await_socket(fd_, POLLIN, until);
  if (why == SSL_ERROR_WANT_WRITE) return await_socket(fd_, POLLOUT, until);
  return failure(outcome, os_error);
}

tl::unexpected<Error> Tls::failure(int outcome, int os_error) {
  const int why = ::SSL_get_error(handles_->session, outcome);
  const long verdict = ::SSL_get_verify_result(handles_->session);
  const std::string reason = tls_reason();
  if (verdict != X509_V_OK)
    return fail(Errc::Denied,
                "SSL certificate problem: " + std::string(::X509_verify_cert_error_string(verdict)) +
                    "; if it is the right server, `url` needs the name in its certificate, `ca_file` what signed it");
  if (why == SSL_ERROR_ZERO_RETURN) return fail(Errc::Closed, "the server has closed the connection");
  if (reason.find("alert") != reason.npos)
    return fail(Errc::Denied, "the server refuses us: " + reason + "; it may want another cert_file");
  if (!reason.empty())
    return fail(Errc::Io, "TLS: " + reason + "; check the port of `url`, and that the server expects TLS there");
  if (os_error != 0) return fail(Errc::Closed, "TLS", std::error_code(os_error, std::generic_category()));
  return fail(Errc::Closed, "the server has closed the connection");
}

}  // namespace de::courier
