#include "bus/registry.h"

#include <algorithm>

#include "daemoneye/base/text.h"
#include "daemoneye/link/protocol.h"

namespace de::bus {
namespace {

constexpr std::size_t kMaxIdBytes = 64;
constexpr std::size_t kMaxFieldBytes = 256;
constexpr std::size_t kMaxCounters = 256;
constexpr std::size_t kMaxFindings = 32;

bool is_plain(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::string clipped(const std::string& text) { return escape_controls(text.substr(0, kMaxFieldBytes)); }

// A collector says with each heartbeat what it found at its latest check, which may be one that was counted already.
void note_books(const pb::Heartbeat& beat, Collector& collector) {
  constexpr const char* kChecks = "books_checked";
  const auto checks = beat.counters().find(kChecks);
  const auto before = collector.counters.find(kChecks);
  if (checks != beat.counters().end() && before != collector.counters.end() && checks->second == before->second) return;
  std::map<std::string, std::uint32_t> now;
  for (const pb::Finding& finding : beat.findings()) {
    if (now.size() >= kMaxFindings) break;
    // The clones are those of the whole machine: other tracers that come and go put them out by a few. Health says so.
    if (finding.level() != pb::Finding::FAILED || !finding.component().starts_with("books.") ||
        finding.component() == "books.clones")
      continue;
    const std::string book = clipped(finding.component());
    const auto known = collector.unbalanced.find(book);
    now[book] = known == collector.unbalanced.end() ? 1 : known->second + 1;
  }
  collector.unbalanced = std::move(now);
}

void note_troubles(const pb::Heartbeat& beat, Collector& collector) {
  collector.troubles.clear();
  for (const pb::Trouble& trouble : beat.troubles()) {
    if (collector.troubles.size() >= kMaxFindings) break;
    pb::Trouble& kept = collector.troubles.emplace_back();
    kept.set_subject(clipped(trouble.subject()));
    kept.set_detail(clipped(trouble.detail()));
  }
  if (collector.troubles.empty() && !beat.status().empty() && beat.status() != "ok")
    collector.troubles.emplace_back().set_detail(clipped(beat.status()));
}

void add_troubles(const Collector& collector, std::vector<pb::Reason>& out) {
  for (const pb::Trouble& trouble : collector.troubles) {
    pb::Reason& reason = out.emplace_back();
    reason.set_reason("CollectionFailed");
    reason.set_collector(collector.id);
    reason.set_subject(trouble.subject());
    reason.set_detail(trouble.detail());
  }
}

void add_unbalanced(const Collector& collector, std::vector<pb::Reason>& out) {
  for (const pb::Finding& finding : collector.findings) {
    const auto book = collector.unbalanced.find(finding.component());
    if (book == collector.unbalanced.end() || book->second < Registry::kUnbalancedChecks) continue;
    pb::Reason& reason = out.emplace_back();
    reason.set_reason("BooksUnbalanced");
    reason.set_collector(collector.id);
    reason.set_subject(finding.component());
    reason.set_detail(finding.component() + " does not balance: " + finding.detail());
  }
}

}  // namespace

std::string_view to_text(CollectorState state) {
  switch (state) {
    case CollectorState::Expected:
      return "expected";
    case CollectorState::Connected:
      return "connected";
    case CollectorState::Silent:
      return "silent";
    case CollectorState::Gone:
      return "gone";
  }
  return "gone";
}

void Registry::expect(const std::string& id, const std::string& type, std::uint32_t startup_timeout_ms,
                      std::uint32_t heartbeat_interval_ms) {
  Collector& collector = collectors_[id];
  collector.id = id;
  collector.type = type;
  collector.expected = true;
  collector.startup_timeout_ms = startup_timeout_ms;
  collector.heartbeat_interval_ms = heartbeat_interval_ms;
  collector.since_ms = clock_.unix_ms();
}

Result<> Registry::check_uid(const link::Peer& peer) const {
  if (std::find(admission_.uids.begin(), admission_.uids.end(), peer.uid) == admission_.uids.end())
    return fail(Errc::Denied, "uid " + std::to_string(peer.uid) + " may not connect as a collector");
  return {};
}

Result<Collector*> Registry::admit(const link::Peer& peer, const pb::Hello& hello) {
  DE_CHECK(check_uid(peer));
  if (hello.protocol_major() != link::kBrokerMajor)
    return fail(Errc::Unsupported, "collector speaks protocol " + std::to_string(hello.protocol_major()) +
                                       ", this agent speaks " + std::to_string(link::kBrokerMajor));
  if (!is_plain(hello.collector_id())) return fail(Errc::Invalid, "collector id must be 1 to 64 of a-z A-Z 0-9 - _ .");
  if (hello.spool_id().empty() || hello.spool_id().size() > kMaxFieldBytes)
    return fail(Errc::Invalid, "spool id must be 1 to 256 bytes");
  const auto found = collectors_.find(hello.collector_id());
  if (found == collectors_.end() && collectors_.size() >= kMaxCollectors)
    return fail(Errc::Exhausted, "64 collectors are known already");
  if (found != collectors_.end() &&
      (found->second.state == CollectorState::Connected || found->second.state == CollectorState::Silent))
    return fail(Errc::Conflict, "collector " + hello.collector_id() + " is connected already");
  if (admission_.check_genuine) DE_CHECK(admission_.check_genuine(peer, hello));
  Collector& collector = collectors_[hello.collector_id()];
  collector.id = hello.collector_id();
  collector.type = clipped(hello.collector_type());
  collector.version = clipped(hello.version());
  collector.boot_id = clipped(hello.boot_id());
  collector.hostname = clipped(hello.hostname());
  collector.spool_id = hello.spool_id();
  collector.pid = peer.pid > 0 ? static_cast<std::uint32_t>(peer.pid) : 0;
  collector.has_our_pids = collector.pid == hello.pid();
  collector.uid = peer.uid;
  collector.schema = hello.has_schema() ? std::make_shared<const pb::SchemaDescriptor>(hello.schema()) : nullptr;
  collector.state = CollectorState::Connected;
  collector.unbalanced.clear();  // It may have been started anew and count from nothing.
  collector.since_ms = clock_.unix_ms();
  collector.last_heard_ns = clock_.steady_ns();
  ++collector.sessions;
  return &collector;
}

void Registry::leave(const std::string& id, bool violation) {
  const auto found = collectors_.find(id);
  if (found == collectors_.end()) return;
  found->second.state = CollectorState::Gone;
  found->second.schema.reset();
  found->second.since_ms = clock_.unix_ms();
  if (violation) ++found->second.violations;
}

void Registry::heard(const std::string& id) {
  const auto found = collectors_.find(id);
  if (found == collectors_.end()) return;
  found->second.last_heard_ns = clock_.steady_ns();
  ++found->second.messages;
  if (found->second.state == CollectorState::Silent) found->second.state = CollectorState::Connected;
}

void Registry::held_back(const std::string& id) {
  const auto found = collectors_.find(id);
  if (found != collectors_.end()) ++found->second.held_back;
}

void Registry::heartbeat(const std::string& id, const pb::Heartbeat& beat) {
  const auto found = collectors_.find(id);
  if (found == collectors_.end()) return;
  note_books(beat, found->second);
  note_troubles(beat, found->second);
  found->second.counters.clear();
  for (const auto& [name, value] : beat.counters()) {
    if (found->second.counters.size() >= kMaxCounters) break;
    found->second.counters[clipped(name)] = value;
  }
  found->second.findings.clear();
  for (const pb::Finding& finding : beat.findings()) {
    if (found->second.findings.size() >= kMaxFindings) break;
    pb::Finding& kept = found->second.findings.emplace_back();
    kept.set_component(clipped(finding.component()));
    kept.set_level(std::clamp(finding.level(), pb::Finding::OK, pb::Finding::FAILED));
    kept.set_detail(clipped(finding.detail()));
  }
}

std::vector<std::string> Registry::find_silent() {
  std::vector<std::string> fallen;
  const std::int64_t now_ns = clock_.steady_ns();
  const bool stood_still = looked_ns_ != 0 && now_ns - looked_ns_ > 1'000'000'000;
  looked_ns_ = now_ns;
  for (auto& [id, collector] : collectors_) {
    if (collector.state != CollectorState::Connected) continue;
    if (stood_still) collector.last_heard_ns = now_ns;  // We did; what it sent meanwhile waits to be read.
    if (now_ns - collector.last_heard_ns <= kSilentAfterNs) continue;
    collector.state = CollectorState::Silent;
    collector.since_ms = clock_.unix_ms();
    fallen.push_back(id);
  }
  return fallen;
}

bool Registry::all_expected_connected() const {
  return std::all_of(collectors_.begin(), collectors_.end(), [](const auto& entry) {
    return !entry.second.expected || entry.second.state == CollectorState::Connected;
  });
}

bool Registry::startup_overdue(std::int64_t started_ns) const {
  return std::any_of(collectors_.begin(), collectors_.end(), [&](const auto& entry) {
    const std::int64_t limit_ns = static_cast<std::int64_t>(entry.second.startup_timeout_ms) * 1'000'000;
    return entry.second.expected && entry.second.sessions == 0 && clock_.steady_ns() - started_ns > limit_ns;
  });
}

std::vector<pb::Reason> Registry::reasons() const {
  std::vector<pb::Reason> out;
  for (const auto& [id, collector] : collectors_) {
    if (!collector.expected && collector.sessions == 0) continue;
    if (collector.state != CollectorState::Connected) {
      pb::Reason reason;
      reason.set_reason("CollectorUnavailable");
      reason.set_collector(id);
      reason.set_detail(std::string(to_text(collector.state)) + " since " + to_iso8601(collector.since_ms).text);
      out.push_back(std::move(reason));
    } else {
      add_troubles(collector, out);
      add_unbalanced(collector, out);
    }
  }
  return out;
}

}  // namespace de::bus
