// What is given up does not come back: it is given up in a child.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace de::guard {

constexpr int kSkip = 77;

// Runs `body` in a child. 0 is success, anything else names the check; 1000 and
// more the signal that ended it.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace de::guard
