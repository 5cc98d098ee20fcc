#include "store/alert_log.h"

#include <algorithm>

#include "daemoneye/base/byte_order.h"
#include "store/alert_rows.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxAlertBytes = 1 << 20;
constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxSinks = 64;
constexpr std::size_t kDedupeKeyBytes = 480;  // LMDB allows 511. A cut key is compared with the alert's own.
constexpr std::uint32_t kMaxListed = 10'000;
constexpr std::size_t kMinIdPrefix = 6;
constexpr std::size_t kLookForRoom = 1000;  // Oldest alerts looked at for one that is delivered.

std::string_view dedupe_key(const pb::Alert& alert) {
  return std::string_view(alert.dedupe_key()).substr(0, kDedupeKeyBytes);
}

std::uint64_t& count_of(pb::AlertState state, StateCounts& counts) {
  if (state == pb::ALERT_ACKNOWLEDGED) return counts.acknowledged;
  return state == pb::ALERT_CLOSED ? counts.closed : counts.open;
}

Result<> check(const pb::Alert& alert, std::span<const std::string> sinks) {
  if (alert.id().empty() || alert.id().size() > kMaxIdBytes) return fail(Errc::Invalid, "alert: id is empty or long");
  if (alert.ByteSizeLong() > kMaxAlertBytes) return fail(Errc::TooLarge, "alert: over 1 MiB");
  if (sinks.size() > kMaxSinks) return fail(Errc::Invalid, "alert: over 64 sinks");
  for (const std::string& sink : sinks)
    if (sink.empty() || sink.size() > kMaxSinkBytes || sink.find('\0') != sink.npos)
      return fail(Errc::Invalid, "alert: not a sink's name");
  pb::Alert back;  // A string that is not UTF-8 would be written and never be read again.
  if (!back.ParseFromString(alert.SerializeAsString())) return fail(Errc::Invalid, "alert: text is not UTF-8");
  return {};
}

}  // namespace

Result<DedupeMark> decode_dedupe(std::string_view payload) {
  Reader reader(payload);
  DedupeMark mark;
  mark.alert_sequence = reader.varint();
  mark.stored_ms = reader.signed_varint();
  if (!reader.finished()) return fail(Errc::Corrupt, "dedupe window: malformed");
  return mark;
}

Result<pb::Alert> AlertLog::alert_at(const Txn& txn, std::uint64_t sequence) const {
  DE_TRY(value, txn.get(state_.table(StateTable::Alerts), view(be64(sequence))));
  if (!value) return fail(Errc::NotFound, "alert " + std::to_string(sequence) + " does not exist");
  return parse_sealed<pb::Alert>(*value, "alert");
}

Result<> AlertLog::put_alert_row(Txn& txn, const pb::Alert& alert) const {
  return txn.put(state_.table(StateTable::Alerts), view(be64(alert.sequence())), seal(alert.SerializeAsString()));
}

// The alert whose window is open for this one, if any.
Result<std::optional<pb::Alert>> AlertLog::folded_into(Txn& txn, const pb::Alert& alert, std::int64_t window_ms) const {
  using Found = std::optional<pb::Alert>;
  if (alert.dedupe_key().empty() || window_ms <= 0) return Found();
  DE_TRY(value, txn.get(state_.table(StateTable::Dedupe), dedupe_key(alert)));
  if (!value) return Found();
  DE_TRY(payload, unseal(*value, "dedupe window"));
  DE_TRY(mark, decode_dedupe(payload));
  const std::int64_t now = clock_.unix_ms();
  // A clock that jumped back must not keep the window open until it has caught up.
  if (now < mark.stored_ms || now - mark.stored_ms >= window_ms) return Found();
  auto existing = alert_at(txn, mark.alert_sequence);
  if (!existing) {
    if (existing.error().code() == Errc::NotFound) return Found();
    return fail(std::move(existing).error());
  }
  if (existing->dedupe_key() != alert.dedupe_key()) return Found();
  return Found(std::move(*existing));
}

Result<> AlertLog::fold(Txn& txn, pb::Alert& existing, const pb::Alert& alert) const {
  const std::int64_t seen = alert.last_seen_ms() != 0 ? alert.last_seen_ms() : alert.alert_time_ms();
  existing.set_count(existing.count() + std::max<std::uint64_t>(alert.count(), 1));
  existing.set_last_seen_ms(std::max(existing.last_seen_ms(), seen));
  return put_alert_row(txn, existing);
}

Result<> AlertLog::insert(Txn& txn, pb::Alert& alert, std::span<const std::string> sinks) {
  DE_TRY(counts, state_.counts(txn));
  DE_TRY(taken, txn.get(state_.table(StateTable::AlertIds), alert.id()));
  if (taken) return fail(Errc::Conflict, "alert: id " + alert.id() + " exists");
  DE_CHECK(make_room(txn, counts));

  alert.set_sequence(counts.next_alert++);
  if (alert.count() == 0) alert.set_count(1);
  if (alert.first_seen_ms() == 0) alert.set_first_seen_ms(alert.alert_time_ms());
  if (alert.last_seen_ms() == 0) alert.set_last_seen_ms(alert.first_seen_ms());
  ++count_of(alert.state(), counts);
  DE_CHECK(put_alert_row(txn, alert));
  DE_CHECK(txn.put(state_.table(StateTable::AlertIds), alert.id(), encode_number(alert.sequence())));
  if (!alert.dedupe_key().empty()) {
    std::string mark = begin_value();
    put_varint(mark, alert.sequence());
    put_varint(mark, zigzag(clock_.unix_ms()));
    finish_value(mark);
    DE_CHECK(txn.put(state_.table(StateTable::Dedupe), dedupe_key(alert), mark));
  }
  for (const std::string& sink : sinks) {
    const std::string key = delivery_key(alert.sequence(), sink);
    DE_TRY(twice, txn.get(state_.table(StateTable::Deliveries), key));
    if (twice) continue;
    pb::Delivery delivery;
    delivery.set_sink(sink);
    delivery.set_alert_sequence(alert.sequence());
    DE_CHECK(txn.put(state_.table(StateTable::Deliveries), key, seal(delivery.SerializeAsString())));
    DE_CHECK(txn.put(state_.table(StateTable::Pending), pending_key(sink, alert.sequence()), seal({})));
    ++counts.deliveries_pending;
  }
  return state_.put_counts(txn, counts);
}

Result<AlertOutcome> AlertLog::put(pb::Alert& alert, std::span<const std::string> sinks, std::int64_t window_ms) {
  DE_CHECK(check(alert, sinks));
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_TRY(existing, folded_into(txn, alert, window_ms));
  if (existing) {
    DE_CHECK(fold(txn, *existing, alert));
    DE_CHECK(txn.commit());
    alert = std::move(*existing);
    return AlertOutcome::Folded;
  }
  pb::Alert stored = alert;  // The caller's alert gets its sequence only when it is on disk.
  DE_CHECK(insert(txn, stored, sinks));
  DE_CHECK(txn.commit());
  alert = std::move(stored);
  return AlertOutcome::Stored;
}

// Removes the oldest delivered alert when the store is at its limit. Undelivered ones may double it; after that, new
// alerts are refused: the sinks have been down for a hundred thousand alerts, and that must not go unnoticed.
Result<> AlertLog::make_room(Txn& txn, StateCounts& counts) const {
  if (counts.alerts() < max_alerts_) return {};
  std::optional<std::uint64_t> oldest;
  {
    DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Alerts)));
    DE_TRY(more, cursor.first());
    for (std::size_t looked = 0; more && !oldest && looked < kLookForRoom; ++looked) {
      if (cursor.key().size() != 8) return fail(Errc::Corrupt, "alert: malformed key");
      const auto sequence = load_be<std::uint64_t>(cursor.key().data());
      DE_TRY(delivered, is_delivered(txn, sequence));
      if (delivered) oldest = sequence;
      DE_TRY(next, cursor.next());
      more = next;
    }
  }
  if (oldest) return erase_alert(txn, *oldest, counts);
  if (counts.alerts() < 2ULL * max_alerts_) return {};
  return fail(Errc::Exhausted, "alerts: " + std::to_string(counts.alerts()) + " wait for delivery, no room for more");
}

Result<> AlertLog::erase_alert(Txn& txn, std::uint64_t sequence, StateCounts& counts) const {
  DE_TRY(alert, alert_at(txn, sequence));
  DE_TRY(deliveries, deliveries_of(txn, sequence));
  for (const pb::Delivery& delivery : deliveries)
    DE_CHECK(txn.erase(state_.table(StateTable::Deliveries), delivery_key(sequence, delivery.sink())));
  if (!alert.dedupe_key().empty()) {
    DE_TRY(value, txn.get(state_.table(StateTable::Dedupe), dedupe_key(alert)));
    if (value) {
      DE_TRY(payload, unseal(*value, "dedupe window"));
      DE_TRY(mark, decode_dedupe(payload));
      if (mark.alert_sequence == sequence) DE_CHECK(txn.erase(state_.table(StateTable::Dedupe), dedupe_key(alert)));
    }
  }
  DE_CHECK(txn.erase(state_.table(StateTable::AlertIds), alert.id()));
  DE_CHECK(txn.erase(state_.table(StateTable::Alerts), view(be64(sequence))));
  --count_of(alert.state(), counts);
  ++counts.alerts_removed;
  return {};
}

Result<std::vector<pb::Alert>> AlertLog::list(const AlertFilter& filter) const {
  std::vector<pb::Alert> out;
  const std::size_t limit = std::min(filter.limit, kMaxListed);
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Alerts)));
  // One behind the last that is wanted, then one back; there is nothing to go back from behind the end.
  DE_TRY(found, filter.before == 0 ? Result<bool>(false) : cursor.seek(view(be64(filter.before))));
  DE_TRY(more, found ? cursor.previous() : cursor.last());
  while (more && out.size() < limit) {
    DE_TRY(alert, parse_sealed<pb::Alert>(cursor.value(), "alert"));
    if ((filter.rule_id.empty() || alert.rule_id() == filter.rule_id) &&
        (!filter.severity || alert.severity() == *filter.severity))
      out.push_back(std::move(alert));
    DE_TRY(next, cursor.previous());
    more = next;
  }
  return out;
}

Result<pb::Alert> AlertLog::find(std::string_view id) const {
  if (id.size() < kMinIdPrefix || id.size() > kMaxIdBytes)
    return fail(Errc::Invalid, "alert id: give at least 6 characters");
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::AlertIds)));
  DE_TRY(found, cursor.seek(id));
  if (!found || !cursor.key().starts_with(id)) return fail(Errc::NotFound, "no alert " + std::string(id));
  const bool whole = cursor.key().size() == id.size();
  DE_TRY(sequence, decode_number(cursor.value(), "alert id"));
  if (!whole) {
    DE_TRY(another, cursor.next());
    if (another && cursor.key().starts_with(id))
      return fail(Errc::Conflict, "several alerts begin with " + std::string(id));
  }
  return alert_at(txn, sequence);
}

}  // namespace de::store
