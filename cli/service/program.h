// Running a program of the operating system: by its full path, without a shell, with an environment of our own.
//
// Against whom: whoever set root's PATH or environment.
//
// Thread: the program's only one. Blocks.
#pragma once

#include <string>

#include "daemoneye/base/result.h"
#include "service/plan.h"

namespace de::service {

// Its exit code; 128 + signal when it was killed. Its output goes to the descriptors given.
// Errors: NotFound (there is no such program), Io.
Result<int> run_program(const Step& step, int out, int err);

struct Printed {
  int exit_code = 0;
  std::string text;
};
// The same, with what it printed to standard output, at most 64 KiB. Errors: TooLarge too.
Result<Printed> read_program(const Step& step, int err);

}  // namespace de::service
