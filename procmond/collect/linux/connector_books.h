// From connector messages to process events: tells processes from their threads, and counts what is missing.
//
// Loss is told by the kernel's sequence numbers, one row of numbers per CPU over messages of every kind. A gap says how
// many messages are missing, not which; so `dropped` is an upper bound of lost events: threads, name changes, and the
// answers to our own questions are lost alike. A gap shows with the next message of the same CPU; who drains asks for
// one of every CPU after an overflow, and to begin with.
//
// A process ends when its last thread does, while the connector tells of every thread, and the end of the first one
// alone can come early: when it ended by itself, or when another thread executed a program and took its place. So
// threads are remembered from the time they are made. Of those that existed before, or whose making was lost, nothing
// is known; their process then ends, for us, with its first thread.
//
// Thread: the one that drains.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/event_feed.h"
#include "collect/linux/connector_message.h"

namespace de::collect {

class ConnectorBooks {
 public:
  // `boot_offset_ns` is added to the message's time.
  void take(const ConnectorMessage& message, std::int64_t boot_offset_ns, const KernelEventFn& fn);
  // The kernel said that messages were lost.
  void overflowed();
  void add_malformed(std::uint32_t count) { counts_.malformed += count; }

  FeedCounts counts() const;
  std::size_t remembered_threads() const { return remembered_; }

 private:
  struct Row {
    bool begun = false;
    std::uint32_t last = 0;
  };
  struct Threads {
    std::unordered_set<std::uint32_t> others;  // All but the first, as far as known.
    bool first_is_gone = false;
  };

  void follow_sequence(const ConnectorMessage& message);
  // What the message says about a process, if anything.
  bool read_fork(const ConnectorMessage& message, KernelEvent& event);
  bool read_exec(const ConnectorMessage& message, KernelEvent& event);
  bool read_exit(const ConnectorMessage& message, KernelEvent& event);
  bool is_last_thread(const ConnectorMessage& message);
  void forget(std::uint32_t pid);
  void forget_all();

  std::vector<Row> rows_;                               // By CPU.
  std::unordered_map<std::uint32_t, Threads> threads_;  // By process, only those with more than one.
  std::size_t remembered_ = 0;
  std::uint64_t numbered_ = 0;  // Messages the kernel numbered since each CPU's first one here.
  std::uint64_t others_ = 0;    // Messages received that are no event of a process.
  FeedCounts counts_;           // `happened` is left to counts().
};

}  // namespace de::collect
