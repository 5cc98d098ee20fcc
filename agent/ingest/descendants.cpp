#include "ingest/descendants.h"

#include <limits>
#include <string_view>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"

namespace de::ingest {
namespace {

// Who was begun after the snapshot is in the events only. A parent that has ended is still in `parent_uid`.
constexpr std::string_view kSql =
    "WITH RECURSIVE below(pid, uid) AS (VALUES(?1, ?2) UNION "
    "SELECT p.pid, p.process_uid FROM below b JOIN processes p ON p.parent_uid = b.uid UNION "
    "SELECT e.pid, e.process_uid FROM below b JOIN processes.events e ON e.ppid = b.pid AND e.parent_uid = b.uid AND "
    "e.event_time_ms >= ?3 AND e.event_type IN ('start', 'exec')) SELECT pid, uid FROM below WHERE uid <> ?2 LIMIT ?4";

}  // namespace

Result<std::vector<Descendant>> find_descendants(mirror::Session& session, std::uint32_t pid,
                                                 const std::string& process_uid, std::size_t most) {
  std::vector<Descendant> out;
  const std::string uid = schema::uid_text(process_uid);
  const mirror::Value params[] = {static_cast<std::int64_t>(pid), std::string_view(uid), session.image()->scan_time_ms,
                                  static_cast<std::int64_t>(most)};
  const auto add = [&out](std::span<const mirror::Value> row) {
    const auto* number = std::get_if<std::int64_t>(&row[0]);
    const auto* text = std::get_if<std::string_view>(&row[1]);
    if (number == nullptr || text == nullptr || *number < 1 || *number > std::numeric_limits<std::int32_t>::max())
      return true;
    out.push_back({static_cast<std::uint32_t>(*number), schema::uid_bytes(*text)});
    return true;
  };
  DE_TRY(outcome, session.run(
                      kSql, params, mirror::kRuleBudget, [](std::span<const std::string>) {}, add));
  (void)outcome;
  return out;
}

}  // namespace de::ingest
