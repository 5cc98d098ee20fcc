// What daemoneye-cli tells its caller; scripts rely on these numbers.
//
// Thread: any (values).
#pragma once

namespace de::console {

enum class ExitCode : int {
  Complete = 0,
  Failed = 1,
  Usage = 2,        // Or refused SQL.
  Degraded = 3,     // A result, but not a complete one.
  Unreachable = 4,  // No agent.
  NotPermitted = 5,
  VerificationFailed = 6,
  Internal = 70,
};

}  // namespace de::console
