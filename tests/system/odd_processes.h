// A background load of processes that are hard to print: they start and end all the time, with names and arguments full
// of spaces, parentheses and line breaks, with no arguments at all, and with very many.
//
// Thread: one.
#pragma once

#include <sys/types.h>

#include <string>

namespace de::system_test {

class OddProcesses {
 public:
  // Programs are copied into `dir`.
  explicit OddProcesses(std::string dir);
  // Returns when all of them have ended.
  ~OddProcesses();
  OddProcesses(const OddProcesses&) = delete;
  OddProcesses& operator=(const OddProcesses&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace de::system_test
