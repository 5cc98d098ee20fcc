// What procmond says about itself with every heartbeat.
#include <algorithm>

#include "daemon/monitor.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr char kWithoutOpener[] =
    "the opener has ended: programs are not hashed and other users' links are not read; restart procmond";

}  // namespace

// A book that does not balance is said once, not in every interval.
void Monitor::note_findings(std::vector<pb::Finding> findings) {
  for (const pb::Finding& finding : findings) {
    const auto is_old = [&finding](const pb::Finding& old) {
      return old.component() == finding.component() && old.level() == finding.level();
    };
    if (finding.level() == pb::Finding::OK || std::ranges::any_of(findings_, is_old)) continue;
    log::error("collect", "the books do not balance",
               {log::field("book", finding.component()), log::field("detail", finding.detail())});
    enter("books.unbalanced",
          "{\"book\":" + json_string(finding.component()) + ",\"detail\":" + json_string(finding.detail()) + "}");
  }
  findings_ = std::move(findings);
}

void Monitor::add_source_findings(pb::Heartbeat& beat) const {
  const auto add = [&beat](const char* component, const std::string& name, const std::string& why_not_better) {
    pb::Finding& finding = *beat.add_findings();
    finding.set_component(component);
    finding.set_level(why_not_better.empty() ? pb::Finding::OK : pb::Finding::DEGRADED);
    finding.set_detail(why_not_better.empty() ? name : name + ", not better because " + why_not_better);
  };
  add("events", backend_, why_not_better_);
  const collect::SourceState& source = collect_counts_.source;
  add("snapshots", collect_counts_.scans == 0 && why_no_iterator_.empty() ? "bpf" : source.name,
      why_no_iterator_.empty() ? source.why_not_better : why_no_iterator_);
  pb::Finding& opener = *beat.add_findings();
  opener.set_component("opener");
  opener.set_level(opener_is_gone_ ? pb::Finding::DEGRADED : pb::Finding::OK);
  opener.set_detail(opener_is_gone_ ? kWithoutOpener : "serves");
  pb::Finding& waiting = *beat.add_findings();
  waiting.set_component("proc");
  waiting.set_level(source.stuck == 0 ? pb::Finding::OK : pb::Finding::DEGRADED);
  waiting.set_detail(std::to_string(source.stuck) + " of at most " + std::to_string(source.max_stuck) +
                     " threads wait for processes or files that do not answer");
}

void Monitor::add_troubles(pb::Heartbeat& beat) const {
  const auto add = [&beat](const char* subject, const std::string& detail) {
    if (detail.empty()) return;
    pb::Trouble& trouble = *beat.add_troubles();
    trouble.set_subject(subject);
    trouble.set_detail(detail);
  };
  add("scan", trouble_);
  add("spool", spool_trouble_);
  add("events", feed_trouble_);
  add("opener", opener_is_gone_ ? kWithoutOpener : "");
  beat.set_status(beat.troubles_size() == 0 ? "ok" : beat.troubles(0).detail());
}

// Nobody but an attacker, or a kernel without memory, ends it.
void Monitor::look_at_opener() {
  if (opener_is_gone_ || !collector_->opener_is_gone()) return;
  opener_is_gone_ = true;
  log::error("collect", kWithoutOpener);
  enter("opener.ended", "{}");
  uplink_->beat_now();
}

void Monitor::add_settings_finding(pb::Heartbeat& beat) const {
  pb::Finding& finding = *beat.add_findings();
  finding.set_component("settings");
  finding.set_level(settings_refused_.empty() ? pb::Finding::OK : pb::Finding::DEGRADED);
  finding.set_detail(!settings_refused_.empty()   ? "the latest reload changed nothing: " + settings_refused_
                     : !settings_waiting_.empty() ? "a restart is needed for " + settings_waiting_
                                                  : std::string("in force as they were read"));
}

void Monitor::fill_heartbeat(pb::Heartbeat& beat) const {
  add_source_findings(beat);
  add_settings_finding(beat);
  pressure_->fill_heartbeat(beat);
  for (const pb::Finding& finding : findings_) *beat.add_findings() = finding;
  add_troubles(beat);
  auto& counters = *beat.mutable_counters();
  const spool::SpoolCounts spooled = spool_->counts();
  counters["scans"] = collect_counts_.scans;
  counters["scans_failed"] = collect_counts_.scans_failed;
  counters["processes_seen"] = collect_counts_.seen;
  counters["processes_reported"] = collect_counts_.reported;
  counters["processes_vanished"] = collect_counts_.vanished;
  counters["processes_unreadable"] = collect_counts_.unreadable;
  counters["starts"] = collect_counts_.starts;
  counters["execs"] = collect_counts_.execs;
  counters["exits"] = collect_counts_.exits;
  counters["kernel_dropped"] = collect_counts_.feed.dropped;
  counters["books_checked"] = books_checked_;
  counters["proc_timeouts"] = collect_counts_.source.timeouts;
  counters["proc_stuck"] = collect_counts_.source.stuck;
  counters["reads_fd_count"] = collect_counts_.source.reads_fd_count;
  counters["reads_io"] = collect_counts_.source.reads_io;
  counters["plans"] = collect_counts_.plans.alive;
  counters["plans_expired"] = collect_counts_.plans.expired;
  counters["plans_revoked"] = collect_counts_.plans.revoked;
  counters["plans_refused"] = collect_counts_.plans.refused;
  counters["plans_unjudged"] = collect_counts_.plans.unjudged;
  counters["files_hashed"] = collect_counts_.hash.hashed;
  counters["hash_queue"] = collect_counts_.hash.queued;
  counters["spool_appended"] = spooled.appended;
  counters["spool_shed"] = spooled.shed;
  counters["spool_bytes"] = spooled.bytes;
  counters["events_sent"] = uplink_->counts().events_sent;
  counters["chunks_sent"] = uplink_->counts().chunks_sent;
  counters["snapshots_replaced"] = uplink_->counts().snapshots_replaced;
  counters["protocol_violations"] = uplink_->counts().violations;
  counters["ledger_entries"] = ledger_.last_sequence();
}

}  // namespace de::daemon
