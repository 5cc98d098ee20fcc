// Reads what takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH to read of other users' processes, and nothing else. It takes
// numbers of processes, opens below /proc, and looks at what a link it has read itself leads to. The one path it takes
// leads to a program: what nobody may execute is not opened.
//
// Thread: any.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "collect/linux/opener_wire.h"
#include "daemoneye/base/side_process.h"

namespace de::collect {

struct ParsedRequest {
  Ask ask = Ask::Signs;
  std::uint32_t count = 0;
  std::uint32_t use = 0;
  std::array<AskedProcess, kMaxAsked> processes{};  // `count` of them.
  std::string path;                                 // Of Program: absolute, without NUL.
};
// Absent: it does not keep to the shape of a request.
std::optional<ParsedRequest> parse_request(std::span<const char> request);

// Of `request`: a whole message. False when it does not keep to the shape of one: whoever sent it is not to be served
// again. May wait as long as the process or file system that it is about.
bool answer(int proc_fd, std::span<const char> request, Packet& out);

}  // namespace de::collect
