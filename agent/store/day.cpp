#include "store/day.h"

#include <algorithm>

#include "daemoneye/base/byte_order.h"
#include "store/day_writer.h"
#include "store/value.h"

namespace de::store {
namespace {

constexpr unsigned kIndexFlags = MDB_DUPSORT | MDB_DUPFIXED;
constexpr std::array<TableSpec, 14> kTables = {{{"life", 0},
                                                {"l_pid", kIndexFlags},
                                                {"l_ppid", kIndexFlags},
                                                {"l_name", kIndexFlags},
                                                {"l_hash", kIndexFlags},
                                                {"dict", 0},
                                                {"smp", 0},
                                                {"key", 0},
                                                {"scan", 0},
                                                {"e_block", 0},
                                                {"e_sum", 0},
                                                {"e_tail", 0},
                                                {"mark", 0},
                                                {"info", 0}}};
constexpr std::size_t kNameKeyBytes = 128;  // LMDB allows 511; whoever follows the index compares the whole name.
constexpr std::size_t kHashKeyBytes = 32;   // 128 bits of the digest.
constexpr std::size_t kMaxMarks = 65'536;   // A mark is a collector's spool; one a minute for a day would be 1,440.

std::string lower(std::string_view text, std::size_t max_bytes) {
  std::string out(text.substr(0, max_bytes));
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace

std::string encode_counts(const DayCounts& counts) {
  std::string out;
  for (const std::uint64_t n :
       {counts.next_seq, counts.next_dict_id, counts.records, counts.events, counts.scans, counts.last_position})
    put_varint(out, n);
  return out;
}

Result<DayCounts> decode_counts(std::string_view payload) {
  Reader reader(payload);
  DayCounts counts;
  counts.next_seq = reader.varint();
  counts.next_dict_id = reader.varint();
  counts.records = reader.varint();
  counts.events = reader.varint();
  counts.scans = reader.varint();
  if (reader.finished()) return fail(Errc::Corrupt, "counts: of a version that kept its events one by one");
  counts.last_position = reader.varint();
  if (!reader.finished()) return fail(Errc::Corrupt, "counts: malformed");
  return counts;
}

Result<std::shared_ptr<Day>> Day::open(const std::string& path, const std::string& name, std::uint64_t map_bytes) {
  DE_TRY(env, Env::open({path, map_bytes, kTables}));
  std::shared_ptr<Day> day(new Day(std::move(env), name));
  DE_TRY(txn, Txn::begin(day->env(), Txn::Kind::Read));
  DE_TRY(counts, day->counts(txn));  // The first value to tell another version or a damaged file.
  (void)counts;
  return day;
}

Day::Day(std::unique_ptr<Env> env, std::string name) : env_(std::move(env)), name_(std::move(name)) {}
Day::~Day() = default;

Result<DayCounts> Day::counts(const Txn& txn) const {
  DE_TRY(value, txn.get(table(DayTable::Info), "counts"));
  if (!value) return DayCounts();
  DE_TRY(payload, unseal(*value, "counts"));
  return decode_counts(payload);
}

Result<std::optional<TimeKey>> Day::pending(const Txn& txn) const {
  DE_TRY(value, txn.get(table(DayTable::Info), "pending"));
  if (!value) return std::optional<TimeKey>();
  DE_TRY(payload, unseal(*value, "pending scan"));
  const auto key = parse_time_key(payload);
  if (!key) return fail(Errc::Corrupt, "pending scan: malformed");
  return std::optional(*key);
}

Result<std::string> Day::dictionary_entry(const Txn& txn, std::uint64_t id) const {
  DE_TRY(value, txn.get(table(DayTable::Dict), view(be64(id))));
  if (!value) return fail(Errc::Corrupt, "dictionary: no entry " + std::to_string(id));
  DE_TRY(payload, unseal(*value, "dictionary entry"));
  return std::string(payload);
}

Result<std::vector<std::pair<std::string, std::uint64_t>>> Day::marks() const {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  DE_TRY(txn, Txn::begin(env(), Txn::Kind::Read));
  DE_TRY(cursor, Cursor::open(txn, table(DayTable::Marks)));
  DE_TRY(more, cursor.first());
  while (more && out.size() < kMaxMarks) {
    DE_TRY(sequence, decode_number(cursor.value(), "watermark"));
    out.emplace_back(cursor.key(), sequence);
    DE_TRY(next, cursor.next());
    more = next;
  }
  return out;
}

Result<DayWriter*> Day::writer() {
  if (!writer_) {
    DE_TRY(made, DayWriter::open(*this));
    writer_ = std::move(made);
  }
  return writer_.get();
}

std::string pid_key(std::uint32_t pid) {
  std::string key;
  append_be(key, pid);
  return key;
}

std::string name_key(std::string_view name) { return lower(name, kNameKeyBytes); }
std::string hash_key(std::string_view hexadecimal) { return lower(hexadecimal, kHashKeyBytes); }

IndexEntries index_entries(const pb::ProcessRecord& record) {
  IndexEntries out;
  out.emplace_back(DayTable::ByPid, pid_key(record.pid()));
  if (record.has_ppid()) out.emplace_back(DayTable::ByPpid, pid_key(record.ppid()));
  if (!record.name().empty()) out.emplace_back(DayTable::ByName, name_key(record.name()));
  if (!record.executable_hash().empty()) out.emplace_back(DayTable::ByHash, hash_key(record.executable_hash()));
  return out;
}

}  // namespace de::store
