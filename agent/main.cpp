// daemoneye-agent: see agent/daemon/program.cpp for the start order.
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "daemon/program.h"

int main(int argc, char** argv) {
  try {
    return de::daemon::run_agent(argc, argv, environ);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "daemoneye-agent: internal error: %s\n", failure.what());
    return 70;
  }
}
