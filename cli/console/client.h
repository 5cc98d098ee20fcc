// One session with the agent over its control socket: a request, a stream of replies, a trailer.
//
// The agent is not trusted to be well: every reply has a size limit and a deadline, and an answer without a trailer
// is an error, never a short result.
//
// Thread: any; one owner at a time. Blocks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "daemoneye/link/connection.h"

namespace de::console {

class Client {
 public:
  // Errors: NotFound, Closed, Timeout (nobody there), Denied (no permission), Invalid (no possible socket), Io.
  static Result<Client> connect(const std::string& socket);

  // Called for each reply but the trailer; its error ends the session and is returned.
  using OnReply = std::function<Result<>(const pb::ControlReply&)>;
  // Called once when nothing has come for kPatience: whoever waits is told that he does.
  using OnSilence = std::function<void()>;
  static constexpr std::chrono::seconds kPatience{3};

  // Errors: those of `on_reply`; Closed (the agent left), Timeout (silent for `limit`), Corrupt, TooLarge, Io.
  Result<pb::Trailer> ask(const pb::ControlRequest& request, std::chrono::milliseconds limit, const OnReply& on_reply,
                          const OnSilence& on_silence = {});

 private:
  explicit Client(std::unique_ptr<boost::asio::io_context> io) : io_(std::move(io)) {}

  std::unique_ptr<boost::asio::io_context> io_;  // On the heap: the connection refers to it.
  link::Connection connection_;
};

}  // namespace de::console
