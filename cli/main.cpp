// daemoneye-cli: the operator's console.
#include <unistd.h>

#include <cstddef>
#include <exception>
#include <string>

#include "console/run.h"

int main(int argc, char** argv) {
  using namespace de::console;
  const Streams streams;
  try {
    const auto count = static_cast<std::size_t>(argc > 0 ? argc - 1 : 0);
    return static_cast<int>(run({argv + (argc > 0 ? 1 : 0), count}, environ, streams, own_identity()));
  } catch (const std::exception& thrown) {
    say(streams, "internal error: " + std::string(thrown.what()));
  }
  return static_cast<int>(ExitCode::Internal);
}
