#include "collect/secret_programs.h"

#include <array>

#include "collect/secret_names.h"

namespace de::collect {

struct FlagRule {
  char flag;
  Takes takes;
};

struct SecretProgram {
  std::string_view name;  // Ends in '*' when any name that starts like this is meant.
  std::string_view clustering;
  std::array<FlagRule, 4> flags;
  bool only_after_login = false;  // `docker login -p x`, but not `docker run -p 80:80`.
};

namespace {

using enum Takes;
constexpr FlagRule kNone{0, Nothing};

constexpr std::array kPrograms = {
    SecretProgram{"mysql*", "", {{{'p', GluedValue}, kNone, kNone, kNone}}},
    SecretProgram{"mariadb*", "", {{{'p', GluedValue}, kNone, kNone, kNone}}},
    SecretProgram{"mycli", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"mongo*", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"redis-cli", "", {{{'a', Value}, kNone, kNone, kNone}}},
    SecretProgram{"sshpass", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"curl", "sSkfLgiIvNOJaG0469#", {{{'u', UserPass}, {'U', UserPass}, {'b', Cookie}, kNone}}},
    SecretProgram{"http", "", {{{'a', UserPass}, kNone, kNone, kNone}}},
    SecretProgram{"https", "", {{{'a', UserPass}, kNone, kNone, kNone}}},
    SecretProgram{"ab", "", {{{'A', UserPass}, {'P', UserPass}, {'C', Cookie}, kNone}}},
    SecretProgram{"smbclient", "", {{{'U', UserPercent}, kNone, kNone, kNone}}},
    SecretProgram{"rpcclient", "", {{{'U', UserPercent}, kNone, kNone, kNone}}},
    SecretProgram{"smbmap", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"rdesktop", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"ldappasswd", "", {{{'w', Value}, {'s', Value}, {'a', Value}, kNone}}},
    SecretProgram{"ldap*", "", {{{'w', Value}, kNone, kNone, kNone}}},
    SecretProgram{"zip", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"unzip", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"7z*", "", {{{'p', GluedValue}, kNone, kNone, kNone}}},
    SecretProgram{"rar", "", {{{'p', GluedValue}, kNone, kNone, kNone}}},
    SecretProgram{"unrar", "", {{{'p', GluedValue}, kNone, kNone, kNone}}},
    SecretProgram{"openssl", "", {{{'k', NextValue}, {'K', NextValue}, kNone, kNone}}},
    SecretProgram{"ipmitool", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"sqlcmd", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"bcp", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"tsql", "", {{{'P', Value}, kNone, kNone, kNone}}},
    SecretProgram{"snmp*", "", {{{'c', Value}, {'A', Value}, {'X', Value}, kNone}}},
    SecretProgram{"useradd", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"usermod", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"hydra", "", {{{'p', Value}, kNone, kNone, kNone}}},
    SecretProgram{"crackmapexec", "", {{{'p', Value}, {'H', Value}, kNone, kNone}}},
    SecretProgram{"netexec", "", {{{'p', Value}, {'H', Value}, kNone, kNone}}},
    SecretProgram{"nxc", "", {{{'p', Value}, {'H', Value}, kNone, kNone}}},
    SecretProgram{"evil-winrm", "", {{{'p', Value}, {'H', Value}, kNone, kNone}}},
    SecretProgram{"influx", "", {{{'t', NextValue}, kNone, kNone, kNone}}},
    SecretProgram{"doctl", "", {{{'t', NextValue}, kNone, kNone, kNone}}},
    SecretProgram{"htpasswd", "cnmBdsp5i2r", {{{'b', FinalWord}, kNone, kNone, kNone}}},
    SecretProgram{"docker", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"podman", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"nerdctl", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"buildah", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"skopeo", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"helm", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"crane", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"oc", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"az", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
    SecretProgram{"cf", "", {{{'p', Value}, kNone, kNone, kNone}}, true},
};

constexpr std::array<std::string_view, 53> kWrappers = {
    "sudo",   "doas",    "env",       "nohup",       "timeout",      "nice",     "ionice",   "strace",  "ltrace",
    "time",   "xargs",   "setsid",    "watch",       "chroot",       "stdbuf",   "busybox",  "ssh",     "screen",
    "tmux",   "script",  "flock",     "runuser",     "unshare",      "nsenter",  "ip",       "find",    "parallel",
    "expect", "kubectl", "docker",    "podman",      "nerdctl",      "oc",       "python",   "python2", "python3",
    "perl",   "ruby",    "node",      "systemd-run", "su",           "exec",     "sshpass",  "setpriv", "chpst",
    "gosu",   "tini",    "dumb-init", "proxychains", "proxychains4", "torsocks", "faketime", "command"};
constexpr std::array<std::string_view, 10> kShells = {"sh",  "bash", "dash", "zsh",   "ksh",
                                                      "ash", "fish", "tcsh", "rbash", "mksh"};

}  // namespace

const SecretProgram* find_program(std::string_view name) {
  for (const SecretProgram& program : kPrograms) {
    const bool any_end = program.name.ends_with('*');
    if (any_end ? name.starts_with(program.name.substr(0, program.name.size() - 1)) : name == program.name)
      return &program;
  }
  return nullptr;
}

Takes takes(const SecretProgram& program, char flag, bool logs_in) {
  if (program.only_after_login && !logs_in) return Nothing;
  for (const FlagRule& rule : program.flags)
    if (rule.flag == flag && flag != 0) return rule.takes;
  return Nothing;
}

bool may_cluster(const SecretProgram& program, char flag) {
  return flag != 0 && program.clustering.find(flag) != std::string_view::npos;
}

bool ends_at_command(const SecretProgram& program) { return program.name == "sshpass"; }
bool is_wrapper(std::string_view name) { return is_one_of(name, kWrappers) || is_shell(name); }
bool is_shell(std::string_view name) { return is_one_of(name, kShells); }

}  // namespace de::collect
