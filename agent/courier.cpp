// daemoneye-courier: see agent/courier/program.h.
#include <cstdio>
#include <exception>

#include "courier/program.h"

int main(int argc, char** argv) {
  try {
    return de::courier::run_courier(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "daemoneye-courier: internal error: %s\n", failure.what());
    return 70;
  }
}
