// Commands as the requests the agent understands.
//
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "console/command.h"
#include "console/text_io.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"

namespace de::console {

constexpr std::size_t kMaxRequestBytes = 64 * 1024;  // What the agent accepts from a console.

struct Question {
  std::string text;  // What was asked, as JSON results repeat it: the statement, or the command's words.
  std::vector<pb::ControlRequest> requests;
};

// Reads the files a command names. Errors: Invalid (not a command for the agent, no statement, a number out of range),
// TooLarge, NotFound, Denied, Io.
Result<Question> make_question(const Command& command, const Streams& streams);

// "7", "1.5", "null:", "text:7", "anything else". Errors: Invalid (an integer beyond 64 bits).
Result<pb::Value> parse_param(const std::string& text);

}  // namespace de::console
