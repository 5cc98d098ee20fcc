#include "collect/exe_hash.h"

#include <gtest/gtest.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "collect/hash_file.h"
#include "daemoneye/base/text.h"
#include "live_process.h"

namespace de::collect {
namespace {

using test::TempDir;

// A wall clock that can be ahead of the files; the steady clock is real.
class ShiftedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return system_clock().unix_ms() + shift_ms; }
  std::int64_t steady_ns() const override { return system_clock().steady_ns(); }
  std::atomic<std::int64_t> shift_ms = 10'000;  // Files just written count as settled.
};

class ExeHash : public testing::Test {
 protected:
  static UniqueFd open(const std::string& path) { return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

  FileKey submit(ExeHasher& hasher, const std::string& path, ExeHasher::Queued expected = ExeHasher::Queued::Yes) {
    UniqueFd fd = open(path);
    const FileKey key = *key_of(fd.get());
    EXPECT_EQ(hasher.submit(std::move(fd), key), expected);
    return key;
  }

  // The worker needs a moment; asks until it is done.
  static std::string wait_for(ExeHasher& hasher, const FileKey& key) {
    Digest digest{};
    for (int i = 0; i < 5000; ++i) {
      if (hasher.find(key, digest) == ExeHasher::Known::Yes) return to_hex(crypto::as_bytes(digest));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return "never";
  }
  static std::string sha(std::string_view text) { return to_hex(crypto::as_bytes(crypto::sha256(text))); }

  TempDir dir_;
  ShiftedClock clock_;
};

TEST_F(ExeHash, HashesAFile) {
  const auto hasher = ExeHasher::start({}, clock_);
  const std::string text(1'000'000, 'x');
  const FileKey key = submit(*hasher, dir_.write("a", text));
  EXPECT_EQ(wait_for(*hasher, key), sha(text));
  EXPECT_EQ(hasher->counts().hashed, 1u);
  EXPECT_EQ(hasher->counts().bytes, text.size());
  EXPECT_EQ(hasher->counts().entries, 1u);
  const FileKey empty = submit(*hasher, dir_.write("b", ""));
  EXPECT_EQ(wait_for(*hasher, empty), sha(""));
}

TEST_F(ExeHash, WhatIsQueuedWaitsWhileItPauses) {
  HashOptions options;
  options.bytes_per_second = 8UL << 20;
  const auto hasher = ExeHasher::start(options, clock_);
  const std::string large(16UL << 20, 'x');
  const FileKey being_read = submit(*hasher, dir_.write("a", large));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  hasher->pause(true);
  const FileKey queued = submit(*hasher, dir_.write("b", "text"));
  std::this_thread::sleep_for(std::chrono::milliseconds(2'500));  // Longer than both would take.
  EXPECT_EQ(hasher->counts().hashed, 0U);
  hasher->pause(false);
  EXPECT_EQ(wait_for(*hasher, being_read), sha(large));
  EXPECT_EQ(wait_for(*hasher, queued), sha("text"));
  const FileKey again = submit(*hasher, dir_.write("c", large));
  hasher->pause(true);  // It ends also while it pauses.
  EXPECT_NE(again, queued);
}

TEST_F(ExeHash, APartOfTheKeyMakesAnotherFile) {
  const auto hasher = ExeHasher::start({}, clock_);
  const FileKey key = submit(*hasher, dir_.write("a", "text"));
  wait_for(*hasher, key);
  Digest digest{};
  for (auto part : {&FileKey::dev, &FileKey::inode, &FileKey::size}) {
    FileKey other = key;
    other.*part += 1;
    EXPECT_EQ(hasher->find(other, digest), ExeHasher::Known::No);
  }
  for (auto part : {&FileKey::mtime_ns, &FileKey::ctime_ns, &FileKey::btime_ns}) {
    FileKey other = key;
    other.*part += 1;
    EXPECT_EQ(hasher->find(other, digest), ExeHasher::Known::No);
  }
}

TEST_F(ExeHash, MtimeSetBackDoesNotHideAChange) {
  const auto hasher = ExeHasher::start({}, clock_);
  const std::string path = dir_.write("a", "good");
  const FileKey before = submit(*hasher, path);
  wait_for(*hasher, before);
  dir_.write("a", "evil");
  const timespec times[2] = {{0, 0}, {before.mtime_ns / 1'000'000'000, before.mtime_ns % 1'000'000'000}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const FileKey after = *key_of(open(path).get());
  EXPECT_EQ(after.mtime_ns, before.mtime_ns);
  Digest digest{};
  EXPECT_EQ(hasher->find(after, digest), ExeHasher::Known::No);
}

TEST_F(ExeHash, AFreshFileWaitsUntilItHasSettled) {
  clock_.shift_ms = 0;
  const auto hasher = ExeHasher::start({}, clock_);
  const std::string path = dir_.write("a", "text");
  UniqueFd fd = open(path);
  const FileKey key = *key_of(fd.get());
  EXPECT_FALSE(hasher->wants(key));
  EXPECT_EQ(hasher->submit(std::move(fd), key), ExeHasher::Queued::Later);
  EXPECT_GE(hasher->counts().unsettled, 1u);
  // Asked for directly it is hashed, but not remembered.
  const Result<Digest> now = hasher->hash_now(open(path).get(), key);
  ASSERT_TRUE(now);
  EXPECT_EQ(to_hex(crypto::as_bytes(*now)), sha("text"));
  Digest digest{};
  EXPECT_EQ(hasher->find(key, digest), ExeHasher::Known::No);
  clock_.shift_ms = 3000;
  EXPECT_TRUE(hasher->wants(key));
  // A file from the future never settles.
  clock_.shift_ms = -60'000;
  EXPECT_FALSE(hasher->wants(key));
}

TEST_F(ExeHash, AFileThatChangedMeanwhileIsNoHash) {
  const auto hasher = ExeHasher::start({}, clock_);
  const std::string path = dir_.write("a", "text");
  const UniqueFd fd = open(path);
  const FileKey key = *key_of(fd.get());
  for (const char* text : {"tex2", "longer text", "t"}) {
    dir_.write("a", text);
    const Result<Digest> digest = hasher->hash_now(fd.get(), key);
    ASSERT_FALSE(digest) << text;
    EXPECT_EQ(digest.error().code(), Errc::Conflict);
  }
  EXPECT_EQ(hasher->counts().changed, 3u);
  EXPECT_EQ(hasher->counts().entries, 0u);
}

TEST_F(ExeHash, TooLargeIsNeverHashed) {
  HashOptions options;
  options.max_file_bytes = 10;
  const auto hasher = ExeHasher::start(options, clock_);
  const std::string path = dir_.write("a", "eleven bytes");
  const FileKey key = submit(*hasher, path, ExeHasher::Queued::Later);
  Digest digest{};
  EXPECT_EQ(hasher->find(key, digest), ExeHasher::Known::Never);
  EXPECT_EQ(hasher->hash_now(open(path).get(), key).error().code(), Errc::TooLarge);
  EXPECT_GE(hasher->counts().too_large, 1u);
}

TEST_F(ExeHash, WhatCannotBeReadIsAskedForOnce) {
  const auto hasher = ExeHasher::start({}, clock_);
  const std::string path = dir_.write("a", "text");
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const FileKey key = *key_of(fd.get());
  EXPECT_EQ(hasher->submit(std::move(fd), key), ExeHasher::Queued::Yes);
  Digest digest{};
  for (int i = 0; i < 5000 && hasher->find(key, digest) != ExeHasher::Known::Never; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(hasher->find(key, digest), ExeHasher::Known::Never);
  EXPECT_EQ(hasher->counts().unhashable, 1u);
}

TEST_F(ExeHash, TheQueueIsBoundedAndHoldsAFileOnce) {
  HashOptions options;
  options.max_queue = 2;
  options.bytes_per_second = 1;  // The first file keeps the worker busy; stopping does not wait for it.
  const auto hasher = ExeHasher::start(options, clock_);
  const FileKey first = submit(*hasher, dir_.write("a", std::string(1000, 'a')));
  for (int i = 0; i < 5000 && hasher->counts().queued != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  submit(*hasher, dir_.path() + "/a", ExeHasher::Queued::Already);
  submit(*hasher, dir_.write("b", "b"));
  submit(*hasher, dir_.write("c", "c"));
  submit(*hasher, dir_.write("d", "d"), ExeHasher::Queued::Later);
  EXPECT_EQ(hasher->counts().queue_full, 1u);
  EXPECT_EQ(hasher->counts().queued, 2u);
  EXPECT_FALSE(hasher->wants(first));
}

TEST_F(ExeHash, TheCacheIsBoundedAndKeepsWhatIsUsed) {
  HashOptions options;
  options.max_entries = 16;
  const auto hasher = ExeHasher::start(options, clock_);
  const FileKey favourite = submit(*hasher, dir_.write("favourite", "f"));
  EXPECT_EQ(wait_for(*hasher, favourite), sha("f"));
  for (int i = 0; i < 60; ++i) {
    const std::string path = dir_.write(std::to_string(i), std::to_string(i));
    const UniqueFd fd = open(path);
    ASSERT_TRUE(hasher->hash_now(fd.get(), *key_of(fd.get())));
    EXPECT_EQ(wait_for(*hasher, favourite), sha("f"));
    EXPECT_LE(hasher->counts().entries, 16u);
  }
}

TEST_F(ExeHash, SurvivesARestart) {
  HashOptions options;
  options.state_dir = dir_.path();
  FileKey key;
  {
    const auto hasher = ExeHasher::start(options, clock_);
    key = submit(*hasher, dir_.write("a", "text"));
    wait_for(*hasher, key);
  }
  struct stat facts {};
  ASSERT_EQ(::stat((dir_ / "hashes").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  const auto again = ExeHasher::start(options, clock_);
  Digest digest{};
  EXPECT_EQ(again->find(key, digest), ExeHasher::Known::Yes);
  EXPECT_EQ(to_hex(crypto::as_bytes(digest)), sha("text"));
  EXPECT_EQ(again->counts().hashed, 0u);
  EXPECT_EQ(again->counts().damaged, 0u);
}

TEST_F(ExeHash, ADamagedFileIsCountedAndNotUsed) {
  HashOptions options;
  options.state_dir = dir_.path();
  const std::string good = encode_hashes({{{1, 2, 3, 4, 5, 6}, {}, 7}});
  const auto damaged = [&](const std::string& text) {
    dir_.write("hashes", text);
    ::chmod((dir_ / "hashes").c_str(), 0600);
    const auto hasher = ExeHasher::start(options, clock_);
    Digest digest{};
    const bool unknown = hasher->find({1, 2, 3, 4, 5, 6}, digest) == ExeHasher::Known::No;
    EXPECT_EQ(unknown, hasher->counts().damaged == 1);
    return hasher->counts().damaged == 1;
  };
  EXPECT_FALSE(damaged(good));
  for (std::size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_TRUE(damaged(bad)) << at;
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, good.size() - 1})
    EXPECT_TRUE(damaged(good.substr(0, length))) << length;
  EXPECT_TRUE(damaged(good + "x"));
}

TEST_F(ExeHash, AFileOthersCanWriteIsNotTrusted) {
  HashOptions options;
  options.state_dir = dir_.path();
  dir_.write("hashes", encode_hashes({}));
  ::chmod((dir_ / "hashes").c_str(), 0666);
  EXPECT_EQ(ExeHasher::start(options, clock_)->counts().damaged, 1u);
  ::unlink((dir_ / "hashes").c_str());
  ASSERT_EQ(::symlink("/dev/zero", (dir_ / "hashes").c_str()), 0);
  EXPECT_EQ(ExeHasher::start(options, clock_)->counts().damaged, 1u);
}

TEST_F(ExeHash, AFailedSaveIsCountedAndTriedAgain) {
  HashOptions options;
  options.state_dir = dir_ / "missing";
  const auto hasher = ExeHasher::start(options, clock_);
  wait_for(*hasher, submit(*hasher, dir_.write("a", "text")));
  EXPECT_FALSE(hasher->save());
  EXPECT_EQ(hasher->counts().save_failed, 1u);
  std::filesystem::create_directory(options.state_dir);
  EXPECT_TRUE(hasher->save());
  EXPECT_TRUE(std::filesystem::exists(options.state_dir + "/hashes"));
}

TEST(HashFile, RoundTrip) {
  Digest digest{};
  digest.fill(0xab);
  const std::vector<KnownHash> hashes = {{{1, 2, 3, -4, 5, 6}, digest, 9}, {{7, 8, 9, 10, 11, 0}, {}, 1}};
  const Result<std::vector<KnownHash>> back = decode_hashes(encode_hashes(hashes), 2);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[0].key, hashes[0].key);
  EXPECT_EQ((*back)[0].digest, digest);
  EXPECT_EQ((*back)[0].last_use, 9u);
  EXPECT_EQ(decode_hashes(encode_hashes(hashes), 1).error().code(), Errc::TooLarge);
}

}  // namespace
}  // namespace de::collect
