// One local stream connection that carries whole frames, each with a deadline.
//
// Everything that arrives is hostile: length and checksum are verified here, nothing about the content is.
//
// Thread: io (the executor it was made with; one thread runs it).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/link/peer.h"
#include "daemoneye/link/task.h"

namespace de::link {

// Largest payload in each direction, as this side sees it.
struct Limits {
  std::size_t read_bytes;
  std::size_t write_bytes;
};

class Connection {
 public:
  // A closed connection; every operation on it fails with Closed.
  Connection() = default;

  // Takes over a connected stream socket and asks the kernel who the peer is. Errors: Io.
  static Result<Connection> adopt(boost::asio::any_io_executor executor, UniqueFd socket, Limits limits);

  Connection(Connection&& other) noexcept = default;
  Connection& operator=(Connection&& other) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Closes; operations still pending end with Cancelled.
  ~Connection();

  // The next payload, complete and checked, within `limit` from now.
  //
  // Errors: Closed (the peer is gone, at a frame boundary), Timeout (the connection is closed), TooLarge (over
  // Limits::read_bytes), Corrupt (empty frame, checksum, connection ended inside a frame), Cancelled (close() was
  // called), Conflict (another read is pending), Io. After any of them but Conflict nothing more can be read; after
  // TooLarge and Corrupt a last answer can still be written.
  Task<std::string> read(std::chrono::milliseconds limit);

  // Sends one payload; done when the kernel has taken all of it.
  //
  // Errors: Invalid (empty), TooLarge (over Limits::write_bytes), Conflict (another write is pending): nothing was
  // sent. Closed, Timeout (the connection is closed), Cancelled, Io: nothing more can be written, the peer may have
  // seen a part; after Closed and Io what the peer sent before it left can still be read.
  Task<> write(std::string payload, std::chrono::milliseconds limit);

  // One read and one write may be pending at the same time. The reference lives as long as the connection.
  const Peer& peer() const;
  const Limits& limits() const;
  // From the next frame on.
  void limit_reads(std::size_t bytes);
  bool is_open() const;
  void close();

 private:
  struct Stream;
  class Deadline;
  friend class HangUpWatch;

  explicit Connection(std::shared_ptr<Stream> stream);
  static Error io_error(const Stream& stream, const char* step, const boost::system::error_code& ec);
  static Task<std::string> read_frame(std::shared_ptr<Stream> stream, std::chrono::milliseconds limit);
  static Task<> write_frame(std::shared_ptr<Stream> stream, std::string payload, std::chrono::milliseconds limit);

  // Shared with the operations that are pending, so that the connection may be moved or destroyed under them.
  std::shared_ptr<Stream> stream_;
};

// Calls `gone` once, when the peer has closed its end, be there something unread or not; never after this object is
// destroyed. The connection outlives it. While it watches, what the peer sends can be read as ever.
//
// Thread: that of the connection.
class HangUpWatch {
 public:
  HangUpWatch(Connection& connection, std::function<void()> gone);
  HangUpWatch(const HangUpWatch&) = delete;
  HangUpWatch& operator=(const HangUpWatch&) = delete;
  ~HangUpWatch();

 private:
  boost::asio::cancellation_signal stop_;
  std::shared_ptr<bool> over_ = std::make_shared<bool>(false);  // Of a handler that is queued already.
};

// Reads one protobuf message. Errors: as Connection::read; Corrupt when the payload does not parse.
template <class Message>
Task<Message> read_message(Connection& connection, std::chrono::milliseconds limit) {
  auto payload = co_await connection.read(limit);
  if (!payload) co_return fail(std::move(payload).error());
  Message message;
  if (!message.ParseFromString(*payload)) co_return fail(Errc::Corrupt, "message does not parse");
  co_return Result<Message>(std::move(message));
}

// The same, merged into what `message` holds, which keeps its memory. The bytes it came in.
template <class Message>
Task<std::size_t> read_message_into(Connection& connection, Message& message, std::chrono::milliseconds limit) {
  auto payload = co_await connection.read(limit);
  if (!payload) co_return fail(std::move(payload).error());
  if (!message.MergeFromString(*payload)) co_return fail(Errc::Corrupt, "message does not parse");
  co_return payload->size();
}

// Writes one protobuf message; `message` must live until the write is done. Errors: as Connection::write.
template <class Message>
Task<> write_message(Connection& connection, const Message& message, std::chrono::milliseconds limit) {
  std::string payload;
  if (!message.SerializeToString(&payload)) co_return fail(Errc::TooLarge, "message cannot be serialised");
  co_return co_await connection.write(std::move(payload), limit);
}

}  // namespace de::link
