// The feed of BPF, open, and what it says about a child that a test runs.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collect/linux/bpf_feed.h"
#include "kernel_support.h"

namespace de::collect::test {

struct Seen {
  KernelEvent event;
  pb::ProcessRecord record;
};

class BpfFeedTest : public testing::Test {
 protected:
  void open(FeedOptions options = {}) {
    auto opened = open_bpf(options, system_clock());
    ASSERT_TRUE(opened || !de::test::bpf_must_work()) << opened.error().message();
    if (!opened) GTEST_SKIP() << opened.error().message();
    feed = std::move(*opened);
  }
  void drain() {
    const auto drained = feed->drain([this](KernelEvent& event) {
      seen.push_back({event, *event.seen});
      seen.back().event.seen = nullptr;
    });
    ASSERT_TRUE(drained) << drained.error().message();
  }
  // A child that runs `body`, and how it ended.
  int run(const std::function<void()>& body) {
    pid = ::fork();
    if (pid == 0) {
      body();
      ::_exit(99);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    // A record that another processor is still writing holds up those behind it.
    for (int tries = 0; tries < 1'000 && find(KernelEventKind::Exit) == nullptr; ++tries) {
      drain();
      ::usleep(1'000);
    }
    return status;
  }
  int run_program(const char* path, std::vector<std::string> arguments, std::vector<std::string> variables = {}) {
    std::vector<char*> argv, environment;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    for (std::string& variable : variables) environment.push_back(variable.data());
    argv.push_back(nullptr);
    environment.push_back(nullptr);
    return run([&] { ::execve(path, argv.data(), environment.data()); });
  }
  const Seen* find(KernelEventKind kind, std::size_t nth = 0) const {
    for (const Seen& one : seen)
      if (one.event.pid == static_cast<std::uint32_t>(pid) && one.event.kind == kind && nth-- == 0) return &one;
    return nullptr;
  }
  std::vector<std::string> arguments() const {
    const Seen* exec = find(KernelEventKind::Exec);
    if (exec == nullptr) return {"no exec was seen"};
    return {exec->record.command_line().begin(), exec->record.command_line().end()};
  }

  std::unique_ptr<EventFeed> feed;
  std::deque<Seen> seen;
  pid_t pid = 0;
};

#define OPEN_OR_SKIP(...)                     \
  ASSERT_NO_FATAL_FAILURE(open(__VA_ARGS__)); \
  if (!feed) return

}  // namespace de::collect::test
