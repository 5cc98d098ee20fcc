#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "daemoneye/base/unique_fd.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

// A pipe that poll() calls writable takes PIPE_BUF bytes without blocking, so a stuck reader costs the time limit and
// not the thread, without making a descriptor non-blocking that other programs may share.
constexpr std::size_t kChunkBytes = PIPE_BUF;

class StreamSink final : public Sink {
 public:
  StreamSink(std::string name, Format format, int fd, std::chrono::milliseconds write_limit)
      : name_(std::move(name)), format_(format), fd_(fd), write_limit_(write_limit) {}

  std::string_view name() const override { return name_; }

  Result<> deliver(const pb::Alert& alert) override {
    std::string text;
    if (cut_) text += '\n';  // An attempt broke off inside a line: the next one must not continue it.
    if (!started_) text += file_header(format_);
    text += format_alert(format_, alert);
    return write_all(text);
  }

  Result<> sync() override { return {}; }  // The reader's storage is the reader's.

 private:
  Result<> write_all(std::string_view text) {
    const auto deadline = std::chrono::steady_clock::now() + write_limit_;
    std::size_t done = 0;
    while (done < text.size()) {
      auto ready = wait_until_writable(deadline);
      const ssize_t put =
          ready ? ::write(fd_, text.data() + done, std::min(kChunkBytes, text.size() - done)) : ssize_t{-1};
      if (put >= 0) {
        done += static_cast<std::size_t>(put);
        continue;
      }
      const std::error_code os = last_os_error();
      if (ready && (os == std::errc::interrupted || os == std::errc::operation_would_block)) continue;
      cut_ = cut_ || done > 0;
      if (!ready) return ready;
      return fail(os == std::errc::broken_pipe ? Errc::Closed : Errc::Io, "write to " + name_, os);
    }
    cut_ = false;
    started_ = true;
    return {};
  }

  Result<> wait_until_writable(std::chrono::steady_clock::time_point deadline) const {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      if (left <= 0) return fail(Errc::Timeout, "write to " + name_ + ": nobody reads");
      pollfd entry{fd_, POLLOUT, 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(left));
      if (ready > 0) return {};  // Also for errors: write() then names them.
      if (ready < 0 && errno != EINTR) return fail(Errc::Io, "write to " + name_, last_os_error());
    }
  }

  const std::string name_;
  const Format format_;
  const int fd_;
  const std::chrono::milliseconds write_limit_;
  bool started_ = false;
  bool cut_ = false;
};

}  // namespace

std::unique_ptr<Sink> make_stream_sink(std::string name, Format format, int fd, std::chrono::milliseconds write_limit) {
  return std::make_unique<StreamSink>(std::move(name), format, fd, write_limit);
}

}  // namespace de::sink
