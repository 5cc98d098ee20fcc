#include <iterator>

#include "daemoneye/base/text.h"
#include "daemoneye/guard/guard.h"

namespace de::guard {
namespace {

// capabilities(7), in the order of their numbers.
constexpr const char* kNames[] = {"CHOWN",
                                  "DAC_OVERRIDE",
                                  "DAC_READ_SEARCH",
                                  "FOWNER",
                                  "FSETID",
                                  "KILL",
                                  "SETGID",
                                  "SETUID",
                                  "SETPCAP",
                                  "LINUX_IMMUTABLE",
                                  "NET_BIND_SERVICE",
                                  "NET_BROADCAST",
                                  "NET_ADMIN",
                                  "NET_RAW",
                                  "IPC_LOCK",
                                  "IPC_OWNER",
                                  "SYS_MODULE",
                                  "SYS_RAWIO",
                                  "SYS_CHROOT",
                                  "SYS_PTRACE",
                                  "SYS_PACCT",
                                  "SYS_ADMIN",
                                  "SYS_BOOT",
                                  "SYS_NICE",
                                  "SYS_RESOURCE",
                                  "SYS_TIME",
                                  "SYS_TTY_CONFIG",
                                  "MKNOD",
                                  "LEASE",
                                  "AUDIT_WRITE",
                                  "AUDIT_CONTROL",
                                  "SETFCAP",
                                  "MAC_OVERRIDE",
                                  "MAC_ADMIN",
                                  "SYSLOG",
                                  "WAKE_ALARM",
                                  "BLOCK_SUSPEND",
                                  "AUDIT_READ",
                                  "PERFMON",
                                  "BPF",
                                  "CHECKPOINT_RESTORE"};

void append_capabilities(std::string& json, const char* key, std::uint64_t mask) {
  json += ",\"";
  json += key;
  json += "\":[";
  bool first = true;
  for (unsigned number = 0; number < 64; ++number) {
    if ((mask >> number & 1) == 0) continue;
    if (!first) json += ',';
    first = false;
    append_json_string(json, capability_name(number));
  }
  json += ']';
}

}  // namespace

std::string capability_name(unsigned number) {
  return std::string("CAP_") + (number < std::size(kNames) ? kNames[number] : std::to_string(number));
}

std::string capabilities_to_text(std::uint64_t mask) {
  if (mask == 0) return "none";
  std::string text;
  for (unsigned number = 0; number < 64; ++number) {
    if ((mask >> number & 1) == 0) continue;
    if (!text.empty()) text += ',';
    text += capability_name(number);
  }
  return text;
}

std::string Held::to_json() const {
  std::string json = "{\"uid\":" + std::to_string(uid) + ",\"gid\":" + std::to_string(gid) +
                     ",\"supplementary_groups\":" + std::to_string(groups);
  append_capabilities(json, "caps_effective", caps_effective);
  append_capabilities(json, "caps_permitted", caps_permitted);
  append_capabilities(json, "caps_inheritable", caps_inheritable);
  append_capabilities(json, "caps_bounding", caps_bounding);
  json += std::string(",\"no_new_privs\":") + (no_new_privs ? "true" : "false");
  json += std::string(",\"dumpable\":") + (dumpable ? "true" : "false");
  json += ",\"landlock_abi\":" + std::to_string(landlock_abi);
  json += std::string(",\"syscall_filter\":") + (syscall_filter ? "true" : "false");
  json += std::string(",\"was_root\":") + (was_root ? "true" : "false") + ",\"notes\":[";
  for (std::size_t i = 0; i < notes.size(); ++i) {
    if (i > 0) json += ',';
    append_json_string(json, notes[i]);
  }
  return json + "]}";
}

}  // namespace de::guard
