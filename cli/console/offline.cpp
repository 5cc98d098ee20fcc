#include "console/offline.h"

#include <deque>

#include "console/local_rows.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/ledger/verify.h"

namespace de::console {
namespace {

std::string hex(const ledger::Digest& digest) {
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

ExitCode exit_code_of(const Error& error) {
  return error.code() == Errc::Denied ? ExitCode::NotPermitted : ExitCode::Failed;
}

void say_unreadable(const Error& error, const Streams& streams) {
  const bool denied = error.code() == Errc::Denied;
  say(streams, error.message() + (denied ? ": only root and the group of the ledger's directory may read it" : ""));
}

// Says what the verdict means beyond its row; the exit code is the verdict.
ExitCode judge(const ledger::Report& report, const Streams& streams) {
  if (report.torn_tail_bytes > 0)
    say(streams, "the last " + std::to_string(report.torn_tail_bytes) +
                     " bytes are an entry whose writing was interrupted; nothing that was confirmed is missing");
  if (report.is_whole()) return ExitCode::Complete;
  say(streams, "VERIFICATION FAILED at entry " + std::to_string(report.bad->sequence) + ", byte " +
                   std::to_string(report.bad->offset) + (report.bad->file.empty() ? "" : " of " + report.bad->file) +
                   ": " + report.bad->why);
  return ExitCode::VerificationFailed;
}

// What a command found out itself outranks what its result looked like, unless even that could not be written.
ExitCode worse(ExitCode verdict, ExitCode shown) { return shown == ExitCode::Complete ? verdict : shown; }

}  // namespace

ExitCode verify_ledger(const AuditVerifyCommand& command, const config::Paths& paths, Answer& answer,
                       const Streams& streams) {
  const std::string& path = command.path.empty() ? paths.ledger_dir : command.path;
  const auto report = ledger::verify_path(path, {});
  if (!report) {
    say_unreadable(report.error(), streams);
    return exit_code_of(report.error());
  }
  constexpr std::string_view kNames[] = {
      "path",      "status",          "entries",      "first_sequence", "last_sequence",
      "last_time", "last_entry_hash", "bad_sequence", "bad_offset",     "bad_file",
      "why"};
  pb::Row row;
  const bool empty = report->entries == 0;
  *row.add_values() = text_value(path);
  *row.add_values() = text_value(report->is_whole() ? "whole" : "broken");
  *row.add_values() = number_value(report->entries);
  *row.add_values() = empty ? pb::Value() : number_value(report->first_sequence);
  *row.add_values() = empty ? pb::Value() : number_value(report->last_sequence);
  *row.add_values() = empty ? pb::Value() : text_value(to_iso8601(report->last_time_ms).text);
  *row.add_values() = empty ? pb::Value() : text_value(hex(report->last_hash));
  *row.add_values() = report->bad ? number_value(report->bad->sequence) : pb::Value();
  *row.add_values() = report->bad ? number_value(report->bad->offset) : pb::Value();
  *row.add_values() = report->bad ? text_value(report->bad->file) : pb::Value();
  *row.add_values() = report->bad ? text_value(report->bad->why) : pb::Value();
  present(answer, kNames, {row});
  return worse(judge(*report, streams), answer.finish());
}

ExitCode tail_ledger(const AuditTailCommand& command, const config::Paths& paths, Answer& answer,
                     const Streams& streams) {
  const std::string& path = command.path.empty() ? paths.ledger_dir : command.path;
  std::deque<ledger::Entry> newest;
  const auto report = ledger::verify_path(path, [&](const ledger::Entry& entry) {
    newest.push_back(entry);
    if (newest.size() > command.entries) newest.pop_front();
  });
  if (!report) {
    say_unreadable(report.error(), streams);
    return exit_code_of(report.error());
  }
  constexpr std::string_view kNames[] = {"sequence", "time", "actor", "action", "payload", "entry_hash"};
  std::vector<pb::Row> rows;
  for (const ledger::Entry& entry : newest) {
    pb::Row& row = rows.emplace_back();
    *row.add_values() = number_value(entry.sequence);
    *row.add_values() = text_value(to_iso8601(entry.time_ms).text);
    *row.add_values() = text_value(entry.actor);
    *row.add_values() = text_value(entry.action);
    *row.add_values() = text_value(entry.payload);
    *row.add_values() = text_value(hex(entry.entry_hash));
  }
  present(answer, kNames, rows);
  return worse(judge(*report, streams), answer.finish());
}

}  // namespace de::console
