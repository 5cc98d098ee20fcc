// What the agent notices of itself and of the host it runs on: files of ours that are not as they were, a clock that
// was set, and whether what is started is still seen.
#include <array>
#include <boost/asio/post.hpp>
#include <filesystem>

#include "daemon/agent.h"
#include "daemoneye/base/text.h"
#include "daemoneye/config/source_file.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::size_t kMaxNotices = 64;
constexpr const char* kFilesNote = "files";
constexpr const char* kRulesNote = "rules";
constexpr std::chrono::milliseconds kLauncherLimit{500};  // Everybody else waits meanwhile.

// "a, b and 3 more" of those that changed in one way.
void add_ids(std::string& out, const char* how, const std::vector<std::string>& ids) {
  constexpr std::size_t kNamed = 5;
  if (ids.empty()) return;
  if (!out.empty()) out += "; ";
  out += how;
  for (std::size_t i = 0; i < ids.size() && i < kNamed; ++i) out += (i == 0 ? " " : ", ") + ids[i];
  if (ids.size() > kNamed) out += " and " + std::to_string(ids.size() - kNamed) + " more";
}

}  // namespace

std::vector<std::string> watched_files(const config::AgentConfig& config, const config::LoadInput& input) {
  std::vector<std::string> out = config::source_names(input);
  if (const std::filesystem::path self = own_program(); !self.empty())
    for (const char* name : {"daemoneye-agent", "procmond", "daemoneye-cli"})
      out.push_back((self.parent_path() / name).string());
  if (std::string courier = find_courier(); !courier.empty()) out.push_back(std::move(courier));
  for (const config::CollectorConfig& collector : config.collectors)
    if (!collector.path.empty()) out.push_back(collector.path);
  return out;
}

void Agent::notice(const char* reason, const std::string& subject, std::string detail) {
  audit("integrity.noticed", "{\"what\":" + json_string(reason) + ",\"subject\":" + json_string(subject) +
                                 ",\"detail\":" + json_string(detail) + "}");
  if (notices_.size() >= kMaxNotices) {
    log::error("integrity", "too many changes at once for an alert each", {log::field("detail", detail)});
    return;
  }
  pb::Reason& out = notices_.emplace_back();
  out.set_reason(reason);
  out.set_subject(subject);
  out.set_detail(std::move(detail));
}

void Agent::notice_rules(const ingest::RuleChanges& changes, const char* when) {
  std::string detail;
  add_ids(detail, "added", changes.added);
  add_ids(detail, "removed", changes.removed);
  add_ids(detail, "changed", changes.changed);
  if (detail.empty()) detail = "no rule is another one";
  const std::size_t refused = changes.rejected_files;
  if (refused > 0)
    detail += "; " + std::to_string(refused) + (refused == 1 ? " file is refused" : " files are refused");
  notice("RulesChanged", "", "The rule files were changed" + std::string(when) + ": " + detail);
  to_write_down_ = true;
}

// What an earlier run wrote down.
std::optional<std::string> Agent::find_note(const char* name) const {
  auto found = store_->find_note(name);
  if (found) return std::move(*found);
  log::warn("integrity", "whether they were changed meanwhile is not known",
            {log::field("what", name), log::field("reason", found.error().message())});
  return std::nullopt;
}

void Agent::watch_files() {
  const std::vector<std::string> paths = watched_files(config_, source_.input);
  const auto before = find_note(kFilesNote);
  files_ = before ? integrity::FileWatch(paths, *before) : integrity::FileWatch(paths);
}

void Agent::watch_rules() {
  const auto before = find_note(kRulesNote);
  if (!before) return;
  const auto changes = ingest::compare(ingest::parse_digests(*before), *detector_->report()->rules);
  if (changes.has_rules()) notice_rules(changes, " while the agent did not run");
}

// Once every change has its alert: an end in between must not hide one.
void Agent::write_down() {
  to_write_down_ = false;
  const std::array notes = {std::pair(kFilesNote, files_.to_text()),
                            std::pair(kRulesNote, ingest::to_text(ingest::digests_of(*detector_->report()->rules)))};
  boost::asio::post(writer_, [this, notes] {
    for (const auto& [name, text] : notes)
      if (const auto written = store_->put_note(name, text); !written)
        log::warn("integrity", "not written down, a change while the agent is away not noticed",
                  {log::field("what", name), log::field("reason", written.error().message())});
  });
}

void Agent::open_canary() {
  watch_files();
  watch_rules();
  integrity::CanaryOptions options;
  if (launched_.canary) options.interval_ns = std::int64_t{config_.canary_interval_secs} * 1'000'000'000;
  integrity::CanaryProgram launched;
  launched.start = [this]() -> Result<pid_t> {
    DE_TRY(started, launched_.launcher->start(*launched_.canary, {}, kLauncherLimit));
    return started.pid;
  };
  launched.has_ended = [this] {
    const auto state = launched_.launcher->poll(*launched_.canary, kLauncherLimit);
    return !state || state->kind != supervise::ChildState::Kind::Running;
  };
  canary_ = std::make_unique<integrity::Canary>(options, std::move(launched), clock_);
}

// Why no program that is started can be seen; the troubles themselves are told by whoever has them.
std::string Agent::why_no_canary() const {
  if (state_ != State::SteadyState) return "monitoring has not begun";
  const auto found = registry_->collectors().find("procmond");
  if (found == registry_->collectors().end() || found->second.state != bus::CollectorState::Connected)
    return "procmond is not connected";
  if (!found->second.has_our_pids) return "procmond runs in another pid namespace";
  for (const pb::Finding& finding : found->second.findings) {
    if (finding.component() != "events") continue;
    return finding.detail() == "bpf" ? "" : "procmond does not see every program: " + finding.detail();
  }
  return "procmond has not said yet how it sees programs";
}

void Agent::watch_ourselves() {
  if (canary_) canary_->tick(why_no_canary());
  if (const auto jump = clock_watch_.look())
    notice("ClockJump", "",
           "The clock of the host was set from " + std::string(to_iso8601(jump->from_ms).text) + " to " +
               to_iso8601(jump->to_ms).text + ", times of what was stored before do not fit those after it");
  for (const integrity::FileChange& change : files_.look()) {
    log::warn("integrity", "a file of ours is not as it was",
              {log::field("file", change.path), log::field("what", change.what)});
    notice("FileChanged", change.path,
           change.path + " " + change.what + (change.while_away ? " while the agent did not run" : ""));
    to_write_down_ = true;
  }
  if (to_write_down_ && notices_.empty()) write_down();
}

}  // namespace de::daemon
