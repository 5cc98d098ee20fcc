#include "collect/linux/iterated_values.h"

#include <algorithm>

#include "collect/linux/kernel_path.h"
#include "collect/linux/process_reader.h"

namespace de::collect {

// As the kernel's task_state_array.
char state_letter(const de_process& from) {
  constexpr std::uint32_t kReported = 0x7f, kUninterruptible = 2, kIdle = 0x402, kOther = 0x9000;
  const std::uint32_t state = from.state;
  if (from.exit_state == 0 && (state & kIdle) == kIdle) return 'I';
  std::uint32_t bits = (state | from.exit_state) & kReported;
  if (bits == 0 && (state & kOther) != 0) bits = kUninterruptible;  // Waits for a lock, or is frozen.
  static constexpr char kLetters[] = "RSDTtXZP";
  return kLetters[bits == 0 ? 0 : 32 - __builtin_clz(bits)];
}

// The scheduler knows how long, the tick in which mode: as /proc does it, the first is divided by the second.
CpuTimes cpu_times(const de_process& from) {
  std::uint64_t system_ns = from.run_ns;
  if (from.system_ns == 0) {
    system_ns = 0;
  } else if (from.user_ns != 0) {
    const double share = static_cast<double>(from.system_ns) / static_cast<double>(from.system_ns + from.user_ns);
    system_ns =
        std::min<std::uint64_t>(from.run_ns, static_cast<std::uint64_t>(static_cast<double>(from.run_ns) * share));
  }
  const auto to_ms = [](std::uint64_t ns) { return ns / kTickNs * kTickMs; };
  return {to_ms(from.run_ns - system_ns), to_ms(system_ns)};
}

FileFacts facts_in(const de_steady& steady) {
  FileFacts facts;
  facts.key = {to_user_dev(steady.exe_dev),
               steady.exe_inode,
               static_cast<std::uint64_t>(std::max<std::int64_t>(steady.exe_size, 0)),
               steady.exe_mtime_ns,
               steady.exe_ctime_ns,
               0};
  facts.links = steady.exe_links;
  facts.mode = steady.exe_mode;
  facts.uid = steady.exe_uid;
  return facts;
}

void set_namespaces(const de_steady& steady, pb::ProcessRecord& out) {
  if (steady.ns_mnt == 0) return;  // A zombie.
  pb::Namespaces& spaces = *out.mutable_namespaces();
  spaces.set_cgroup(steady.ns_cgroup);
  spaces.set_ipc(steady.ns_ipc);
  spaces.set_mnt(steady.ns_mnt);
  spaces.set_net(steady.ns_net);
  spaces.set_pid(steady.ns_pid);
  spaces.set_user(steady.ns_user);
  spaces.set_uts(steady.ns_uts);
}

}  // namespace de::collect
