#include "collect/linux/bpf_load.h"

#ifdef DE_BPF
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>

namespace de::collect {
namespace {

constexpr ino_t kInitialPidNamespace = 0xeffffffc;  // PROC_PID_INIT_INO of the kernel.

// libbpf reports in several lines; the first that complains is the reason.
std::string first_complaint;

int note_complaint(libbpf_print_level level, const char* format, va_list arguments) {
  char line[512];
  const int length = std::vsnprintf(line, sizeof line, format, arguments);
  if (level != LIBBPF_WARN || length <= 0 || !first_complaint.empty()) return 0;
  first_complaint.assign(line, static_cast<std::size_t>(std::min<int>(length, sizeof line - 1)));
  while (!first_complaint.empty() && first_complaint.back() == '\n') first_complaint.pop_back();
  return 0;
}

}  // namespace

tl::unexpected<Error> bpf_failed(const char* step, int error) {
  const std::error_code os(error < 0 ? -error : error, std::generic_category());
  const bool denied = os == std::errc::operation_not_permitted || os == std::errc::permission_denied;
  std::string text = std::string("BPF: ") + step;
  if (denied && ::geteuid() != 0) text += " (it takes CAP_BPF and CAP_PERFMON)";
  if (!first_complaint.empty()) text += ": " + first_complaint;
  return fail(denied ? Errc::Denied : Errc::Unsupported, text, os);
}

Result<> check_bpf() {
  struct stat space {};
  if (::stat("/proc/self/ns/pid", &space) == 0 && space.st_ino != kInitialPidNamespace)
    return fail(Errc::Unsupported,
                "BPF: we are in a pid namespace of our own, where processes have other numbers than the kernel's");
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
    return fail(Errc::Unsupported, "BPF: the kernel does not describe its types in /sys/kernel/btf/vmlinux");
  first_complaint.clear();
  libbpf_set_print(&note_complaint);
  return {};
}

}  // namespace de::collect
#endif
