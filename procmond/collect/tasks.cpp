#include "collect/tasks.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/conformance.h"
#include "collect/live_tables.h"
#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

// Fills the list of processes until an answer is full, and remembers what did not fit.
class Answer {
 public:
  explicit Answer(pb::DetectionResult& result) : result_(result) {}

  void add(const pb::ProcessRecord& record) {
    ++matched_;
    const std::size_t bytes = record.ByteSizeLong() + 8;  // Tag and length.
    if (bytes_ + bytes > kMaxAnswerBytes) return;
    bytes_ += bytes;
    *result_.add_processes() = record;
  }

  void finish() {
    result_.set_success(true);
    const auto given = static_cast<std::size_t>(result_.processes_size());
    if (given < matched_)
      result_.set_error_message("result capped: " + std::to_string(given) + " of " + std::to_string(matched_) +
                                " processes fit the answer");
  }

 private:
  pb::DetectionResult& result_;
  std::size_t matched_ = 0;
  std::size_t bytes_ = 0;
};

void refuse(pb::DetectionResult& result, std::string_view why) {
  result.set_success(false);
  result.clear_processes();
  result.set_error_message(std::string(why));
}

std::string_view base_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

class Filter {
 public:
  explicit Filter(const pb::ProcessFilter& filter)
      : filter_(filter),
        pids_(filter.pids().begin(), filter.pids().end()),
        names_(filter.process_names().begin(), filter.process_names().end()) {}

  bool matches(const pb::ProcessRecord& record) const {
    if (!names_.empty() && !names_.contains(record.name()) &&
        !(record.has_executable_path() && names_.contains(base_name(record.executable_path()))))
      return false;
    if (!pids_.empty() && !std::binary_search(pids_.begin(), pids_.end(), record.pid())) return false;
    return !filter_.has_executable_pattern() ||
           (record.has_executable_path() && matches_glob(filter_.executable_pattern(), record.executable_path()));
  }
  void sort() { std::sort(pids_.begin(), pids_.end()); }
  std::span<const std::uint32_t> pids() const { return pids_; }
  bool is_empty() const { return names_.empty() && pids_.empty() && !filter_.has_executable_pattern(); }

 private:
  const pb::ProcessFilter& filter_;
  std::vector<std::uint32_t> pids_;
  std::unordered_set<std::string_view> names_;
};

void add_known_hash(ExeHasher* hasher, const std::optional<FileKey>& image, pb::ProcessRecord& record) {
  Digest digest{};
  if (hasher == nullptr || !image || hasher->find(*image, digest) != ExeHasher::Known::Yes) return;
  record.set_executable_hash(to_hex(crypto::as_bytes(digest)));
  record.set_hash_algorithm("sha256");
}

void enumerate(const pb::DetectionTask& task, ProcessSource& source, ExeHasher* hasher, pb::DetectionResult& result) {
  Filter filter(task.process_filter());
  filter.sort();
  Answer answer(result);
  const Result<Sweep> visit =
      source.visit(filter.pids(), [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
        if (!filter.matches(record)) return;
        add_known_hash(hasher, image, record);
        answer.add(record);
      });
  if (!visit) return refuse(result, visit.error().message());
  answer.finish();
}

struct Born {
  std::uint32_t ppid;
  std::string uid;
};

// Every pid below the roots. A loop is impossible in one instant but not in a list read over milliseconds, so each pid
// is taken once.
std::vector<std::uint32_t> descendants(const std::unordered_map<std::uint32_t, Born>& born,
                                       const pb::ProcessFilter& roots) {
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> children;
  for (const auto& [pid, process] : born) children[process.ppid].push_back(pid);
  std::unordered_set<std::uint32_t> taken(roots.pids().begin(), roots.pids().end());
  std::vector<std::uint32_t> queue(taken.begin(), taken.end());
  const std::size_t first = queue.size();
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const auto below = children.find(queue[at]);
    if (below == children.end()) continue;
    for (const std::uint32_t pid : below->second)
      if (taken.insert(pid).second) queue.push_back(pid);
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(first));
  return queue;
}

void tree(const pb::DetectionTask& task, ProcessSource& source, ExeHasher* hasher, pb::DetectionResult& result) {
  if (task.process_filter().pids().empty()) return refuse(result, "process_filter.pids: name the roots of the tree");
  std::unordered_map<std::uint32_t, Born> born;
  const Result<Sweep> listed = source.visit({}, [&](pb::ProcessRecord& record, const std::optional<FileKey>&) {
    born[record.pid()] = {record.ppid(), record.process_uid()};
  });
  if (!listed) return refuse(result, listed.error().message());
  const std::vector<std::uint32_t> pids = descendants(born, task.process_filter());
  Answer answer(result);
  if (!pids.empty()) {  // No pids would mean all.
    const Result<Sweep> visit = source.visit(pids, [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
      // A pid that changed hands in between belongs to somebody outside the tree.
      if (record.process_uid() != born[record.pid()].uid) return;
      add_known_hash(hasher, image, record);
      answer.add(record);
    });
    if (!visit) return refuse(result, visit.error().message());
  }
  answer.finish();
}

// The hashing tasks: each distinct image once.
class ImageCheck {
 public:
  ImageCheck(const pb::HashCheck& check, ProcessSource& source, ExeHasher& hasher, bool verify)
      : source_(source), hasher_(hasher), expected_(lower(check.expected_hash())), verify_(verify) {}

  // Sets the record's hash and judges it.
  void look(pb::ProcessRecord& record, const std::optional<FileKey>& image) {
    std::string hash, problem;
    if (!image) {
      problem = "its executable cannot be seen";
    } else if (const auto known = done_.find(*image); known != done_.end()) {
      hash = known->second;
    } else if (done_.size() >= kMaxTaskHashes) {
      problem = "too many different executables for one task";
    } else if (Result<std::string> fresh = hash_image(record, *image)) {
      hash = done_.emplace(*image, std::move(*fresh)).first->second;
    } else {
      problem = fresh.error().message();
    }
    if (!hash.empty()) {
      record.set_executable_hash(hash);
      record.set_hash_algorithm("sha256");
      if (!expected_.empty() && hash != expected_) problem = "hash is not the expected one";
    }
    if (verify_ && problem.empty() && record.on_disk_state() != pb::ON_DISK_MATCH)
      problem = "the file on disk is not the one that runs";
    ++looked_;
    if (looked_ == 1 || (problem_.empty() && !problem.empty())) {
      // The answer shows the first image, or the first that is wrong.
      hash_ = hash;
      path_ = record.executable_path();
    }
    if (problem_.empty() && !problem.empty()) problem_ = "pid " + std::to_string(record.pid()) + ": " + problem;
  }

  bool found() const { return looked_ > 0; }
  void fill(pb::HashResult& out) const {
    out.set_hash_value(hash_);
    out.set_algorithm("sha256");
    out.set_file_path(path_);
    out.set_success(problem_.empty());
    if (!problem_.empty()) out.set_error_message(problem_);
  }

 private:
  static std::string lower(std::string text) {
    for (char& c : text)
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    return text;
  }

  Result<std::string> hash_image(const pb::ProcessRecord& record, const FileKey& image) {
    Digest digest{};
    if (!verify_ && hasher_.find(image, digest) == ExeHasher::Known::Yes) return to_hex(crypto::as_bytes(digest));
    DE_TRY(executable, source_.open_executable(record.pid(), record.process_uid()));
    DE_TRY(fresh, hasher_.hash_now(executable.fd.get(), executable.key));
    return to_hex(crypto::as_bytes(fresh));
  }

  ProcessSource& source_;
  ExeHasher& hasher_;
  const std::string expected_;
  const bool verify_;
  std::unordered_map<FileKey, std::string, FileKeyHash> done_;
  std::size_t looked_ = 0;
  std::string hash_, path_, problem_;
};

void check_images(const pb::DetectionTask& task, ProcessSource& source, ExeHasher* hasher,
                  pb::DetectionResult& result) {
  const bool verify = task.task_type() == pb::VERIFY_EXECUTABLE;
  const pb::HashCheck& check = task.hash_check();
  Filter filter(task.process_filter());
  filter.sort();
  if (hasher == nullptr) return refuse(result, "hashing is switched off");
  if (check.executable_path().empty() && !(verify && !filter.is_empty()))
    return refuse(result, "hash_check.executable_path: name the executable");
  if (!check.hash_algorithm().empty() && check.hash_algorithm() != "sha256")
    return refuse(result, "hash_check.hash_algorithm: only sha256 is known");

  ImageCheck images(check, source, *hasher, verify);
  Answer answer(result);
  const Result<Sweep> visit =
      source.visit(filter.pids(), [&](pb::ProcessRecord& record, const std::optional<FileKey>& image) {
        const bool wanted = check.executable_path().empty() || record.executable_path() == check.executable_path();
        if (!wanted || !filter.matches(record)) return;
        images.look(record, image);
        answer.add(record);
      });
  if (!visit) return refuse(result, visit.error().message());
  if (!images.found()) return refuse(result, "no running process has this executable");
  images.fill(*result.mutable_hash_result());
  answer.finish();
}

void compare(const pb::DetectionTask& task, pb::DetectionResult& result) {
  if (!task.has_conformance()) return refuse(result, "conformance: is missing");
  if (const Result<> checked = check_conformance(task.conformance(), result); !checked)
    return refuse(result, checked.error().message());
  result.set_success(true);
}

void look_live(const pb::DetectionTask& task, ProcessSource& source, bool environments, pb::DetectionResult& result) {
  if (!task.has_live_read()) return refuse(result, "live_read: is missing");
  if (const Result<> read = read_live(task.live_read(), environments, source, result); !read) {
    result.clear_rows();
    return refuse(result, read.error().message());
  }
  result.set_success(true);
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {  // Let the last '*' take one byte more; earlier ones need no second chance.
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

pb::DetectionResult run_task(const pb::DetectionTask& task, ProcessSource& source, ExeHasher* hasher,
                             bool environments) {
  pb::DetectionResult result;
  result.set_task_id(task.task_id());
  if (task.process_filter().executable_pattern().size() > kMaxPatternBytes) {
    refuse(result, "process_filter.executable_pattern: longer than 512 bytes");
    return result;
  }
  switch (static_cast<int>(task.task_type())) {
    case pb::ENUMERATE_PROCESSES:
      enumerate(task, source, hasher, result);
      break;
    case pb::MONITOR_PROCESS_TREE:
      tree(task, source, hasher, result);
      break;
    case pb::CHECK_PROCESS_HASH:
    case pb::VERIFY_EXECUTABLE:
      check_images(task, source, hasher, result);
      break;
    case pb::CHECK_CONFORMANCE:
      compare(task, result);
      break;
    case pb::READ_LIVE:
      look_live(task, source, environments, result);
      break;
    default:
      refuse(result, "task_type: not one of a process collector's");
  }
  return result;
}

}  // namespace de::collect
