// The command line as an Invocation. The only place that knows the argument library; its exceptions stop here.
//
// Thread: any (pure function).
#pragma once

#include <span>
#include <string>
#include <variant>

#include "console/command.h"
#include "console/exit_code.h"

namespace de::console {

// The command line asked for text instead of a command (--help), or was wrong.
struct Answered {
  std::string text;
  ExitCode exit_code;  // Complete: `text` is for standard output, else for standard error.
};

// `arguments` without the program's name.
std::variant<Invocation, Answered> parse_arguments(std::span<const char* const> arguments);

}  // namespace de::console
