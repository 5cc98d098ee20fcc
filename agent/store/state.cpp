#include "store/state.h"

#include <array>

#include "store/scrub.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr std::array<TableSpec, 9> kTables = {{{"alert", 0},
                                               {"alert_id", 0},
                                               {"dedupe", 0},
                                               {"deliver", 0},
                                               {"pending", 0},
                                               {"gap", 0},
                                               {"mark", 0},
                                               {"info", 0},
                                               {"capture", 0}}};

std::string note_key(std::string_view name) { return "note." + std::string(name); }

}  // namespace

std::string encode_state_counts(const StateCounts& counts) {
  std::string out;
  for (const std::uint64_t n : {counts.next_alert, counts.open, counts.acknowledged, counts.closed,
                                counts.alerts_removed, counts.deliveries_pending, counts.gaps, counts.gaps_removed})
    put_varint(out, n);
  return out;
}

Result<StateCounts> decode_state_counts(std::string_view payload) {
  Reader reader(payload);
  StateCounts counts;
  for (std::uint64_t* n : {&counts.next_alert, &counts.open, &counts.acknowledged, &counts.closed,
                           &counts.alerts_removed, &counts.deliveries_pending, &counts.gaps, &counts.gaps_removed})
    *n = reader.varint();
  if (!reader.finished()) return fail(Errc::Corrupt, "state counts: malformed");
  return counts;
}

Result<std::unique_ptr<State>> State::open(const std::string& path, std::uint64_t map_bytes) {
  if (auto sound = scrub(path, kScrubSeconds); !sound)
    return fail(Errc::Corrupt, sound.error().message() + "; move " + path + " away to start without its alerts");
  DE_TRY(env, Env::open({path, map_bytes, kTables}));
  std::unique_ptr<State> state(new State(std::move(env)));
  const MDB_dbi info = state->table(StateTable::Info);
  bool fresh = false;
  {
    DE_TRY(txn, Txn::begin(state->env(), Txn::Kind::Read));
    DE_TRY(value, txn.get(info, "schema"));
    fresh = !value.has_value();
    if (value) {
      DE_TRY(schema, decode_number(*value, "schema version"));
      if (schema != kSchemaVersion)
        return fail(Errc::Unsupported, path + ": has schema " + std::to_string(schema) + ", this agent knows " +
                                           std::to_string(kSchemaVersion) +
                                           "; install the version that wrote it, or move the store away");
    }
    DE_CHECK(state->counts(txn));
  }
  if (fresh) {
    DE_TRY(txn, Txn::begin(state->env(), Txn::Kind::Write));
    DE_CHECK(txn.put(info, "schema", encode_number(kSchemaVersion)));
    DE_CHECK(txn.commit());
  }
  return state;
}

Result<StateCounts> State::counts(const Txn& txn) const {
  DE_TRY(value, txn.get(table(StateTable::Info), "counts"));
  if (!value) return StateCounts();
  DE_TRY(payload, unseal(*value, "state counts"));
  return decode_state_counts(payload);
}

Result<> State::put_counts(Txn& txn, const StateCounts& counts) const {
  return txn.put(table(StateTable::Info), "counts", seal(encode_state_counts(counts)));
}

Result<std::optional<std::string>> State::find_note(std::string_view name) const {
  DE_TRY(txn, Txn::begin(*env_, Txn::Kind::Read));
  DE_TRY(value, txn.get(table(StateTable::Info), note_key(name)));
  if (!value) return std::nullopt;
  DE_TRY(text, unseal(*value, "note"));
  return std::string(text);
}

Result<> State::put_note(std::string_view name, std::string_view text) const {
  DE_TRY(txn, Txn::begin(*env_, Txn::Kind::Write));
  DE_CHECK(txn.put(table(StateTable::Info), note_key(name), seal(text)));
  return txn.commit();
}

}  // namespace de::store
