#include "courier/program.h"

#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "courier/confine.h"
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

Result<std::unique_ptr<Webhook>> settle(const WebhookOptions& options) {
  DE_TRY(webhook, Webhook::open(options));
  DE_TRY(held, confine(webhook->port(), options.ca_file));
  for (const std::string& note : held.notes)
    std::fprintf(stderr, "daemoneye-courier: weaker than asked: %s\n", note.c_str());
  fault::let_attack("courier");
  return std::move(webhook);
}

// Until the agent is gone.
Result<> serve(Webhook& webhook) {
  for (;;) {
    DE_TRY(taken, parcel::receive_parcel(kAgent));
    DE_CHECK(parcel::send_receipt(kAgent, {taken.number, webhook.post(taken)}));
  }
}

}  // namespace

int run_courier(int argc, char** argv) {
  CLI::App app("Takes alerts to one server. Started by daemoneye-agent, one for each sink of type webhook.",
               "daemoneye-courier");
  WebhookOptions options;
  std::int64_t timeout_ms = options.timeout.count();
  app.add_option("--url", options.url, "Where alerts are posted to")->required();
  app.add_option("--ca-file", options.ca_file, "Who may sign the server's certificate");
  app.add_option("--token-file", options.token_file, "What is sent as bearer token");
  app.add_option("--content-type", options.content_type, "What the alerts are");
  app.add_option("--timeout-ms", timeout_ms, "For one alert")->check(CLI::Range(1, 600'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  if (!has_agent()) {
    std::fputs("daemoneye-courier: it is daemoneye-agent that starts it, for a sink of type webhook\n", stderr);
    return 2;
  }
  options.timeout = std::chrono::milliseconds(timeout_ms);
  // It ends when its channel does.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) (void)std::signal(number, SIG_IGN);
  const Result<std::unique_ptr<Webhook>> webhook = settle(options);
  parcel::Receipt ready{parcel::kReady, {}};
  if (!webhook) ready.outcome = fail(Error(webhook.error()));
  const Result<> told = parcel::send_receipt(kAgent, ready);
  if (!webhook || !told) return 1;
  const Result<> ended = serve(**webhook);
  if (ended.error().code() == Errc::Closed) return 0;
  std::fprintf(stderr, "daemoneye-courier: %s\n", ended.error().message().c_str());
  return 1;
}

}  // namespace de::courier
