#include "console/answer.h"

#include <array>

namespace de::console {
namespace {

constexpr std::string_view kNoGroup =
    "not permitted; members of the group control.readers (daemoneye) may ask, of control.admins (daemoneye-admin) "
    "change";

// Worst last: what a script most needs to know when several requests ended differently.
constexpr std::array kBySeverity{ExitCode::Complete,           ExitCode::Degraded, ExitCode::Failed,
                                 ExitCode::VerificationFailed, ExitCode::Usage,    ExitCode::NotPermitted,
                                 ExitCode::Unreachable,        ExitCode::Internal};

std::size_t severity_of(ExitCode code) {
  std::size_t i = 0;
  while (kBySeverity[i] != code) ++i;
  return i;
}

pb::Reason execution_error(const std::string& detail) {
  pb::Reason reason;
  reason.set_reason("ExecutionError");
  reason.set_detail(detail);
  return reason;
}

}  // namespace

Answer::Answer(render::Options options, Streams streams)
    : streams_(streams), renderer_(std::move(options), [this](std::string_view text) -> Result<> {
        auto written = write_all(streams_.out, text);
        if (!written) output_error_ = written.error();
        return written;
      }) {}

Result<> Answer::take(const pb::ControlReply& reply) {
  if (reply.has_page()) return renderer_.rows(reply.page());
  if (!reply.has_header()) return fail(Errc::Corrupt, "a reply of an unknown kind");
  std::vector<std::string> names(reply.header().columns().begin(), reply.header().columns().end());
  // Several files checked in one go are one table.
  if (renderer_.has_columns() && names == names_) return {};
  names_ = names;
  return renderer_.columns(std::move(names));
}

bool Answer::end(const pb::Trailer& trailer) {
  summary_.execution_us += trailer.elapsed_us();
  for (const pb::Reason& reason : trailer.completeness().reasons()) summary_.reasons.push_back(reason);
  const bool answered = trailer.status() == pb::STATUS_OK || trailer.status() == pb::STATUS_UNHEALTHY;
  if (!trailer.completeness().complete()) summary_.complete = false;
  if (answered && !trailer.completeness().has_complete()) {
    worsen(ExitCode::Failed);
    say(streams_, "the agent's answer does not say whether it is complete, so it is no answer");
    return false;
  }
  if (answered && !trailer.completeness().complete()) say_degraded(trailer.completeness());
  if (!answered && trailer.completeness().reasons().empty())
    summary_.reasons.push_back(execution_error(trailer.message()));
  if (trailer.status() == pb::STATUS_DENIED && trailer.message().empty()) say(streams_, kNoGroup);
  if (!trailer.message().empty()) say(streams_, trailer.message());
  if (trailer.status() == pb::STATUS_OK) return true;
  // A newer agent's status is a failure until this program knows it.
  worsen(trailer.status() == pb::STATUS_REFUSED  ? ExitCode::Usage
         : trailer.status() == pb::STATUS_DENIED ? ExitCode::NotPermitted
                                                 : ExitCode::Failed);
  return trailer.status() == pb::STATUS_UNHEALTHY || trailer.status() == pb::STATUS_REFUSED;
}

void Answer::broke_off(const Error& error) {
  if (output_error_) return;
  summary_.complete = false;
  summary_.reasons.push_back(execution_error(error.message()));
  const bool silent = !renderer_.has_columns() && (error.code() == Errc::Closed || error.code() == Errc::Timeout);
  worsen(silent ? ExitCode::Unreachable : ExitCode::Failed);
  say(streams_, "the agent's answer broke off: " + error.message());
}

ExitCode Answer::finish() {
  const bool any = renderer_.has_columns() || code_ == ExitCode::Complete || code_ == ExitCode::Degraded;
  if (!output_error_ && any) (void)renderer_.finish(summary_);  // Its failure is output_error_.
  if (output_error_) {
    // Whoever read the output has enough of it (`| head`): that is no failure.
    if (output_error_->code() == Errc::Closed) return ExitCode::Complete;
    say(streams_, output_error_->message());
    return ExitCode::Failed;
  }
  if (code_ == ExitCode::Complete && !summary_.complete) code_ = ExitCode::Degraded;
  return code_;
}

void Answer::say_degraded(const pb::Completeness& completeness) const {
  say(streams_, "warning: the result is degraded");
  for (const pb::Reason& reason : completeness.reasons()) {
    std::string line = "  " + reason.reason();
    if (!reason.collector().empty()) line += " (" + reason.collector() + ")";
    if (!reason.detail().empty()) line += ": " + reason.detail();
    say(streams_, line);
  }
}

void Answer::worsen(ExitCode code) {
  if (severity_of(code) > severity_of(code_)) code_ = code;
}

}  // namespace de::console
