#include "courier/program.h"

#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "courier/confine.h"
#include "courier/local_socket.h"
#include "courier/place.h"
#include "courier/syslog_server.h"
#include "courier/webhook.h"
#include "daemoneye/base/fault.h"
#include "parcel/parcel.h"

namespace de::courier {
namespace {

constexpr int kAgent = STDIN_FILENO;

bool has_agent() {
  int kind = 0;
  socklen_t size = sizeof kind;
  return ::getsockopt(kAgent, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_SEQPACKET;
}

struct CourierOptions {
  std::string type = "webhook";
  WebhookOptions webhook;  // Its URL, certificates and limit of time are those of all types.
};

Result<std::unique_ptr<Destination>> open_destination(const CourierOptions& options) {
  const WebhookOptions& common = options.webhook;
  if (options.type == "webhook") return Webhook::open(common);
  DE_TRY(place, parse_place(common.url));
  if (place.scheme == "unix") return LocalSocket::open({place.path, options.type == "journald", common.timeout});
  TlsOptions tls{{}, common.ca_file, common.cert_file, common.key_file};
  return SyslogServer::open({std::move(place), std::move(tls), common.timeout});
}

Result<std::unique_ptr<Destination>> settle(const CourierOptions& options) {
  DE_TRY(destination, open_destination(options));
  DE_TRY(held, confine(destination->needs()));
  for (const std::string& note : held.notes)
    std::fprintf(stderr, "daemoneye-courier: weaker than asked: %s\n", note.c_str());
  fault::let_attack("courier");
  return std::move(destination);
}

// Until the agent is gone.
Result<> serve(Destination& destination) {
  for (;;) {
    DE_TRY(taken, parcel::receive_parcel(kAgent));
    DE_CHECK(parcel::send_receipt(kAgent, {taken.number, destination.deliver(taken)}));
  }
}

}  // namespace

int run_courier(int argc, char** argv) {
  CLI::App app(
      "Takes alerts to one place. Started by daemoneye-agent, one for each sink of type webhook, syslog or "
      "journald.",
      "daemoneye-courier");
  CourierOptions all;
  WebhookOptions& options = all.webhook;
  std::int64_t timeout_ms = options.timeout.count();
  app.add_option("--url", options.url, "Where alerts are taken to")->required();
  app.add_option("--type", all.type, "Type of the sink")->check(CLI::IsMember({"webhook", "syslog", "journald"}));
  app.add_option("--ca-file", options.ca_file, "Who may sign the server's certificate");
  app.add_option("--token-file", options.token_file, "What is sent as bearer token");
  app.add_option("--content-type", options.content_type, "What the alerts are");
  app.add_option("--cert-file", options.cert_file, "The certificate to show");
  app.add_option("--key-file", options.key_file, "Its key");
  app.add_option("--user", options.user, "Name for basic authentication");
  app.add_option("--password-file", options.password_file, "Its password");
  app.add_option("--hmac-file", options.hmac_file, "The key that alerts are signed with");
  app.add_option("--proxy", options.proxy, "What leads to the server");
  app.add_option("--timeout-ms", timeout_ms, "For one alert")->check(CLI::Range(1, 600'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  if (!has_agent()) {
    std::fputs("daemoneye-courier: it is daemoneye-agent that starts it, for a sink\n", stderr);
    return 2;
  }
  options.timeout = std::chrono::milliseconds(timeout_ms);
  // It ends when its channel does.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)std::signal(number, SIG_IGN);
  const Result<std::unique_ptr<Destination>> destination = settle(all);
  parcel::Receipt ready{parcel::kReady, {}};
  if (!destination) ready.outcome = fail(Error(destination.error()));
  const Result<> told = parcel::send_receipt(kAgent, ready);
  if (!destination || !told) return 1;
  const Result<> ended = serve(**destination);
  if (ended.error().code() == Errc::Closed) return 0;
  std::fprintf(stderr, "daemoneye-courier: %s\n", ended.error().message().c_str());
  return 1;
}

}  // namespace de::courier
