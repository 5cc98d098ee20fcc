// Where alerts go. A sink writes one alert at a time and says honestly whether it arrived; queueing, order and retries
// are the business of delivery.h.
//
// Thread: the sink's own thread (construction anywhere).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/result.h"
#include "sink/format.h"
#include "sink/log_record.h"
#include "supervise/launcher.h"

namespace de::sink {

class Sink {
 public:
  virtual ~Sink() = default;

  virtual std::string_view name() const = 0;
  // Whether it could deliver, before there is anything to. Once, first of all.
  virtual Result<> prepare() { return {}; }
  // On failure nothing of the alert counts as written; it will be given again.
  virtual Result<> deliver(const pb::Alert& alert) = 0;
  // Makes everything delivered so far survive a power failure, where that means something. Alerts are reported as
  // delivered only after this succeeded.
  virtual Result<> sync() = 0;
};

struct SinkOptions {
  std::string name{};  // Unique among the sinks; deliveries are remembered under it.
  std::string type{};  // A row of sink_types().
  Format format = Format::Json;
  std::string path{};                         // file: absolute.
  std::uint64_t rotate_bytes = 64ULL << 20;   // file: no file grows beyond it (one larger alert has its own).
  std::uint32_t keep_files = 8;               // file: rotated files kept besides the current one, 0..kMaxKeptFiles.
  std::chrono::milliseconds timeout{10'000};  // Of a courier: for one alert, and 5 s more for itself.
  SyslogOptions syslog{};                     // syslog; its format is that of above.
};

constexpr std::uint64_t kMinRotateBytes = 4'096;
constexpr std::uint32_t kMaxKeptFiles = 100;

struct SinkType {
  std::string_view type;
  std::string_view help;
  // Errors: Invalid (options), Denied, Io.
  Result<std::unique_ptr<Sink>> (*make)(const SinkOptions& options);
};

std::span<const SinkType> sink_types();

// Errors: Invalid (unknown type, with a suggestion; empty name), and those of the type.
Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options);

// Writes to a descriptor that stays the caller's: a pipe, a terminal, a journal. A reader that lets one alert wait
// longer than `write_limit` is a failure (Timeout); one that left is another (Closed).
constexpr std::chrono::milliseconds kWriteLimit{5'000};
std::unique_ptr<Sink> make_stream_sink(std::string name, Format format, int fd, std::chrono::milliseconds write_limit);

// Of type webhook, syslog or journald: sends each alert by its courier, which `launcher` has as number `program`, with
// the alert's id as key. After a failure the courier is ended, and begun anew for the next attempt: what it reads at
// its start (token, certificates, name servers) may have been what was wrong.
std::unique_ptr<Sink> make_courier_sink(const SinkOptions& options, supervise::Launcher& launcher, std::size_t program);

// A file sink; see file_sink.cpp for what it survives. Errors: Invalid, Denied, Io.
Result<std::unique_ptr<Sink>> make_file_sink(const SinkOptions& options);

}  // namespace de::sink
