// Which short flags carry a secret in which program. `-p` is a password for sshpass and a port for ssh.
//
// Thread: any (pure functions).
#pragma once

#include <string_view>

namespace de::collect {

enum class Takes : unsigned char {
  Nothing,
  Value,        // `-p secret` and `-psecret`.
  GluedValue,   // `-psecret` only: `-p` alone asks.
  NextValue,    // `-k secret` only: `-key` is another flag.
  UserPass,     // `-u user:secret`: the name stays.
  UserPercent,  // `-U user%secret`.
  Cookie,       // `-b name=value`; without '=' it is a file.
  FinalWord,    // The last word of the command is the secret (`htpasswd -b file user secret`).
};

// Null when no flag of this program is known. `name` is the file name without directory.
const struct SecretProgram* find_program(std::string_view name);

// What `flag` ('p' for -p) takes. `logs_in`: the word "login" came before the flag.
Takes takes(const SecretProgram& program, char flag, bool logs_in);

// Flags without a value that may be written together with others before the one that counts: `curl -sSu user:x`.
bool may_cluster(const SecretProgram& program, char flag);

// Programs that run another program given in their arguments: sudo, env, docker, ssh, python, ...
bool is_wrapper(std::string_view name);
// A wrapper with secret flags of its own, which end where the other program's name stands: sshpass.
bool ends_at_command(const SecretProgram& program);
bool is_shell(std::string_view name);

}  // namespace de::collect
