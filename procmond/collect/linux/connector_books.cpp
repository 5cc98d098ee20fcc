#include "collect/linux/connector_books.h"

namespace de::collect {
namespace {

constexpr std::uint32_t kMaxCpus = 8192;  // As many as a kernel can be built for.
constexpr std::size_t kMaxThreads = 32'768;
constexpr std::uint32_t kBackwards = 0x8000'0000;

// As wait() has it: the signal in the low seven bits, else the exit code in the second byte.
void read_status(std::uint32_t status, KernelEvent& event) {
  const int signal = static_cast<int>(status & 0x7f);
  if (signal != 0) {
    event.exit_signal = signal;
  } else {
    event.exit_code = static_cast<int>(status >> 8 & 0xff);
  }
}

}  // namespace

void ConnectorBooks::take(const ConnectorMessage& message, std::int64_t boot_offset_ns, const KernelEventFn& fn) {
  follow_sequence(message);
  KernelEvent event;
  event.pid = message.pid;
  event.time_ns = message.time_ns + static_cast<std::uint64_t>(boot_offset_ns);
  bool is_event = false;
  switch (message.what) {
    case ConnectorWhat::Fork:
      is_event = read_fork(message, event);
      break;
    case ConnectorWhat::Exec:
      is_event = read_exec(message, event);
      break;
    case ConnectorWhat::Exit:
      is_event = read_exit(message, event);
      break;
    case ConnectorWhat::Ack:
    case ConnectorWhat::Other:
      break;
  }
  if (!is_event) {
    ++others_;
    return;
  }
  fn(event);
}

void ConnectorBooks::overflowed() {
  ++counts_.overflows;
  forget_all();
}

FeedCounts ConnectorBooks::counts() const {
  FeedCounts out = counts_;
  out.happened = numbered_ - others_;
  return out;
}

void ConnectorBooks::follow_sequence(const ConnectorMessage& message) {
  if (message.cpu >= kMaxCpus) {  // Older kernels say so in answers to a subscription, which have no number then.
    ++numbered_;
    return;
  }
  if (message.cpu >= rows_.size()) rows_.resize(message.cpu + 1);
  Row& row = rows_[message.cpu];
  std::uint32_t step = row.begun ? message.seq - row.last : 1;  // The numbers wrap around.
  // Not one after the other: the kernel started over, and nothing can be told about in between.
  if (step == 0 || step >= kBackwards) step = 1;
  row = {true, message.seq};
  numbered_ += step;
  if (step == 1) return;
  counts_.dropped += step - 1;
  forget_all();
}

bool ConnectorBooks::read_fork(const ConnectorMessage& message, KernelEvent& event) {
  if (message.task != message.pid) {
    ++counts_.threads;
    if (remembered_ < kMaxThreads && threads_[message.pid].others.insert(message.task).second) ++remembered_;
    return false;
  }
  forget(message.pid);
  event.kind = KernelEventKind::Fork;
  event.ppid = message.ppid;
  ++counts_.forks;
  return true;
}

bool ConnectorBooks::read_exec(const ConnectorMessage& message, KernelEvent& event) {
  // One thread is left, and it is the first now, whichever it was.
  forget(message.pid);
  event.kind = KernelEventKind::Exec;
  ++counts_.execs;
  return true;
}

bool ConnectorBooks::read_exit(const ConnectorMessage& message, KernelEvent& event) {
  if (!is_last_thread(message)) return false;
  forget(message.pid);
  event.kind = KernelEventKind::Exit;
  read_status(message.status, event);
  ++counts_.exits;
  return true;
}

bool ConnectorBooks::is_last_thread(const ConnectorMessage& message) {
  const bool is_first = message.task == message.pid;
  const auto at = threads_.find(message.pid);
  if (at == threads_.end()) return is_first;
  Threads& threads = at->second;
  if (is_first) {
    threads.first_is_gone = true;
  } else if (threads.others.erase(message.task) > 0) {
    --remembered_;
  }
  if (!threads.others.empty()) return false;
  if (threads.first_is_gone) return true;
  threads_.erase(at);
  return false;
}

void ConnectorBooks::forget(std::uint32_t pid) {
  const auto at = threads_.find(pid);
  if (at == threads_.end()) return;
  remembered_ -= at->second.others.size();
  threads_.erase(at);
}

// After a loss nobody knows whose threads ended meanwhile. A process whose end is being waited for would wait for ever.
void ConnectorBooks::forget_all() {
  threads_.clear();
  remembered_ = 0;
}

}  // namespace de::collect
