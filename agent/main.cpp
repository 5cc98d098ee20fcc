// daemoneye-agent: see agent/daemon/program.cpp for the start order.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "daemon/program.h"

int main(int argc, char** argv) {
  // The canary: it has been seen by then.
  if (argc == 2 && std::strcmp(argv[1], de::daemon::kCanaryFlag) == 0) return 0;
  try {
    return de::daemon::run_agent(argc, argv, environ);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "daemoneye-agent: internal error: %s\n", failure.what());
    return 70;
  }
}
