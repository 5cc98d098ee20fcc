#include "collect/exe_hash.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "collect/hash_file.h"
#include "daemoneye/base/file_system.h"

namespace de::collect {
namespace {

constexpr std::size_t kReadBytes = 256UL * 1024;   // Larger reads are no faster.
constexpr std::int64_t kSettleNs = 2'000'000'000;  // Older kernels stamp files in ticks of up to 10 ms.
constexpr std::int64_t kSaveEveryNs = 60LL * 1'000'000'000;

struct Remembered {
  Digest digest{};
  std::uint64_t last_use = 0;
  bool never = false;  // Unreadable; not asked for again, not saved.
};
struct Job {
  UniqueFd fd;
  FileKey key;
};

}  // namespace

class ExeHasher::Worker {
 public:
  Worker(HashOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
    load();
    last_save_ns_ = clock_.steady_ns();
    thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    (void)save();  // Counted in save_failed; nobody is left to read it.
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Known find(const FileKey& key, Digest& digest) {
    if (key.size > options_.max_file_bytes) return Known::Never;
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found == known_.end()) return Known::No;
    found->second.last_use = ++uses_;
    if (found->second.never) return Known::Never;
    digest = found->second.digest;
    return Known::Yes;
  }

  bool wants(const FileKey& key) {
    const std::lock_guard lock(mutex_);
    return may_queue(key);
  }

  Queued submit(UniqueFd fd, const FileKey& key) {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.contains(key)) return Queued::Already;
      if (!may_queue(key)) return Queued::Later;
      waiting_.insert(key);
      queue_.push_back({std::move(fd), key});
    }
    wake_.notify_all();
    return Queued::Yes;
  }

  void pause(bool on) {
    {
      const std::lock_guard lock(mutex_);
      paused_ = on;
    }
    wake_.notify_all();
  }

  // `paced`: keep to the byte budget, wait while paused, and give up when stopping.
  Result<Digest> hash(int fd, const FileKey& key, bool paced);
  Result<> save();

  HashCounts counts() const {
    const std::lock_guard lock(mutex_);
    HashCounts out = counts_;
    out.entries = known_.size();
    out.queued = queue_.size();
    return out;
  }

 private:
  void load();
  void run();
  void work_on(Job job);
  void pace(std::int64_t started_ns, std::uint64_t bytes);
  void remember(const FileKey& key, const Remembered& what);

  bool is_settled(const FileKey& key) const { return clock_.unix_ms() * 1'000'000 - key.ctime_ns >= kSettleNs; }

  bool may_queue(const FileKey& key) {  // Under mutex_.
    if (waiting_.contains(key)) return false;
    if (key.size > options_.max_file_bytes) {
      ++counts_.too_large;
      return false;
    }
    if (!is_settled(key)) {
      ++counts_.unsettled;
      return false;
    }
    if (queue_.size() >= options_.max_queue) {
      ++counts_.queue_full;
      return false;
    }
    return true;
  }
  std::string path() const { return options_.state_dir.empty() ? std::string() : options_.state_dir + "/hashes"; }

  const HashOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // Guards everything below but thread_ and save_mutex_.
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::unordered_set<FileKey, FileKeyHash> waiting_;  // Those in queue_ and the one being read.
  std::unordered_map<FileKey, Remembered, FileKeyHash> known_;
  HashCounts counts_;
  std::uint64_t uses_ = 0;
  std::int64_t last_save_ns_ = 0;
  bool dirty_ = false;
  bool paused_ = false;
  bool stopping_ = false;
  std::mutex save_mutex_;  // One writer of the file at a time.
  std::thread thread_;
};

void ExeHasher::Worker::load() {
  if (path().empty()) return;
  const std::size_t max_bytes = 1024 + options_.max_entries * 96;
  const Result<std::string> text = read_hash_file(path(), max_bytes);
  if (!text && text.error().code() == Errc::NotFound) return;
  Result<std::vector<KnownHash>> hashes = text ? decode_hashes(*text, options_.max_entries) : fail(Error(text.error()));
  if (!hashes) {
    ++counts_.damaged;
    return;
  }
  for (const KnownHash& hash : *hashes) {
    known_.emplace(hash.key, Remembered{hash.digest, hash.last_use, false});
    uses_ = std::max(uses_, hash.last_use);
  }
}

Result<> ExeHasher::Worker::save() {
  if (path().empty()) return {};
  const std::lock_guard one_writer(save_mutex_);
  std::vector<KnownHash> hashes;
  {
    const std::lock_guard lock(mutex_);
    last_save_ns_ = clock_.steady_ns();
    if (!dirty_) return {};
    dirty_ = false;
    hashes.reserve(known_.size());
    for (const auto& [key, what] : known_)
      if (!what.never) hashes.push_back({key, what.digest, what.last_use});
  }
  Result<> wrote = write_hash_file(path(), encode_hashes(hashes));
  if (!wrote) {
    const std::lock_guard lock(mutex_);
    ++counts_.save_failed;
    dirty_ = true;
  }
  return wrote;
}

void ExeHasher::Worker::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      if (dirty_ && clock_.steady_ns() - last_save_ns_ >= kSaveEveryNs) {
        lock.unlock();
        (void)save();  // Counted in save_failed, tried again in a minute.
        lock.lock();
        continue;
      }
      const auto ready = [this] { return stopping_ || !queue_.empty(); };
      if (dirty_) {
        wake_.wait_for(lock, std::chrono::seconds(5), ready);
      } else {
        wake_.wait(lock, ready);
      }
      continue;
    }
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work_on(std::move(job));
    lock.lock();
  }
}

void ExeHasher::Worker::work_on(Job job) {
  const Result<Digest> digest = hash(job.fd.get(), job.key, true);
  const std::lock_guard lock(mutex_);
  waiting_.erase(job.key);
  if (digest) return;
  const Errc code = digest.error().code();
  if (code == Errc::Conflict || code == Errc::Cancelled) return;  // The next scan asks again.
  ++counts_.unhashable;
  remember(job.key, {{}, ++uses_, true});
}

// Waits until reading `bytes` has taken as long as the budget asks for.
void ExeHasher::Worker::pace(std::int64_t started_ns, std::uint64_t bytes) {
  if (options_.bytes_per_second == 0) return;
  const double due_seconds = static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second);
  const auto due = std::chrono::nanoseconds(static_cast<std::int64_t>(due_seconds * 1e9));
  const auto spent = std::chrono::nanoseconds(system_clock().steady_ns() - started_ns);
  if (due <= spent) return;
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, due - spent, [this] { return stopping_; });
}

Result<Digest> ExeHasher::Worker::hash(int fd, const FileKey& key, bool paced) {
  if (key.size > options_.max_file_bytes) return fail(Errc::TooLarge, "executable is larger than the limit");
  if (is_remote(fd)) return fail(Errc::Unsupported, "executable is on a network file system");
  crypto::Sha256 sha;
  std::string buffer(kReadBytes, '\0');
  std::uint64_t total = 0;
  // Pacing is about the real disk and CPU, so it uses the real clock.
  std::int64_t started_ns = system_clock().steady_ns();
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(total));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::Io, "read executable", last_os_error());
    if (got == 0) break;
    total += static_cast<std::uint64_t>(got);
    if (total > key.size) break;  // It grew: do not follow it.
    sha.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    if (!paced) continue;
    pace(started_ns, total);
    std::unique_lock lock(mutex_);
    if (paused_) {
      const std::int64_t before_ns = system_clock().steady_ns();
      wake_.wait(lock, [this] { return stopping_ || !paused_; });
      started_ns += system_clock().steady_ns() - before_ns;  // No credit for it.
    }
    if (stopping_) return fail(Errc::Cancelled, "hashing stopped");
  }
  const Digest digest = sha.finish();
  const Result<FileKey> after = key_of(fd);
  const std::lock_guard lock(mutex_);
  ++counts_.hashed;
  counts_.bytes += total;
  if (!after || !(*after == key) || total != key.size) {
    ++counts_.changed;
    return fail(Errc::Conflict, "executable changed while it was read");
  }
  if (is_settled(key)) remember(key, {digest, ++uses_, false});
  return digest;
}

void ExeHasher::Worker::remember(const FileKey& key, const Remembered& what) {
  if (options_.max_entries == 0) return;
  if (known_.size() >= options_.max_entries && !known_.contains(key)) {
    // Drop the least used eighth at once, so that a full cache does not sort itself for every file.
    std::vector<std::uint64_t> uses;
    uses.reserve(known_.size());
    for (const auto& [other, entry] : known_) uses.push_back(entry.last_use);
    const auto cut = uses.begin() + static_cast<std::ptrdiff_t>(uses.size() / 8);
    std::nth_element(uses.begin(), cut, uses.end());
    std::erase_if(known_, [limit = *cut](const auto& item) { return item.second.last_use <= limit; });
  }
  known_[key] = what;
  dirty_ = dirty_ || !what.never;
}

std::unique_ptr<ExeHasher> ExeHasher::start(HashOptions options, const Clock& clock) {
  return std::unique_ptr<ExeHasher>(new ExeHasher(std::make_unique<Worker>(std::move(options), clock)));
}

ExeHasher::ExeHasher(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
ExeHasher::~ExeHasher() = default;

ExeHasher::Known ExeHasher::find(const FileKey& key, Digest& digest) { return worker_->find(key, digest); }
bool ExeHasher::wants(const FileKey& key) { return worker_->wants(key); }
ExeHasher::Queued ExeHasher::submit(UniqueFd fd, const FileKey& key) { return worker_->submit(std::move(fd), key); }
Result<Digest> ExeHasher::hash_now(int fd, const FileKey& key) { return worker_->hash(fd, key, false); }
void ExeHasher::pause(bool on) { worker_->pause(on); }
Result<> ExeHasher::save() { return worker_->save(); }
HashCounts ExeHasher::counts() const { return worker_->counts(); }

}  // namespace de::collect
