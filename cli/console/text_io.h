// Standard input, output and error as descriptors, so that a test can stand in for a terminal or a pipe.
//
// Thread: any; one owner at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "console/exit_code.h"
#include "daemoneye/base/result.h"

namespace de::console {

struct Streams {
  int in = 0;
  int out = 1;
  int err = 2;
};

// Errc::Closed when the reader is gone (a pipe into `head`): a reason to stop, not to complain.
Result<> write_all(int fd, std::string_view text);

// "daemoneye-cli: <message>" on a line of its own, with control characters escaped. What cannot be written is lost.
void say(const Streams& streams, std::string_view message);

// What a script is told of the error; say_error() tells the person as well.
ExitCode exit_code_for(const Error& error);
ExitCode say_error(const Error& error, const Streams& streams);

// Everything up to the end, at most `limit_bytes`. Errors: TooLarge, NotFound, Denied, Invalid (a directory), Io.
Result<std::string> read_all(int fd, std::string_view name, std::size_t limit_bytes);
Result<std::string> read_file(const std::string& path, std::size_t limit_bytes);

// What the output is, from the descriptor and the environment (NO_COLOR, TERM).
struct Screen {
  bool color = false;
  std::size_t width = 0;  // 0: not a terminal.
};
Screen screen_of(int fd, const char* const* env, bool no_color);

}  // namespace de::console
