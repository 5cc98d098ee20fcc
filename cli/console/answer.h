// Puts the replies of one or more requests together into one result, one set of messages and one exit code.
//
// Thread: any; one owner at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "console/exit_code.h"
#include "console/text_io.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "render/renderer.h"

namespace de::console {

class Answer {
 public:
  Answer(render::Options options, Streams streams);
  Answer(const Answer&) = delete;  // The renderer writes through it.
  Answer& operator=(const Answer&) = delete;

  // A header or a page. Errors: Corrupt (not what a header allows), Closed or Io of the output.
  Result<> take(const pb::ControlReply& reply);
  // The end of one request; false when asking on is pointless.
  bool end(const pb::Trailer& trailer);
  // The end of one request that has no trailer, with the reason.
  void broke_off(const Error& error);

  // Completes the document, says what is to be said, and judges.
  ExitCode finish();

 private:
  void worsen(ExitCode code);
  void say_degraded(const pb::Completeness& completeness) const;

  Streams streams_;
  std::optional<Error> output_error_;  // Told apart from the connection's errors, which have the same codes.
  render::Renderer renderer_;
  std::vector<std::string> names_;
  render::Summary summary_{0, true, {}};
  ExitCode code_ = ExitCode::Complete;
};

}  // namespace de::console
