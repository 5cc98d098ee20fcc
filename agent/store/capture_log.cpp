#include "store/capture_log.h"

#include <algorithm>

#include "daemoneye/base/byte_order.h"
#include "store/alert_rows.h"

namespace de::store {
namespace {

constexpr std::size_t kOldestAtOnce = 16;
constexpr std::size_t kPageCaptures = 64;
constexpr std::size_t kPageBytes = 4UL << 20;
constexpr std::size_t kKeyBytes = 16;

std::string capture_key(std::int64_t time_ms, std::uint64_t number) {
  std::string key(view(be64(static_cast<std::uint64_t>(std::max<std::int64_t>(time_ms, 0)))));
  return std::move(key.append(view(be64(number))));
}

bool admits(const CaptureFilter& filter, const pb::Capture& capture) {
  return (filter.rule_id.empty() || filter.rule_id == capture.rule_id()) &&
         (!filter.pid || *filter.pid == capture.pid());
}

}  // namespace

Result<> CaptureLog::put(const pb::Capture& capture) {
  const std::string bytes = capture.SerializeAsString();
  if (bytes.size() > kMaxCaptureBytes) return fail(Errc::TooLarge, "capture: over 1 MiB");
  pb::Capture back;  // Text that is not UTF-8 would be written and never be read again.
  if (!back.ParseFromString(bytes)) return fail(Errc::Invalid, "capture: text is not UTF-8");
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_CHECK(make_room(txn));
  const MDB_dbi table = state_.table(StateTable::Captures);
  for (std::uint64_t number = 0;; ++number) {
    const std::string key = capture_key(capture.time_ms(), number);
    DE_TRY(taken, txn.get(table, key));
    if (taken) continue;
    DE_CHECK(txn.put(table, key, seal(bytes)));
    return txn.commit();
  }
}

Result<> CaptureLog::make_room(Txn& txn) {
  const MDB_dbi table = state_.table(StateTable::Captures);
  for (;;) {
    DE_TRY(bytes, txn.bytes(table));
    if (bytes <= max_bytes_) return {};
    for (std::size_t i = 0; i < kOldestAtOnce; ++i) {
      std::string oldest;
      {
        DE_TRY(cursor, Cursor::open(txn, table));
        DE_TRY(any, cursor.first());
        if (!any) return {};
        oldest = cursor.key();
      }
      DE_CHECK(txn.erase(table, oldest));
      ++removed_;
    }
  }
}

Result<CapturePage> CaptureLog::read(const CaptureFilter& filter) const {
  CapturePage out;
  std::size_t bytes = 0;
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Captures)));
  const std::string from = filter.after.empty() ? capture_key(filter.from_ms, 0) : filter.after + '\0';
  DE_TRY(more, cursor.seek(from));
  while (more) {
    const std::string_view key = cursor.key();
    if (key.size() != kKeyBytes) return fail(Errc::Corrupt, "capture: its key is damaged");
    if (filter.to_ms <= 0 || key >= capture_key(filter.to_ms, 0)) break;
    if (out.captures.size() == kPageCaptures || bytes >= kPageBytes) return out;
    out.after = key;
    bytes += cursor.value().size();
    DE_TRY(capture, parse_sealed<pb::Capture>(cursor.value(), "capture"));
    if (admits(filter, capture)) out.captures.push_back(std::move(capture));
    DE_TRY(next, cursor.next());
    more = next;
  }
  out.after.clear();
  return out;
}

Result<> CaptureLog::prune(std::int64_t before_ms) {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  const MDB_dbi table = state_.table(StateTable::Captures);
  const std::string end = capture_key(before_ms, 0);
  for (bool any = false;; any = true) {
    std::string oldest;
    {
      DE_TRY(cursor, Cursor::open(txn, table));
      DE_TRY(found, cursor.first());
      if (found && cursor.key() < end) oldest = cursor.key();
    }
    if (oldest.empty()) return any ? txn.commit() : Result<>();
    DE_CHECK(txn.erase(table, oldest));
  }
}

Result<std::uint64_t> CaptureLog::count() const {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  return txn.entries(state_.table(StateTable::Captures));
}

}  // namespace de::store
