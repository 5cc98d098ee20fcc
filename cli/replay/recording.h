// A recording of processes that were executed: one JSON object a line, as `query --output jsonl` prints rows of
// `processes.events`, or with the field names of Sigma's process_creation (those of Sysmon).
//
// Against whom: whoever made the recording. A line is bounded and parsed as a whole; a field nobody knows is an error.
//
// Thread: any; one owner at a time.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"

namespace de::replay {

constexpr std::size_t kMaxLineBytes = 1UL << 20;

// One line as an event; `number` stands for what it does not say about itself: its identity. A line without a time
// happened at `now_ms`. Names that begin with an underscore are the recording's own and are not looked at.
// Errors: Invalid, without the place.
Result<pb::ProcessEvent> parse_event(std::string_view line, std::uint64_t number, std::int64_t now_ms);

class Recording {
 public:
  // Errors: NotFound, Denied, Io.
  static Result<Recording> open(const std::string& path);

  // The next event, numbered from 1 on without a hole, whatever lines are empty; false at the end.
  // Errors: Invalid (file, line and what is wrong), Io.
  Result<bool> next(pb::ProcessEvent& event, std::int64_t now_ms);
  std::uint64_t events() const { return events_; }
  // The line that event `number` stood on.
  std::uint64_t line_of(std::uint64_t number) const;

 private:
  Recording(std::string path, std::ifstream file)
      : path_(std::move(path)), file_(std::move(file)), buffer_(kMaxLineBytes + 2) {}
  Result<std::string_view> next_line();  // That is not empty; an empty one at the end.

  std::string path_;
  std::ifstream file_;
  std::vector<char> buffer_;  // Of one line.
  std::uint64_t events_ = 0;
  std::uint64_t lines_ = 0;
  std::vector<std::uint64_t> empty_;  // How many events there were before each empty line.
};

}  // namespace de::replay
