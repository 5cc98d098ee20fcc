#include "collect/image_hashes.h"

#include "daemoneye/base/text.h"

namespace de::collect {
namespace {

bool is_what_was_seen(FileKey whole, const FileKey& seen) {
  whole.btime_ns = 0;
  return whole == seen;
}

}  // namespace

void set_hash(pb::ProcessRecord& record, const Digest& digest) {
  record.set_executable_hash(to_hex(crypto::as_bytes(digest)));
  record.set_hash_algorithm("sha256");
}

ImageHashes::ImageHashes(ExeHasher& hasher, ProcessSource& source)
    : hasher_(hasher), source_(source), thread_([this] { run(); }) {}

ImageHashes::~ImageHashes() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool ImageHashes::add(pb::ProcessRecord& record, const FileKey& seen, bool may_ask) {
  const std::lock_guard lock(mutex_);
  const auto known = files_.find(seen);
  if (known != files_.end() && known->second.is_found) {
    Digest digest{};
    const ExeHasher::Known hash = hasher_.find(known->second.key, digest);
    if (hash == ExeHasher::Known::Yes) set_hash(record, digest);
    if (hash != ExeHasher::Known::No) return true;
    if (may_ask && !hasher_.wants(known->second.key)) return true;
  }
  if (!may_ask) return false;
  if (known == files_.end() && files_.size() >= kMaxFiles) files_.clear();
  File& file = files_[seen];
  if (file.is_wanted || file.failures >= kMaxFailures || wanted_.size() >= kMaxWanted) return true;
  file.is_wanted = true;
  wanted_.push_back({seen, record.pid(), record.process_uid(), record.executable_path()});
  wake_.notify_one();
  return true;
}

// Through the process while it lives, else by its path: it is the file or it is not, its key tells.
bool ImageHashes::find(const Wanted& wanted, Executable& executable) const {
  if (auto opened = source_.open_executable(wanted.pid, wanted.process_uid);
      opened && is_what_was_seen(opened->key, wanted.seen)) {
    executable = std::move(*opened);
    return true;
  }
  Result<Executable> opened = source_.open_file(wanted.path);
  if (!opened || !is_what_was_seen(opened->key, wanted.seen)) return false;
  executable = std::move(*opened);
  return true;
}

void ImageHashes::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !wanted_.empty(); });
    if (stopping_) return;
    const Wanted wanted = std::move(wanted_.front());
    wanted_.pop_front();
    lock.unlock();
    Executable executable;
    const bool found = find(wanted, executable);
    const FileKey key = executable.key;
    // Later: it is too young or the queue is full; the next exec asks again.
    if (found) (void)hasher_.submit(std::move(executable.fd), key);
    lock.lock();
    File& file = files_[wanted.seen];
    file.is_wanted = false;
    if (found) {
      file.key = key;
      file.is_found = true;
    } else {
      ++file.failures;
    }
  }
}

}  // namespace de::collect
