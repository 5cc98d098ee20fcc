#include "store/metrics.h"

#include <bit>

#include "store/wire_walk.h"

namespace de::store {
namespace {

constexpr std::size_t kStateBytes = 7;  // A longer state is not one of proc(5)'s letters and stays with the owner.

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

RecordPart part_of(const WireField& field) {
  // A known number with a foreign wire type is an unknown field to protobuf: it belongs to the owner.
  const auto when = [](bool known, RecordPart part) { return known ? part : RecordPart::Owner; };
  const bool varint = field.type == kWireVarint, length = field.type == kWireLength;
  switch (field.number) {
    case 1:
    case 2:
    case 6:
    case 36:
    case 38:
    case 56:
    case 62:
      return when(varint, RecordPart::Identity);
    case 18:
    case 19:
      return when(length, RecordPart::Identity);
    case 3:
    case 4:
    case 9:
    case 10:
    case 63:
    case 64:
      return when(length, RecordPart::Image);
    case 12:
    case 13:
    case 16:
    case 21:
    case 22:
    case 23:
    case 24:
    case 25:
    case 26:
      return when(varint, RecordPart::Image);
    case 5:
    case 30:
    case 65:
    case 66:
    case 69:
      return when(length, RecordPart::Command);
    case 27:
    case 67:
    case 68:
      return when(varint, RecordPart::Command);
    case 7:
      return when(field.type == kWireFixed64, RecordPart::Varying);
    case 46:
      return when(length && field.payload.size() <= kStateBytes, RecordPart::Varying);
    case 8:
    case 14:
    case 47:
    case 49:
    case 50:
    case 51:
    case 52:
    case 53:
    case 54:
      return when(varint, RecordPart::Varying);
    default:
      return RecordPart::Owner;
  }
}

namespace {

std::string& part_in(RecordParts& parts, RecordPart which) {
  switch (which) {
    case RecordPart::Identity:
      return parts.identity;
    case RecordPart::Image:
      return parts.image;
    case RecordPart::Command:
      return parts.command;
    case RecordPart::Owner:
      return parts.owner;
    case RecordPart::Varying:
      return parts.varying;
  }
  return parts.owner;
}

}  // namespace

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
    std::string& next = part_in(parts, part_of(field));
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

}  // namespace de::store
