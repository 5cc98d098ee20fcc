#include "collect/linux/opener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "collect/linux/exe_file.h"
#include "collect/linux/opener_answer.h"
#include "collect/linux/proc_dir.h"

namespace de::collect {
namespace {

tl::unexpected<Error> told_error(int error, const char* step) {
  const std::error_code os(error, std::generic_category());
  return fail(access_error(os), step, os);
}

Result<FileFacts> facts_of(const ToldFile& told) {
  if (told.error != 0) return told_error(told.error, "stat");
  return told.facts;
}

ProcessSigns signs_of(const ToldSigns& told) {
  return {told.start_ticks, told.start_code, told.start_stack, facts_of(told.image), told.use};
}

// Reads values from the front of an answer.
class Cursor {
 public:
  explicit Cursor(std::span<const char> bytes) : left_(bytes) {}
  template <class T>
  bool take(T& out) {
    if (left_.size() < sizeof out) return false;
    std::memcpy(&out, left_.data(), sizeof out);
    left_ = left_.subspan(sizeof out);
    return true;
  }
  bool take(std::string& out, std::size_t bytes) {
    if (left_.size() < bytes) return false;
    out.assign(left_.data(), bytes);
    left_ = left_.subspan(bytes);
    return true;
  }
  bool is_at_end() const { return left_.empty(); }

 private:
  std::span<const char> left_;
};

tl::unexpected<Error> no_answer() { return fail(Errc::Corrupt, "the opener gives no answer of its"); }

Result<Packet> exchange(int socket, std::span<const char> request, std::size_t max_bytes) {
  DE_CHECK(send_packet(socket, request));
  return receive_packet(socket, max_bytes);
}

template <class T>
void append(std::vector<char>& out, const T& value) {
  const auto* bytes = reinterpret_cast<const char*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

}  // namespace

Result<FileFacts> ProcessFacts::look_up(const std::string& path) const {
  const Result<std::string>& link = links[0];
  if (!link) return fail(Error(link.error()));
  if (path == *link) return literal;
  if (link->ends_with(kDeleted) && path == link->substr(0, link->size() - kDeleted.size())) return original;
  return fail(Errc::Denied, "not asked");
}

// One channel, for as long as a call lasts.
class Opener::Lease {
 public:
  explicit Lease(Opener& opener) : opener_(opener) {
    const std::lock_guard lock(opener_.mutex_);
    if (opener_.free_.empty()) return;
    channel_ = opener_.free_.back();
    has_channel_ = true;
    opener_.free_.pop_back();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (!has_channel_) return;
    const std::lock_guard lock(opener_.mutex_);
    opener_.free_.push_back(channel_);
  }
  explicit operator bool() const { return has_channel_; }
  int socket() const { return opener_.channels_[channel_].get(); }

 private:
  Opener& opener_;
  std::size_t channel_ = 0;
  bool has_channel_ = false;
};

Opener::Opener(std::vector<UniqueFd> channels) : channels_(std::move(channels)) {
  for (std::size_t i = 0; i < channels_.size(); ++i) free_.push_back(i);
}

// Nobody has to have asked it: a channel that is closed says so.
bool Opener::is_gone() {
  const std::lock_guard lock(mutex_);
  char byte = 0;
  if (!is_gone_ && !free_.empty() &&
      ::recv(channels_[free_.back()].get(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == 0)
    is_gone_ = true;
  return is_gone_;
}

// `count`: what the answer's head has to say.
Result<Packet> Opener::ask(std::span<const char> request, std::uint32_t count, std::size_t max_bytes) {
  Packet out;
  if (proc_) {
    if (!answer(proc_.get(), request, out)) return fail(Errc::Invalid, "ask the opener: no request of its");
  } else {
    const Lease lease(*this);
    if (!lease) return fail(Errc::Exhausted, "every channel to the opener waits for a process");
    auto received = exchange(lease.socket(), request, max_bytes);
    if (!received && received.error().code() == Errc::TooLarge) return no_answer();
    if (!received) {
      is_gone_ = true;
      return fail(Errc::Closed, "the opener is gone");
    }
    out = std::move(*received);
  }
  AnswerHead head;
  if (!Cursor(out.bytes).take(head)) return no_answer();
  if (head.error != 0) return told_error(head.error, "ask the opener");
  if (head.count != count) return no_answer();
  return out;
}

void Opener::count_reads(std::uint32_t use, std::size_t processes) {
  if ((use & kTellDescriptors) != 0) descriptor_reads_ += processes;
  if ((use & kTellIo) != 0) io_reads_ += processes;
}

// At most kMaxAsked.
Result<Packet> Opener::ask_many(Ask what, std::span<const std::uint32_t> pids, std::uint32_t use) {
  const auto count = static_cast<std::uint32_t>(std::min(pids.size(), kMaxAsked));
  std::vector<char> request;
  append(request, OpenerRequest{what, count, 0, use});
  for (const std::uint32_t pid : pids.first(count)) append(request, AskedProcess{pid, 0, 0});
  count_reads(use, count);
  return ask(request, count);
}

Result<Packet> Opener::ask_one(const OpenerRequest& head, const AskedProcess& process, std::uint32_t count,
                               std::size_t max_bytes) {
  std::vector<char> request;
  append(request, head);
  append(request, process);
  return ask(request, count, max_bytes);
}

Result<std::vector<ProcessSigns>> Opener::signs(std::span<const std::uint32_t> pids, std::uint32_t use) {
  std::vector<ProcessSigns> out;
  if (pids.empty()) return out;
  DE_TRY(received, ask_many(Ask::Signs, pids, use));
  Cursor cursor(received.bytes);
  AnswerHead head;
  (void)cursor.take(head);  // ask() has looked at it.
  while (out.size() < head.count) {
    ToldSigns told;
    if (!cursor.take(told)) return no_answer();
    out.push_back(signs_of(told));
  }
  return out;
}

Result<std::vector<ToldUseOf>> Opener::use(std::span<const std::uint32_t> pids, std::uint32_t use) {
  std::vector<ToldUseOf> out;
  if (pids.empty()) return out;
  DE_TRY(received, ask_many(Ask::Use, pids, use));
  Cursor cursor(received.bytes);
  AnswerHead head;
  (void)cursor.take(head);
  while (out.size() < head.count)
    if (!cursor.take(out.emplace_back())) return no_answer();
  return out;
}

Result<ProcessFacts> Opener::facts(Ask what, std::uint32_t pid, std::uint64_t start_ticks, std::uint32_t use) {
  count_reads(use, 1);
  DE_TRY(received, ask_one({what, 1, 0, use}, {pid, 0, start_ticks}, 1));
  Cursor cursor(received.bytes);
  AnswerHead head;
  ToldFacts told;
  if (!cursor.take(head) || !cursor.take(told)) return no_answer();
  ProcessFacts out;
  out.signs = signs_of(told.signs);
  out.literal = facts_of(told.literal);
  out.original = facts_of(told.original);
  out.namespaces = told.namespaces;
  for (std::size_t i = 0; i < kLinks; ++i) {
    std::string text;
    if (told.link_bytes[i] > kMaxTextBytes || !cursor.take(text, told.link_bytes[i])) return no_answer();
    if (told.link_errors[i] != 0) {
      out.links[i] = told_error(told.link_errors[i], "read link");
    } else {
      out.links[i] = std::move(text);
    }
  }
  if (!cursor.is_at_end()) return no_answer();
  return out;
}

Result<OpenedFiles> Opener::files(std::uint32_t pid, std::uint64_t start_ticks, std::uint32_t from) {
  DE_TRY(received, ask_one({Ask::Files, 1, 0, 0}, {pid, from, start_ticks}, 1, kMaxFilesAnswerBytes));
  Cursor cursor(received.bytes);
  AnswerHead head;
  ToldFiles told;
  if (!cursor.take(head) || !cursor.take(told)) return no_answer();
  OpenedFiles out;
  while (!cursor.is_at_end()) {
    ToldLink link;
    std::string text;
    if (out.files.size() == kMaxToldFiles || !cursor.take(link)) return no_answer();
    if (link.bytes > kMaxTextBytes || !cursor.take(text, link.bytes)) return no_answer();
    OpenedFile& file = out.files.emplace_back();
    file.descriptor = link.descriptor;
    if (link.error != 0) {
      file.link = told_error(link.error, "read link");
    } else {
      file.link = std::move(text);
    }
  }
  // Whoever goes on from there gets somewhere.
  if (told.next != 0 && told.next <= from) return no_answer();
  out.next = told.next;
  return out;
}

Result<UniqueFd> Opener::open(Ask what, std::uint32_t pid, std::uint64_t start_ticks) {
  DE_TRY(received, ask_one({what, 1, 0, 0}, {pid, 0, start_ticks}, 0));
  if (!received.fd) return no_answer();
  return std::move(received.fd);
}

Result<UniqueFd> Opener::open_executable(std::uint32_t pid, std::uint64_t start_ticks) {
  return open(Ask::Executable, pid, start_ticks);
}

Result<UniqueFd> Opener::open_environment(std::uint32_t pid, std::uint64_t start_ticks) {
  return open(Ask::Environment, pid, start_ticks);
}

Result<UniqueFd> Opener::open_program(const std::string& path) {
  if (path.empty() || path[0] != '/' || path.size() > kMaxTextBytes) return fail(Errc::NotFound, "open executable");
  std::vector<char> request;
  append(request, OpenerRequest{Ask::Program, 0, static_cast<std::uint32_t>(path.size()), 0});
  request.insert(request.end(), path.begin(), path.end());
  DE_TRY(received, ask(request, 0));
  if (!received.fd) return no_answer();
  return std::move(received.fd);
}

}  // namespace de::collect
