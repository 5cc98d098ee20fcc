#include "store/metrics.h"

#include <bit>

#include "store/value.h"

namespace de::store {
namespace {

constexpr std::size_t kStateBytes = 7;  // A longer state is not one of proc(5)'s letters and stays with the owner.

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

struct WireField {
  std::uint64_t number = 0;
  unsigned type = 0;
  std::string_view whole;    // Tag and value.
  std::string_view payload;  // kLength only.
};

// Walks the top level of a serialized message. False at the end or at the first byte that is not wire format.
class WireWalk {
 public:
  explicit WireWalk(std::string_view bytes) : bytes_(bytes), reader_(bytes) {}

  bool next(WireField& field) {
    if (reader_.left() == 0) return false;
    const std::size_t start = bytes_.size() - reader_.left();
    const std::uint64_t tag = reader_.varint();
    field.number = tag >> 3;
    field.type = static_cast<unsigned>(tag & 7);
    field.payload = {};
    switch (field.type) {
      case kVarint:
        (void)reader_.varint();  // Only its length matters.
        break;
      case kFixed64:
        (void)reader_.raw(8);  // As above.
        break;
      case kLength:
        field.payload = reader_.bytes();
        break;
      case kFixed32:
        (void)reader_.raw(4);  // As above.
        break;
      default:
        reader_.refuse();
    }
    if (!reader_.ok()) return false;
    field.whole = bytes_.substr(start, bytes_.size() - reader_.left() - start);
    return true;
  }
  bool ok() const { return reader_.ok(); }

 private:
  std::string_view bytes_;
  Reader reader_;
};

std::string& part_of(const WireField& field, RecordParts& parts) {
  // A known number with a foreign wire type is an unknown field to protobuf: it belongs to the owner.
  const bool varint = field.type == kVarint, length = field.type == kLength;
  switch (field.number) {
    case 1:
    case 2:
    case 6:
    case 36:
    case 38:
    case 56:
      return varint ? parts.identity : parts.owner;
    case 18:
    case 19:
      return length ? parts.identity : parts.owner;
    case 3:
    case 4:
    case 9:
    case 10:
      return length ? parts.image : parts.owner;
    case 12:
    case 13:
    case 16:
    case 21:
    case 22:
    case 23:
    case 24:
    case 25:
    case 26:
      return varint ? parts.image : parts.owner;
    case 5:
    case 30:
      return length ? parts.command : parts.owner;
    case 27:
      return varint ? parts.command : parts.owner;
    case 7:
      return field.type == kFixed64 ? parts.varying : parts.owner;
    case 46:
      return length && field.payload.size() <= kStateBytes ? parts.varying : parts.owner;
    case 8:
    case 14:
    case 47:
    case 49:
    case 50:
    case 51:
    case 52:
    case 53:
    case 54:
      return varint ? parts.varying : parts.owner;
    default:
      return parts.owner;
  }
}

std::uint64_t pack_state(std::string_view state) {
  std::uint64_t packed = state.size();
  for (std::size_t i = 0; i < state.size(); ++i)
    packed |= static_cast<std::uint64_t>(static_cast<unsigned char>(state[i])) << (3 + 8 * i);
  return packed;
}

std::string unpack_state(std::uint64_t packed) {
  std::string state(packed & 7, '\0');
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = static_cast<char>(packed >> (3 + 8 * i));
  return state;
}

}  // namespace

Metrics metrics_of(const pb::ProcessRecord& r) {
  Metrics m;
  const auto set = [&m](Metric which, bool has, std::uint64_t value) {
    if (!has) return;
    const auto i = static_cast<std::size_t>(which);
    m.present = static_cast<std::uint16_t>(m.present | (1U << i));
    m.value[i] = value;
  };
  set(Metric::CpuUsage, r.has_cpu_usage(), std::bit_cast<std::uint64_t>(r.cpu_usage()));
  set(Metric::MemoryUsage, r.has_memory_usage(), r.memory_usage());
  set(Metric::VirtualMemory, r.has_virtual_memory(), r.virtual_memory());
  set(Metric::Threads, r.has_threads(), r.threads());
  set(Metric::FdCount, r.has_fd_count(), r.fd_count());
  set(Metric::CpuUserMs, r.has_cpu_user_ms(), r.cpu_user_ms());
  set(Metric::CpuSystemMs, r.has_cpu_system_ms(), r.cpu_system_ms());
  set(Metric::IoReadBytes, r.has_io_read_bytes(), r.io_read_bytes());
  set(Metric::IoWriteBytes, r.has_io_write_bytes(), r.io_write_bytes());
  if (r.has_state() && r.state().size() <= kStateBytes) set(Metric::State, true, pack_state(r.state()));
  return m;
}

void apply_metrics(const Metrics& m, pb::ProcessRecord& r) {
  const auto has = [&m](Metric which) { return (m.present >> static_cast<unsigned>(which) & 1) != 0; };
  const auto value = [&m](Metric which) { return m.value[static_cast<std::size_t>(which)]; };
  if (has(Metric::CpuUsage)) r.set_cpu_usage(std::bit_cast<double>(value(Metric::CpuUsage)));
  if (has(Metric::MemoryUsage)) r.set_memory_usage(value(Metric::MemoryUsage));
  if (has(Metric::VirtualMemory)) r.set_virtual_memory(value(Metric::VirtualMemory));
  if (has(Metric::Threads)) r.set_threads(static_cast<std::uint32_t>(value(Metric::Threads)));
  if (has(Metric::FdCount)) r.set_fd_count(static_cast<std::uint32_t>(value(Metric::FdCount)));
  if (has(Metric::CpuUserMs)) r.set_cpu_user_ms(value(Metric::CpuUserMs));
  if (has(Metric::CpuSystemMs)) r.set_cpu_system_ms(value(Metric::CpuSystemMs));
  if (has(Metric::IoReadBytes)) r.set_io_read_bytes(value(Metric::IoReadBytes));
  if (has(Metric::IoWriteBytes)) r.set_io_write_bytes(value(Metric::IoWriteBytes));
  if (has(Metric::State)) r.set_state(unpack_state(value(Metric::State)));
}

Result<> split_record(std::string_view serialized, RecordParts& parts) {
  parts.identity.clear();
  parts.image.clear();
  parts.command.clear();
  parts.owner.clear();
  parts.varying.clear();
  WireWalk walk(serialized);
  // Neighbours mostly belong together and are taken in one piece.
  std::string* part = nullptr;
  std::string_view run;
  for (WireField field; walk.next(field);) {
    std::string& next = part_of(field, parts);
    if (&next == part) {
      run = {run.data(), run.size() + field.whole.size()};
      continue;
    }
    if (part != nullptr) part->append(run);
    part = &next;
    run = field.whole;
  }
  if (part != nullptr) part->append(run);
  if (!walk.ok()) return fail(Errc::Corrupt, "process record: not protobuf");
  return {};
}

Result<> split_event(std::string_view serialized, EventParts& parts) {
  parts.own.clear();
  parts.parent.clear();
  parts.process.clear();
  parts.has_process = false;
  WireWalk walk(serialized);
  for (WireField field; walk.next(field);) {
    if (field.number == 1 && field.type == kLength) {
      parts.process.append(field.payload);
      parts.has_process = true;
    } else {
      (field.number >= 9 && field.number <= 11 ? parts.parent : parts.own).append(field.whole);
    }
  }
  if (!walk.ok()) return fail(Errc::Corrupt, "process event: not protobuf");
  return {};
}

}  // namespace de::store
