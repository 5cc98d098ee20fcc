#include "sink/sink.h"

#include <unistd.h>

#include <vector>

#include "daemoneye/base/text.h"

namespace de::sink {
namespace {

Result<std::unique_ptr<Sink>> make_stdout_sink(const SinkOptions& options) {
  return make_stream_sink(options.name, options.format, STDOUT_FILENO, kWriteLimit);
}

constexpr SinkType kSinkTypes[] = {
    {"stdout", "writes to standard output", make_stdout_sink},
    {"file", "appends to a file, with rotation by size", make_file_sink},
};

}  // namespace

std::span<const SinkType> sink_types() { return kSinkTypes; }

Result<std::unique_ptr<Sink>> make_sink(const SinkOptions& options) {
  if (options.name.empty()) return fail(Errc::Invalid, "a sink needs a name");
  std::vector<std::string_view> names;
  for (const SinkType& type : kSinkTypes) {
    if (type.type == options.type) return type.make(options);
    names.push_back(type.type);
  }
  return fail(Errc::Invalid, "sink \"" + escape_controls(options.name) + "\": unknown type \"" +
                                 escape_controls(options.type) + "\"" + suggestion(options.type, names));
}

}  // namespace de::sink
