// The delivery half of AlertLog: what each sink still has to do.
#include <algorithm>

#include "daemoneye/base/byte_order.h"
#include "daemoneye/base/text.h"
#include "store/alert_log.h"
#include "store/alert_rows.h"

namespace de::store {
namespace {

constexpr std::size_t kMaxPending = 1000;    // Per call: a sink works in small rounds.
constexpr std::size_t kMaxErrorBytes = 512;  // What a peer answered; enough to know why.

}  // namespace

Result<std::vector<pb::Delivery>> AlertLog::deliveries_of(const Txn& txn, std::uint64_t sequence) const {
  std::vector<pb::Delivery> out;
  const std::string prefix = delivery_key(sequence, {});
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Deliveries)));
  DE_TRY(more, cursor.seek(prefix));
  while (more && cursor.key().starts_with(prefix)) {
    DE_TRY(delivery, parse_sealed<pb::Delivery>(cursor.value(), "delivery"));
    out.push_back(std::move(delivery));
    DE_TRY(next, cursor.next());
    more = next;
  }
  return out;
}

Result<bool> AlertLog::is_delivered(const Txn& txn, std::uint64_t sequence) const {
  DE_TRY(all, deliveries_of(txn, sequence));
  return std::all_of(all.begin(), all.end(), [](const pb::Delivery& d) { return d.has_delivered_ms(); });
}

Result<pb::Delivery> AlertLog::delivery_at(const Txn& txn, std::string_view sink, std::uint64_t sequence) const {
  const auto none = [&] {
    return fail(Errc::NotFound, "no delivery of alert " + std::to_string(sequence) + " to " + std::string(sink));
  };
  if (sink.empty() || sink.size() > kMaxSinkBytes) return none();
  DE_TRY(value, txn.get(state_.table(StateTable::Deliveries), delivery_key(sequence, sink)));
  if (!value) return none();
  return parse_sealed<pb::Delivery>(*value, "delivery");
}

Result<std::vector<PendingDelivery>> AlertLog::pending(std::string_view sink, std::size_t max) const {
  std::vector<PendingDelivery> out;
  if (sink.empty() || sink.size() > kMaxSinkBytes) return out;
  const std::size_t limit = std::min(max, kMaxPending);
  const std::string prefix = pending_prefix(sink);
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, state_.table(StateTable::Pending)));
  DE_TRY(more, cursor.seek(prefix));
  while (more && out.size() < limit && cursor.key().starts_with(prefix)) {
    if (cursor.key().size() != prefix.size() + 8) return fail(Errc::Corrupt, "pending delivery: malformed key");
    DE_CHECK(unseal(cursor.value(), "pending delivery"));
    const auto sequence = load_be<std::uint64_t>(cursor.key().data() + prefix.size());
    DE_TRY(delivery, delivery_at(txn, sink, sequence));
    DE_TRY(alert, alert_at(txn, sequence));
    out.push_back({std::move(delivery), std::move(alert)});
    DE_TRY(next, cursor.next());
    more = next;
  }
  return out;
}

Result<std::vector<pb::Delivery>> AlertLog::deliveries(std::uint64_t alert_sequence) const {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Read));
  return deliveries_of(txn, alert_sequence);
}

Result<> AlertLog::mark_delivered(std::string_view sink, std::uint64_t alert_sequence) {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_TRY(delivery, delivery_at(txn, sink, alert_sequence));
  if (delivery.has_delivered_ms()) return {};  // Said twice after a crash: once is enough.
  delivery.set_delivered_ms(clock_.unix_ms());
  delivery.set_attempts(delivery.attempts() + 1);
  delivery.clear_last_error();
  DE_TRY(counts, state_.counts(txn));
  DE_CHECK(txn.put(state_.table(StateTable::Deliveries), delivery_key(alert_sequence, sink),
                   seal(delivery.SerializeAsString())));
  DE_TRY(was_pending, txn.erase(state_.table(StateTable::Pending), pending_key(sink, alert_sequence)));
  if (was_pending) --counts.deliveries_pending;
  DE_CHECK(state_.put_counts(txn, counts));
  return txn.commit();
}

Result<> AlertLog::mark_attempt(std::string_view sink, std::uint64_t alert_sequence, std::string_view error) {
  DE_TRY(txn, Txn::begin(state_.env(), Txn::Kind::Write));
  DE_TRY(delivery, delivery_at(txn, sink, alert_sequence));
  delivery.set_attempts(delivery.attempts() + 1);
  delivery.set_last_error(escape_controls(error.substr(0, kMaxErrorBytes)));  // Also makes it UTF-8.
  DE_CHECK(txn.put(state_.table(StateTable::Deliveries), delivery_key(alert_sequence, sink),
                   seal(delivery.SerializeAsString())));
  return txn.commit();
}

}  // namespace de::store
