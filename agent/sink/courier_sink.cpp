// Alerts for the network and for sockets of this host, which the agent itself cannot reach: a courier (agent/courier)
// takes them there.
#include "parcel/parcel.h"
#include "sink/sink.h"

namespace de::sink {
namespace {

constexpr std::chrono::seconds kCourierLimit{5};  // To start, to take a parcel, to say what became of it.

class CourierSink final : public Sink {
 public:
  CourierSink(const SinkOptions& options, supervise::Launcher& launcher, std::size_t program)
      : name_(options.name), options_(options), timeout_(options.timeout), launcher_(launcher), program_(program) {}

  std::string_view name() const override { return name_; }

  // Says at once that a token cannot be read, or who signed.
  Result<> prepare() override { return or_end(start_courier()); }

  Result<> deliver(const pb::Alert& alert) override { return or_end(hand_over(alert)); }

  Result<> sync() override { return {}; }  // The server's storage is the server's.

 private:
  Result<> hand_over(const pb::Alert& alert) {
    is_told_ = false;
    if (!channel_) DE_CHECK(start_courier());
    parcel::Parcel out;
    out.number = ++number_;
    if (out.number == parcel::kReady) out.number = ++number_;
    out.key = alert.id();
    out.body = write(alert);
    const auto now = std::chrono::steady_clock::now();
    DE_CHECK(parcel::send_parcel(channel_.get(), out, now + kCourierLimit));
    return await_receipt(out.number, now + timeout_ + kCourierLimit);
  }

  std::string write(const pb::Alert& alert) const {
    if (options_.type == "journald") return journal_record(options_.format, alert);
    if (options_.type != "syslog")
      return std::string(file_header(options_.format)) + format_alert(options_.format, alert);
    SyslogOptions syslog = options_.syslog;
    syslog.format = options_.format;
    return syslog_record(syslog, alert);
  }

  Result<> start_courier() {
    DE_TRY(started, launcher_.start(program_, {}, kCourierLimit));
    channel_ = std::move(started.fd);
    return await_receipt(parcel::kReady, std::chrono::steady_clock::now() + kCourierLimit);
  }

  Result<> await_receipt(std::uint32_t number, parcel::TimePoint until) {
    is_told_ = false;
    DE_TRY(receipt, parcel::receive_receipt(channel_.get(), until));
    if (receipt.number != number) return fail(Errc::Corrupt, "the courier told of another alert");
    is_told_ = true;
    return std::move(receipt.outcome);
  }

  Result<> or_end(Result<> outcome) {
    if (outcome || !channel_) return outcome;
    channel_.reset();
    const auto state = launcher_.stop(program_, std::chrono::milliseconds(0));
    if (is_told_ || outcome.error().code() != Errc::Closed || !state) return outcome;
    return fail(Errc::Closed, "the courier ended: " + describe(*state));  // How tells more than that it did.
  }

  const std::string name_;
  const SinkOptions options_;
  const std::chrono::milliseconds timeout_;
  supervise::Launcher& launcher_;
  const std::size_t program_;
  UniqueFd channel_;  // Closed: it does not run.
  std::uint32_t number_ = 0;
  bool is_told_ = false;  // The last outcome is what the courier said, not that it said nothing.
};

}  // namespace

std::unique_ptr<Sink> make_courier_sink(const SinkOptions& options, supervise::Launcher& launcher,
                                        std::size_t program) {
  return std::make_unique<CourierSink>(options, launcher, program);
}

}  // namespace de::sink
