// The control socket: one request per connection, a stream of replies ended by a trailer. Who may ask is decided by
// the kernel's credentials of the peer.
//
// Thread: io.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemoneye/link/listener.h"
#include "serve/admission.h"
#include "serve/answers.h"
#include "serve/context.h"

namespace de::serve {

constexpr link::Limits kControlLimits{64UL << 10, 1UL << 20};

struct ControlOptions {
  std::optional<gid_t> readers;  // Members may ask; root and the agent's own user always may.
  std::string readers_name;      // For the refusal.
  std::optional<gid_t> admins;   // Members of both groups may change; root and the agent's own user always may.
  std::string admins_name;
  AdmissionLimits limits{};  // Of each user.
};

class Control {
 public:
  static constexpr std::size_t kMaxConnections = 32;

  // Both references outlive the control server.
  Control(boost::asio::any_io_executor executor, ControlOptions options, Context& context);

  // Serves until the listener is closed.
  link::Task<> run(link::Listener& listener);
  const ControlCounts& counts() const { return counts_; }

 private:
  link::Task<> serve(std::shared_ptr<link::Connection> connection);
  link::Task<> turn_away(std::shared_ptr<link::Connection> connection, Error why);
  bool is_let_in(uid_t uid);
  Result<> admit(uid_t uid);
  boost::asio::awaitable<void> wait_for_turn(uid_t uid);
  link::Task<Answer> work_on(link::Peer peer, pb::ControlRequest request, Unwanted is_unwanted);
  void spawn(link::Task<> work, std::optional<uid_t> admitted);
  link::Task<Answer> dispatch(link::Peer peer, pb::ControlRequest request, Unwanted is_unwanted);
  link::Task<> send(link::Connection& connection, Answer answer);
  bool may_read(const link::Peer& peer) const;
  Result<> check_may_change(const link::Peer& peer, const char* request);

  boost::asio::any_io_executor executor_;
  const ControlOptions options_;
  Context& context_;
  SessionShelf shelf_;
  Admission admission_;
  ControlCounts counts_;
  std::size_t open_ = 0;
};

}  // namespace de::serve
