#include "store/life_reader.h"

#include "store/value.h"

namespace de::store {
namespace {

std::pair<DayTable, std::string> index_of(const LifeFilter& filter) {
  if (filter.pid) return {DayTable::ByPid, pid_key(*filter.pid)};
  if (filter.ppid) return {DayTable::ByPpid, pid_key(*filter.ppid)};
  if (!filter.name.empty()) return {DayTable::ByName, name_key(filter.name)};
  return {DayTable::ByHash, hash_key(filter.executable_hash)};
}

bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

// An index key is cut and has no checksum: what counts is the record.
bool matches(const LifeFilter& filter, const pb::ProcessRecord& record) {
  if (filter.pid) return record.pid() == *filter.pid;
  if (filter.ppid) return record.has_ppid() && record.ppid() == *filter.ppid;
  if (!filter.name.empty()) return same_text(record.name(), filter.name);
  return same_text(record.executable_hash(), filter.executable_hash);
}

}  // namespace

Result<> check(const LifeFilter& filter) {
  const int set = (filter.pid ? 1 : 0) + (filter.ppid ? 1 : 0) + (filter.name.empty() ? 0 : 1) +
                  (filter.executable_hash.empty() ? 0 : 1);
  if (set != 1) return fail(Errc::Invalid, "find processes: give one of pid, ppid, name, executable hash");
  return {};
}

Result<bool> knows_life(const Day& day, const LifeFilter& filter) {
  const auto [table, index_key] = index_of(filter);
  DE_TRY(txn, Txn::begin(day.env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, day.table(table)));
  return cursor.seek_duplicate(index_key, view(to_bytes({0, 0})));
}

Result<> read_lives(const Day& day, const LifeFilter& filter, std::uint64_t from_ms, std::uint64_t to_ms,
                    const LifeFn& fn, ReadOutcome& outcome) {
  const auto [table, index_key] = index_of(filter);
  DictionaryReader dictionary(day);
  RecordDecoder decoder;
  DE_TRY(txn, Txn::begin(day.env(), Txn::Kind::Read));
  const ResolveFn resolve = [&](std::uint64_t id) { return dictionary.resolve(txn, id); };
  DE_TRY(pending, day.pending(txn));
  DE_TRY(cursor, Cursor::open(txn, day.table(table)));
  DE_TRY(more, cursor.seek_duplicate(index_key, view(to_bytes({from_ms, 0}))));
  while (more) {
    const auto key = parse_time_key(cursor.value());
    if (!key) return fail(Errc::Corrupt, "index: malformed entry");
    if (key->ms >= to_ms) break;
    const bool unfinished = pending && key->ms == pending->ms && key->seq >= pending->seq;
    if (!unfinished) {
      DE_TRY(value, txn.get(day.table(DayTable::Life), cursor.value()));
      if (!value) return fail(Errc::Corrupt, "index: leads to no life record");
      DE_TRY(life, decoder.life(*value, resolve));
      pb::ProcessRecord record;
      if (!record.ParseFromString(life.statics)) return fail(Errc::Corrupt, "life record: does not parse");
      if (matches(filter, record)) {
        ++outcome.rows;
        outcome.stopped = !fn(life.kind, static_cast<std::int64_t>(key->ms), record);
        if (outcome.stopped) break;
      }
    }
    DE_TRY(next, cursor.next_same_key());
    more = next;
  }
  return {};
}

}  // namespace de::store
