// The other end of an Opener's channels: see opener.h and opener_answer.h.
//
// Residual risk: the capabilities of the process that calls this read any file. What bounds it are its eight requests.
//
// Thread: one per channel.
#pragma once

#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

// As many calls can wait for processes that do not answer, and a few more go on.
constexpr std::size_t kOpenerChannels = 24;

// Answers until the first channel is closed. A process that does not answer holds up its own channel only.
// Errors: Io (proc_root is not there, a thread could not be started).
Result<> serve_opener(std::vector<UniqueFd> channels, const std::string& proc_root);

}  // namespace de::collect
