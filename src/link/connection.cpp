#include "daemoneye/link/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <span>

#include "daemoneye/frame/frame.h"
#include "endpoint.h"

namespace de::link {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kFirstRoom = 16UL << 10;  // Almost every message fits; many who only claim one do not cost much.

// Asio's own condition moves 64 KiB a system call; a frame should go in as few as the kernel allows.
struct WholeFrame {
  std::size_t operator()(const error_code& ec, std::size_t) const { return ec ? 0 : SIZE_MAX; }
};

class Busy {
 public:
  explicit Busy(bool& flag) : flag_(flag) { flag_ = true; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { flag_ = false; }

 private:
  bool& flag_;
};

bool is_gone(const error_code& ec) {
  return ec == asio::error::eof || ec == asio::error::connection_reset || ec == asio::error::broken_pipe ||
         ec == asio::error::not_connected || ec == asio::error::shut_down;
}

}  // namespace

struct Connection::Stream {
  enum class End : std::uint8_t { None, Expired, Closed };

  Stream(const asio::any_io_executor& executor, Limits max, Peer other)
      : socket(executor), limits(max), peer(std::move(other)) {}

  void close(End why) {
    if (end == End::None) end = why;
    error_code ignored;
    socket.close(ignored);
  }

  asio::local::stream_protocol::socket socket;
  Limits limits;
  Peer peer;
  End end = End::None;
  bool reading = false;
  bool writing = false;
  bool readable = true;  // Until a read failed: after that nobody knows where the next frame starts.
  bool writable = true;
};

// Closes the stream unless destroyed first. Closing fails whatever is pending, so one timer covers a whole frame
// however slowly its bytes arrive.
class Connection::Deadline {
 public:
  Deadline(const std::shared_ptr<Stream>& stream, std::chrono::milliseconds limit)
      : timer_(stream->socket.get_executor(), bounded(limit)) {
    // weak_ptr, because destroying the timer cannot recall a handler that has already been queued: it still runs, with
    // no error, after the connection is gone.
    timer_.async_wait([weak = std::weak_ptr(stream), over = over_](const error_code& ec) {
      const auto alive = weak.lock();
      if (ec || !alive || *over) return;
      alive->close(Stream::End::Expired);
    });
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { *over_ = true; }

 private:
  // Shared with the queued handler: the operation may have finished in the same turn, and the stream lives on.
  std::shared_ptr<bool> over_ = std::make_shared<bool>(false);
  asio::steady_timer timer_;
};

Connection::Connection(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  close();
  stream_ = std::move(other.stream_);
  return *this;
}

Connection::~Connection() { close(); }

Result<Connection> Connection::adopt(asio::any_io_executor executor, UniqueFd socket, Limits limits) {
  DE_TRY(peer, peer_of(socket.get()));
  auto stream = std::make_shared<Stream>(executor, limits, std::move(peer));
  error_code ec;
  stream->socket.assign(asio::local::stream_protocol(), socket.get(), ec);
  if (ec) return fail(Errc::Io, "watch a connection", ec);
  (void)socket.release();  // The stream owns it now.
  return Connection(std::move(stream));
}

HangUpWatch::HangUpWatch(Connection& connection, std::function<void()> gone) {
  if (!connection.stream_) return;
  auto tell = [over = over_, gone = std::move(gone)](const error_code& ec) {
    if (!ec && !*over) gone();
  };
  // What is urgent, and there is no such thing on these sockets, or has hung up.
  connection.stream_->socket.async_wait(asio::socket_base::wait_error,
                                        asio::bind_cancellation_slot(stop_.slot(), std::move(tell)));
}

HangUpWatch::~HangUpWatch() {
  *over_ = true;
  stop_.emit(asio::cancellation_type::all);
}

const Peer& Connection::peer() const {
  static const Peer kNobody;
  return stream_ ? stream_->peer : kNobody;
}

const Limits& Connection::limits() const {
  static const Limits kNothing{0, 0};
  return stream_ ? stream_->limits : kNothing;
}

void Connection::limit_reads(std::size_t bytes) {
  if (stream_) stream_->limits.read_bytes = bytes;
}

bool Connection::is_open() const { return stream_ && stream_->socket.is_open(); }

void Connection::close() {
  if (stream_) stream_->close(Stream::End::Closed);
}

Error Connection::io_error(const Stream& stream, const char* step, const error_code& ec) {
  if (stream.end == Stream::End::Expired) return Error(Errc::Timeout, std::string(step) + ": the peer took too long");
  if (stream.end == Stream::End::Closed) return Error(Errc::Cancelled, std::string(step) + ": closed here");
  if (is_gone(ec)) return Error(Errc::Closed, std::string(step) + ": the peer is gone");
  return Error(Errc::Io, step, ec);
}

Task<std::string> Connection::read(std::chrono::milliseconds limit) { return read_frame(stream_, limit); }

Task<std::string> Connection::read_frame(std::shared_ptr<Stream> stream, std::chrono::milliseconds limit) {
  if (!stream) co_return fail(Errc::Closed, "read: not connected");
  if (stream->reading) co_return fail(Errc::Conflict, "read: another read is pending");
  if (!stream->socket.is_open()) co_return fail(io_error(*stream, "read", asio::error::not_connected));
  if (!stream->readable) co_return fail(Errc::Closed, "read: an earlier frame was broken");
  const Busy busy(stream->reading);
  const Deadline deadline(stream, limit);
  stream->readable = false;  // Until the frame is complete.

  error_code ec;
  std::array<std::byte, frame::kHeaderBytes> raw;
  const auto into_raw = asio::buffer(raw);
  const std::size_t got = co_await asio::async_read(stream->socket, into_raw, into(ec));
  if (ec && got > 0 && stream->end == Stream::End::None && is_gone(ec))
    co_return fail(Errc::Corrupt, "read header: the connection ended inside a frame");
  if (ec) co_return fail(io_error(*stream, "read", ec));

  DE_CO_TRY(header, frame::read_header(raw, stream->limits.read_bytes));
  std::string payload;
  // Bounded: read_header checked the limit. A length that is only claimed costs nothing: there is room for as much
  // again as has come.
  while (payload.size() < header.payload_bytes) {
    const std::size_t have = payload.size();
    payload.resize(std::min<std::size_t>(header.payload_bytes, std::max(2 * have, kFirstRoom)));
    const auto into_rest = asio::buffer(payload.data() + have, payload.size() - have);
    co_await asio::async_read(stream->socket, into_rest, WholeFrame(), into(ec));
    if (ec && stream->end == Stream::End::None && is_gone(ec))
      co_return fail(Errc::Corrupt, "read payload: the connection ended inside a frame");
    if (ec) co_return fail(io_error(*stream, "read payload", ec));
  }

  if (auto intact = frame::check_payload(header, payload); !intact) co_return fail(std::move(intact).error());
  stream->readable = true;
  co_return Result<std::string>(std::move(payload));
}

Task<> Connection::write(std::string payload, std::chrono::milliseconds limit) {
  return write_frame(stream_, std::move(payload), limit);
}

Task<> Connection::write_frame(std::shared_ptr<Stream> stream, std::string payload, std::chrono::milliseconds limit) {
  if (!stream) co_return fail(Errc::Closed, "write: not connected");
  if (stream->writing) co_return fail(Errc::Conflict, "write: another write is pending");
  if (!stream->socket.is_open()) co_return fail(io_error(*stream, "write", asio::error::not_connected));
  if (!stream->writable) co_return fail(Errc::Closed, "write: the peer is gone");
  if (payload.empty()) co_return fail(Errc::Invalid, "write: empty payload");
  const std::size_t most = std::min<std::size_t>(stream->limits.write_bytes, UINT32_MAX);
  if (payload.size() > most)
    co_return fail(Errc::TooLarge, "write: payload of " + std::to_string(payload.size()) + " bytes, the limit is " +
                                       std::to_string(most));
  const Busy busy(stream->writing);
  const Deadline deadline(stream, limit);

  std::array<std::byte, frame::kHeaderBytes> raw;
  frame::write_header(raw, payload);
  // Header and payload leave in one system call: a header alone would wake the reader for nothing.
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(raw), asio::buffer(payload)};
  error_code ec;
  co_await asio::async_write(stream->socket, parts, WholeFrame(), into(ec));
  if (!ec) co_return Result<>{};
  // Not closed: the peer's last words may still be unread, and they often say why it left.
  stream->writable = false;
  co_return fail(io_error(*stream, "write", ec));
}

}  // namespace de::link
