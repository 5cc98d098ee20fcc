// A datagram socket of this host: that of a syslog daemon (/dev/log) or of the journal. A parcel is one datagram.
//
// It is connected before the courier is confined and never again: a daemon that was restarted has another socket, which
// the next courier finds.
//
// Thread: one.
#pragma once

#include <chrono>
#include <memory>

#include "courier/destination.h"
#include "daemoneye/base/unique_fd.h"

namespace de::courier {

struct LocalOptions {
  std::string path{};
  bool takes_files = false;  // The journal: what is larger than a datagram may come as a sealed file in memory.
  std::chrono::milliseconds timeout{10'000};
};

class LocalSocket final : public Destination {
 public:
  // Errors: Invalid (the path is too long), NotFound, Denied, Closed (nobody listens there), Io.
  static Result<std::unique_ptr<LocalSocket>> open(const LocalOptions& options);

  Needs needs() const override { return {.network = false, .memory_files = options_.takes_files}; }
  // Success: it is in the queue of whoever listens. Errors: Timeout (the queue stays full), Closed (nobody listens any
  // more), TooLarge, Io.
  Result<> deliver(const parcel::Parcel& parcel) override;

 private:
  LocalSocket(LocalOptions options, UniqueFd fd) : options_(std::move(options)), fd_(std::move(fd)) {}
  Result<> send_file(const std::string& body);

  const LocalOptions options_;
  const UniqueFd fd_;
};

}  // namespace de::courier
