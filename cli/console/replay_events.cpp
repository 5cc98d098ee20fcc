#include "console/replay_events.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "console/client.h"
#include "console/local_rows.h"
#include "console/stop_on_signal.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/link/protocol.h"
#include "replay/collector.h"
#include "replay/private_agent.h"
#include "replay/recording.h"

namespace de::console {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRuleFileBytes = 1UL << 20;
constexpr std::size_t kMaxRuleFiles = 20'000;
constexpr std::size_t kEventsPerMessage = 100;
constexpr std::size_t kBytesPerMessage = 256UL << 10;
constexpr std::size_t kFirstLines = 10;
constexpr std::int64_t kLookEveryMs = 30'000;  // As often as an agent does.
constexpr auto kAnswerLimit = std::chrono::minutes(11);
constexpr std::string_view kAsk = "SELECT rule_id, event_sequence, data FROM alerts WHERE event_sequence IS NOT NULL";

bool is_rules(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml" || path.extension() == ".sql";
}

// A file, or all of a directory, as an agent reads it.
Result<std::vector<replay::RuleFile>> read_rules(const std::string& target) {
  std::vector<fs::path> paths;
  std::error_code ec;
  if (fs::is_directory(target, ec)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(target, ec))
      if (is_rules(entry.path())) paths.push_back(entry.path());
    if (ec) return fail(Errc::Io, "read " + target, ec);
  } else if (!fs::exists(target, ec)) {
    return fail(Errc::Invalid, escape_controls(target) +
                                   " is neither a rule file nor a directory of them; rules that an agent has loaded "
                                   "are tried on what it stored, without --events");
  } else if (!is_rules(target)) {
    return fail(Errc::Invalid, escape_controls(target) + " is no rule file by its name: .yaml, .yml or .sql");
  } else {
    paths.emplace_back(target);
  }
  if (paths.empty()) return fail(Errc::NotFound, target + " has no rule files: .yaml, .yml or .sql");
  if (paths.size() > kMaxRuleFiles)
    return fail(Errc::TooLarge, target + " has more than " + std::to_string(kMaxRuleFiles) + " files");
  std::ranges::sort(paths);
  std::vector<replay::RuleFile> out;
  for (const fs::path& path : paths) {
    DE_TRY(text, read_file(path.string(), kMaxRuleFileBytes));
    out.push_back({path.filename().string(), std::move(text)});
  }
  return out;
}

struct Tried {
  bool enabled = false;
  std::string on;  // event, snapshot, both.
  std::string health;
  std::uint64_t matches = 0;           // As the agent counts them.
  std::uint64_t failures = 0;          // Runs over up to a thousand events.
  std::vector<std::uint64_t> lines;    // Of the alerts,
  std::vector<const pb::Row*> alerts;  // in this order.
  std::optional<std::uint64_t> alerts_looking_back;
};

// One question and all the rows of its answer. What becomes of a rule that fails is told of that rule.
Result<std::vector<pb::Row>> ask(const std::string& socket, const pb::ControlRequest& request) {
  DE_TRY(client, Client::connect(socket));
  std::vector<pb::Row> rows;
  const auto take = [&rows](const pb::ControlReply& reply) -> Result<> {
    rows.insert(rows.end(), reply.page().rows().begin(), reply.page().rows().end());
    return {};
  };
  DE_TRY(trailer, client.ask(request, kAnswerLimit, take));
  if (trailer.status() != pb::STATUS_OK) return fail(Errc::Invalid, trailer.message());
  for (const pb::Reason& reason : trailer.completeness().reasons())
    if (!reason.detail().starts_with("rule "))
      return fail(Errc::Io, "the agent's answer is not complete: " + reason.detail());
  return rows;
}

pb::ControlRequest request_of_this_version() {
  pb::ControlRequest request;
  request.set_protocol_major(link::kControlMajor);
  return request;
}

class Replay {
 public:
  explicit Replay(replay::Recording recording) : recording_(std::move(recording)) {}

  Result<> run(const std::vector<replay::RuleFile>& rules) {
    DE_TRY(agent, replay::PrivateAgent::start(rules));
    DE_CHECK(ask_rules(agent->control_socket()));
    if (rules_.empty()) return fail(Errc::Invalid, "there is no rule in what was named");
    DE_TRY(collector, replay::Collector::connect(agent->broker_socket()));
    auto sent = send(*collector);
    if (!sent && sent.error().code() != Errc::Invalid && !StopOnSignal::is_asked())
      return fail(
          std::move(sent).error().during("the agent of this replay ended; it last said: " + agent->last_words()));
    DE_CHECK(std::move(sent));
    DE_CHECK(ask_alerts(agent->control_socket()));
    DE_CHECK(ask_rules(agent->control_socket()));
    return look_back(agent->control_socket());
  }

  const std::map<std::string, Tried>& rules() const { return rules_; }
  std::uint64_t events() const { return recording_.events(); }

 private:
  Result<> ask_rules(const std::string& socket) {
    pb::ControlRequest request = request_of_this_version();
    request.mutable_rules_list();
    DE_TRY(rows, ask(socket, request));
    constexpr int kId = 0, kEnabled = 2, kOn = 3, kHealth = 4, kMatches = 6, kFailures = 7, kColumns = 10;
    for (const pb::Row& row : rows) {
      if (row.values_size() != kColumns) return fail(Errc::Corrupt, "the agent is of another version");
      Tried& tried = rules_[row.values(kId).text()];
      tried.enabled = row.values(kEnabled).text().starts_with("yes");
      tried.on = row.values(kOn).text();
      tried.health = row.values(kHealth).text();
      tried.failures = static_cast<std::uint64_t>(row.values(kFailures).integer());
      tried.matches = static_cast<std::uint64_t>(row.values(kMatches).integer());
    }
    return {};
  }

  // Looks come before the events they are about: they are only asked about at the end.
  Result<> send(replay::Collector& collector) {
    std::vector<pb::ProcessEvent> events;
    std::size_t bytes = 0;
    const std::int64_t now_ms = system_clock().unix_ms();
    std::int64_t last_look_ms = 0;
    for (;;) {
      if (StopOnSignal::is_asked()) return fail(Errc::Cancelled, "stopped");
      pb::ProcessEvent event;
      DE_TRY(more, recording_.next(event, now_ms));
      if (!more) break;
      const std::int64_t time_ms = event.event_time_ms();
      if (recording_.events() == 1) from_ms_ = to_ms_ = last_look_ms = time_ms;
      if (time_ms - last_look_ms >= kLookEveryMs) {
        DE_CHECK(collector.publish_look(to_ms_));
        last_look_ms = time_ms;
      }
      from_ms_ = std::min(from_ms_, time_ms);
      to_ms_ = std::max(to_ms_, time_ms);
      if (events.size() == kEventsPerMessage || bytes >= kBytesPerMessage) {
        DE_CHECK(collector.publish(std::exchange(events, {})));
        bytes = 0;
      }
      bytes += event.ByteSizeLong();
      events.push_back(std::move(event));
    }
    if (!events.empty()) DE_CHECK(collector.publish_look(to_ms_));
    DE_CHECK(collector.publish(std::move(events)));
    return collector.settle();
  }

  // Rules that look back at events only are asked as of every look.
  Result<> look_back(const std::string& socket) {
    for (auto& [id, tried] : rules_) {
      if (tried.on != "snapshot" || !tried.enabled) continue;
      pb::ControlRequest request = request_of_this_version();
      request.mutable_rule_show()->set_rule_id(id);
      DE_TRY(fields, ask(socket, request));
      const auto is_tables = [](const pb::Row& row) { return row.values(0).text() == "tables"; };
      const auto tables = std::ranges::find_if(fields, is_tables);
      if (tables == fields.end() || tables->values(1).text() != "processes.events") continue;
      pb::RuleBacktestRequest& backtest = *request.mutable_rule_backtest();
      backtest.set_rule_id(id);
      backtest.set_from_ms(from_ms_);
      backtest.set_to_ms(to_ms_ + 1);
      DE_TRY(found, ask(socket, request));
      for (const pb::Row& row : found)
        if (row.values(1).text() == "alerts") tried.alerts_looking_back = std::stoull(row.values(2).text());
    }
    return {};
  }

  Result<> ask_alerts(const std::string& socket) {
    pb::ControlRequest request = request_of_this_version();
    request.mutable_query()->set_sql(std::string(kAsk));
    DE_TRY(rows, ask(socket, request));
    alerts_ = std::move(rows);
    std::ranges::sort(alerts_, {}, [](const pb::Row& row) { return row.values(1).integer(); });
    for (const pb::Row& row : alerts_) {
      Tried& tried = rules_[row.values(0).text()];
      tried.lines.push_back(recording_.line_of(static_cast<std::uint64_t>(row.values(1).integer())));
      tried.alerts.push_back(&row);
    }
    return {};
  }

  replay::Recording recording_;
  std::vector<pb::Row> alerts_;
  std::map<std::string, Tried> rules_;
  std::int64_t from_ms_ = 0;  // Of the recording.
  std::int64_t to_ms_ = 0;
};

std::string first_lines(const std::vector<std::uint64_t>& lines) {
  std::string out;
  for (std::size_t i = 0; i < std::min(lines.size(), kFirstLines); ++i)
    out += (out.empty() ? "" : ", ") + std::to_string(lines[i]);
  return lines.size() > kFirstLines ? out + ", ..." : out;
}

// Why the answer says less about a rule than it seems to; empty when it does not.
std::string shortcoming(const Tried& tried) {
  if (!tried.enabled) return "not tried: it is not enabled";
  if (tried.alerts_looking_back) return "";
  if (tried.on == "snapshot") return "not tried: it runs over snapshots, and a recording has none";
  if (tried.failures > 0) return std::to_string(tried.failures) + " of its runs failed; " + tried.health;
  if (tried.matches != tried.lines.size())
    return std::to_string(tried.matches) + " matches, of which " + std::to_string(tried.lines.size()) + " are known";
  return "";
}

void show(const Replay& replay, bool each, Answer& answer, std::size_t& short_of) {
  std::vector<pb::Row> rows;
  for (const auto& [id, tried] : replay.rules()) {
    const std::string why = shortcoming(tried);
    if (!why.empty()) ++short_of;
    if (each) {
      for (std::size_t i = 0; i < tried.lines.size(); ++i) {
        pb::Row& row = rows.emplace_back();
        *row.add_values() = text_value(id);
        *row.add_values() = number_value(tried.lines[i]);
        *row.add_values() = tried.alerts[i]->values(2);
      }
      continue;
    }
    pb::Row& row = rows.emplace_back();
    *row.add_values() = text_value(id);
    *row.add_values() = number_value(tried.alerts_looking_back.value_or(tried.lines.size()));
    *row.add_values() = text_value(first_lines(tried.lines));
    *row.add_values() = text_value(tried.alerts_looking_back ? "it looks back: alerts after folding" : why);
  }
  constexpr std::string_view kEach[] = {"rule", "line", "row"};
  constexpr std::string_view kRules[] = {"rule", "matches", "lines", "note"};
  if (each)
    present(answer, kEach, rows);
  else
    present(answer, kRules, rows);
}

}  // namespace

ExitCode replay_events(const RuleBacktestCommand& command, Answer& answer, const Streams& streams) {
  auto recording = replay::Recording::open(command.events);
  if (!recording) return say_error(recording.error(), streams);
  auto rules = read_rules(command.target);
  if (!rules) return say_error(rules.error(), streams);
  const StopOnSignal stop;
  Replay replay(std::move(*recording));
  if (const auto done = replay.run(*rules); !done) {
    if (!StopOnSignal::is_asked()) return say_error(done.error(), streams);
    say(streams, "stopped");
    return ExitCode::Failed;
  }
  std::size_t short_of = 0;
  show(replay, command.each, answer, short_of);
  const ExitCode shown = answer.finish();
  std::uint64_t matches = 0;
  for (const auto& [id, tried] : replay.rules()) matches += tried.alerts_looking_back.value_or(tried.lines.size());
  say(streams, std::to_string(replay.events()) + " events, " + std::to_string(replay.rules().size()) + " rules, " +
                   std::to_string(matches) + " matches" +
                   (short_of == 0 ? "" : "; " + std::to_string(short_of) + " rules were not tried on all of them"));
  return shown == ExitCode::Complete && short_of > 0 ? ExitCode::Degraded : shown;
}

}  // namespace de::console
