#include "console/watch.h"

#include <ctime>
#include <optional>
#include <set>

#include "console/client.h"
#include "console/stop_on_signal.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/link/protocol.h"
#include "render/cell.h"

namespace de::console {
namespace {

using namespace std::chrono_literals;

constexpr auto kFollowLimit = 60s;
constexpr long kPauseNs = 250'000'000;

class Watch {
 public:
  Watch(const WatchCommand& command, render::Options options, const Streams& streams)
      : as_rows_(command.json || options.format != render::Format::Table), streams_(streams) {
    if (command.json) options.format = render::Format::Jsonl;
    renderer_.emplace(std::move(options), [this](std::string_view text) { return write(text); });
  }

  Result<pb::Trailer> ask(Client& client) {
    pb::ControlRequest request;
    request.set_protocol_major(link::kControlMajor);
    pb::FollowRequest& follow = *request.mutable_follow();
    if (position_) follow.set_after(*position_);
    return client.ask(request, kFollowLimit, [this](const pb::ControlReply& reply) { return take(reply); });
  }

  void end(const pb::Trailer& trailer) {
    position_ = trailer.position();
    if (trailer.left_out() > 0) {
      missed_ = true;
      say(streams_,
          std::to_string(trailer.left_out()) +
              " events were left out because too many came at once; they are stored: ask for them with query");
    }
    if (trailer.completeness().complete()) {
      known_.clear();
      return;
    }
    missed_ = true;
    std::set<std::string> now;
    for (const pb::Reason& reason : trailer.completeness().reasons()) {
      std::string line = reason.reason();
      if (!reason.collector().empty()) line += " (" + reason.collector() + ")";
      if (!reason.detail().empty()) line += ": " + reason.detail();
      if (!known_.contains(line)) say(streams_, "warning: events may be missing: " + line);
      now.insert(std::move(line));
    }
    known_ = std::move(now);
  }

  bool missed() const { return missed_; }
  const std::optional<Error>& output_error() const { return output_error_; }

 private:
  Result<> write(std::string_view text) {
    auto written = write_all(streams_.out, text);
    if (!written) output_error_ = written.error();
    return written;
  }

  Result<> take(const pb::ControlReply& reply) {
    if (reply.has_header()) {
      names_.assign(reply.header().columns().begin(), reply.header().columns().end());
      return as_rows_ && !renderer_->has_columns() ? renderer_->columns(names_) : Result<>{};
    }
    if (!reply.has_page()) return fail(Errc::Corrupt, "a reply of an unknown kind");
    if (as_rows_) return renderer_->rows(reply.page());
    std::string lines;
    for (const pb::Row& row : reply.page().rows()) lines += event_line(names_, row) + '\n';
    return write(lines);
  }

  const bool as_rows_;
  const Streams streams_;
  std::optional<render::Renderer> renderer_;
  std::optional<std::uint64_t> position_;
  std::vector<std::string> names_;
  std::set<std::string> known_;  // Reasons that were told and still hold.
  bool missed_ = false;
  std::optional<Error> output_error_;
};

void append_padded(std::string& out, const std::string& text, std::size_t width) {
  out += text;
  const std::size_t columns = render::columns_of(text);
  if (columns < width) out.append(width - columns, ' ');
  out += ' ';
}

}  // namespace

std::string event_line(std::span<const std::string> names, const pb::Row& row) {
  const auto find = [&](std::string_view name) -> const pb::Value* {
    for (std::size_t i = 0; i < names.size() && static_cast<int>(i) < row.values_size(); ++i)
      if (names[i] == name && row.values(static_cast<int>(i)).kind_case() != pb::Value::KIND_NOT_SET)
        return &row.values(static_cast<int>(i));
    return nullptr;
  };
  const auto text = [&](std::string_view name) {
    const pb::Value* value = find(name);
    return value == nullptr ? std::string() : render::plain(*value);
  };
  std::string out;
  const pb::Value* time = find("event_time_ms");
  out += to_iso8601(time == nullptr ? 0 : time->integer()).text;
  out += ' ';
  append_padded(out, text("event_type"), 10);
  append_padded(out, text("pid"), 7);
  append_padded(out, text(find("user_name") != nullptr ? "user_name" : "user_id"), 10);
  const std::string line = text("command_line");
  const std::string path = text("executable_path");
  out += text("name");
  if (!path.empty()) out += " [" + path + "]";
  if (!line.empty() && text("event_type") != "exit") out += " " + line;
  if (find("exit_code") != nullptr) out += " exit " + text("exit_code");
  if (find("exit_signal") != nullptr) out += " signal " + text("exit_signal");
  if (find("duration_ms") != nullptr) out += " after " + text("duration_ms") + " ms";
  if (find("modified_fields") != nullptr) out += " changed " + text("modified_fields");
  if (find("reason") != nullptr) out += ": " + text("reason");
  if (find("parent_name") != nullptr) out += " (by " + text("parent_name") + ")";
  return out;
}

ExitCode watch_processes(const WatchCommand& command, const config::Paths& paths, render::Options options,
                         const Streams& streams, const std::function<ExitCode(const Error&)>& unconnected) {
  const StopOnSignal stop;
  Watch watch(command, std::move(options), streams);
  while (!StopOnSignal::is_asked()) {
    auto client = Client::connect(paths.control_socket);
    if (!client) return StopOnSignal::is_asked() ? ExitCode::Complete : unconnected(client.error());
    const auto trailer = watch.ask(*client);
    if (watch.output_error() && watch.output_error()->code() == Errc::Closed) break;  // The reader has enough.
    if (watch.output_error()) {
      say(streams, watch.output_error()->message());
      return ExitCode::Failed;
    }
    if (!trailer) {
      say(streams, "the agent's answer broke off: " + trailer.error().message());
      return ExitCode::Unreachable;
    }
    if (trailer->status() != pb::STATUS_OK) {
      say(streams, trailer->message());
      if (trailer->status() == pb::STATUS_DENIED) return ExitCode::NotPermitted;
      return trailer->status() == pb::STATUS_REFUSED ? ExitCode::Usage : ExitCode::Failed;
    }
    watch.end(*trailer);
    const timespec pause{0, kPauseNs};
    if (!StopOnSignal::is_asked()) ::nanosleep(&pause, nullptr);
  }
  return watch.missed() ? ExitCode::Degraded : ExitCode::Complete;
}

}  // namespace de::console
