// The opener over its channels: the same answers as reading by oneself, nothing for whoever keeps to no shape, and
// nobody held up by a neighbour.
#include "collect/linux/opener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "collect/linux/opener_answer.h"
#include "collect/linux/opener_service.h"
#include "collect/linux/proc_stat.h"
#include "own_source.h"
#include "silent_files.h"

namespace de::collect {
namespace {

using namespace test;

std::uint64_t start_ticks_of(std::uint32_t pid) { return parse_proc_stat(stat_of(pid))->start_ticks; }

// An opener on a thread, in place of the process.
class Served {
 public:
  explicit Served(std::size_t channels) {
    std::vector<UniqueFd> ours, theirs;
    for (std::size_t i = 0; i < channels; ++i) {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
      raw_.push_back(ends[0]);
      ours.emplace_back(ends[0]);
      theirs.emplace_back(ends[1]);
    }
    opener_ = std::make_unique<Opener>(std::move(ours));
    thread_ = std::thread([theirs = std::move(theirs)]() mutable { (void)serve_opener(std::move(theirs), "/proc"); });
  }
  ~Served() {
    opener_.reset();
    thread_.join();
  }
  Opener* operator->() { return opener_.get(); }
  int raw(std::size_t channel) const { return raw_[channel]; }

 private:
  std::vector<int> raw_;
  std::unique_ptr<Opener> opener_;
  std::thread thread_;
};

TEST(Opener, OverAChannelTellsTheSameAsReading) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const std::uint64_t ticks = start_ticks_of(child.pid());
  Served served(2);
  Opener own(open_proc());
  auto told = served->facts(child.pid(), ticks);
  auto read = own.facts(child.pid(), ticks);
  // It has only just been executed: its loader still opens and closes libraries.
  for (int tries = 0; tries < 100 && told && read; ++tries) {
    if (told->signs.use.descriptors == read->signs.use.descriptors) break;
    ::usleep(10'000);
    told = served->facts(child.pid(), ticks);
    read = own.facts(child.pid(), ticks);
  }
  ASSERT_TRUE(told) << told.error().message();
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(told->links[0].value(), "/usr/bin/sleep");
  EXPECT_EQ(told->links[0].value(), read->links[0].value());
  EXPECT_EQ(told->links[1].value(), std::filesystem::current_path().string());
  EXPECT_EQ(told->links[2].value(), "/");
  EXPECT_EQ(told->signs.image.value(), read->signs.image.value());
  EXPECT_EQ(told->literal.value(), told->signs.image.value());
  EXPECT_EQ(told->namespaces, read->namespaces);
  struct stat mounts {};
  ASSERT_EQ(::stat("/proc/self/ns/mnt", &mounts), 0);
  EXPECT_EQ(told->namespaces[2], mounts.st_ino);
  EXPECT_EQ(told->signs.use.descriptors, read->signs.use.descriptors);
  EXPECT_EQ(told->signs.start_ticks, ticks);
  EXPECT_GT(told->signs.start_stack, 1u);
  EXPECT_TRUE(told->look_up("/usr/bin/sleep"));
  EXPECT_FALSE(told->look_up("/etc/passwd")) << "only what was asked for";
  const auto image = served->image(child.pid(), ticks);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->links[0].value(), "/usr/bin/sleep");
  EXPECT_EQ(image->signs.image.value(), told->signs.image.value());
  EXPECT_EQ(image->literal.value(), told->literal.value());
  EXPECT_FALSE(image->links[1]) << "nothing else";
  EXPECT_EQ(image->namespaces[2], 0u);
}

TEST(Opener, AFileThatIsGoneIsToldApartFromItsName) {
  TempDir dir;
  const std::string program = copy_sleep(dir, "prog");
  const Child child = Child::running({program, "1000"});
  std::filesystem::remove(program);
  Served served(1);
  const auto facts = served->facts(child.pid(), start_ticks_of(child.pid()));
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->links[0].value(), program + " (deleted)");
  EXPECT_EQ(facts->literal.error().code(), Errc::NotFound);
  EXPECT_EQ(facts->original.error().code(), Errc::NotFound);
  copy_sleep(dir, "prog");
  const auto again = served->facts(child.pid(), start_ticks_of(child.pid()));
  ASSERT_TRUE(again && again->original);
  EXPECT_NE(again->original->key.inode, again->signs.image->key.inode);
  EXPECT_TRUE(again->look_up(program));
}

TEST(Opener, SignsComeInTheOrderTheyWereAskedFor) {
  const Child one = Child::running({"/bin/sleep", "1000"});
  const Child two = Child::running({"/bin/cat"});
  Served served(1);
  const std::uint32_t pids[] = {two.pid(), 4'000'000'000U, one.pid()};
  const auto signs = served->signs(pids);
  ASSERT_TRUE(signs) << signs.error().message();
  ASSERT_EQ(signs->size(), 3u);
  EXPECT_EQ((*signs)[0].start_ticks, start_ticks_of(two.pid()));
  EXPECT_EQ((*signs)[1].start_ticks, 0u);
  EXPECT_EQ((*signs)[2].start_ticks, start_ticks_of(one.pid()));
  EXPECT_NE((*signs)[0].image->key.inode, (*signs)[2].image->key.inode);
  const auto use = served->use(pids, kTellAllUse);
  ASSERT_TRUE(use) << use.error().message();
  ASSERT_EQ(use->size(), 3u);
  EXPECT_EQ((*use)[0].start_ticks, start_ticks_of(two.pid()));
  EXPECT_EQ((*use)[1].start_ticks, 0u);
  EXPECT_EQ((*use)[2].start_ticks, start_ticks_of(one.pid()));
  EXPECT_GE((*use)[2].use.descriptors, 3);
  EXPECT_EQ((*use)[2].use.has_io, 1u);
}

TEST(Opener, FilesComeInPartsUntilThereAreNone) {
  TempDir dir;
  const std::string path = dir.write("held", "x");
  const Child child([&path] {
    for (int i = 0; i < 700; ++i) (void)!::open(path.c_str(), O_RDONLY);
    (void)!::dup2(0, 900);
  });
  const std::uint64_t ticks = start_ticks_of(child.pid());
  Served served(1);
  std::vector<std::uint32_t> descriptors;
  int parts = 0;
  for (std::uint32_t from = 0; parts == 0 || from != 0; ++parts) {
    const auto part = served->files(child.pid(), ticks, from);
    ASSERT_TRUE(part) << part.error().message();
    EXPECT_LE(part->files.size(), kMaxToldFiles);
    for (const OpenedFile& file : part->files) {
      EXPECT_GE(file.descriptor, from);
      EXPECT_TRUE(descriptors.empty() || file.descriptor > descriptors.back());
      descriptors.push_back(file.descriptor);
      const std::string link = "/proc/" + std::to_string(child.pid()) + "/fd/" + std::to_string(file.descriptor);
      EXPECT_EQ(file.link.value(), std::filesystem::read_symlink(link).string());
    }
    from = part->next;
  }
  EXPECT_EQ(parts, 2);
  EXPECT_GT(descriptors.size(), 700u);
  EXPECT_EQ(descriptors.back(), 900u);
  EXPECT_EQ(served->files(child.pid(), ticks, 900)->files.size(), 1u);
  EXPECT_TRUE(served->files(child.pid(), ticks, 901)->files.empty());
  EXPECT_EQ(served->files(child.pid(), ticks + 1, 0).error().code(), Errc::NotFound) << "another process";
}

TEST(Opener, LongLinksMakeSmallerParts) {
  TempDir dir;
  std::string deep = dir.path();
  for (int i = 0; i < 15; ++i) deep += "/" + std::string(200, static_cast<char>('a' + i));
  std::filesystem::create_directories(deep);
  const std::string path = dir.write(deep.substr(dir.path().size() + 1) + "/held", "x");
  const Child child([&path] {
    for (int i = 0; i < 40; ++i) (void)!::open(path.c_str(), O_RDONLY);
  });
  Served served(1);
  const auto first = served->files(child.pid(), start_ticks_of(child.pid()), 0);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_LT(first->files.size(), 40u);
  EXPECT_EQ(first->files.back().link.value(), path);
  EXPECT_GT(first->next, first->files.back().descriptor);
}

TEST(Opener, OnlyOfTheVeryProcess) {
  const Child child = Child::running({"/bin/sleep", "1000"});
  const std::uint64_t ticks = start_ticks_of(child.pid());
  Served served(1);
  const auto opened = served->open_executable(child.pid(), ticks);
  ASSERT_TRUE(opened) << opened.error().message();
  struct stat facts {};
  struct stat sleep {};
  ASSERT_EQ(::fstat(opened->get(), &facts), 0);
  ASSERT_EQ(::stat("/usr/bin/sleep", &sleep), 0);
  EXPECT_EQ(facts.st_ino, sleep.st_ino);
  EXPECT_NE(::fcntl(opened->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(opened->get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(served->open_executable(child.pid(), ticks + 1).error().code(), Errc::NotFound);
  EXPECT_EQ(served->facts(child.pid(), ticks + 1).error().code(), Errc::NotFound);
  EXPECT_EQ(served->open_environment(child.pid(), ticks + 1).error().code(), Errc::NotFound);
  EXPECT_TRUE(served->open_environment(child.pid(), ticks));
}

TEST(Opener, OpensNothingByPathButPrograms) {
  TempDir dir;
  const std::string text = dir / "text";
  std::ofstream(text) << "secret";
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0755), 0);
  Served served(1);
  EXPECT_TRUE(served->open_program("/usr/bin/sleep"));
  for (const std::string& path : {text, dir / "pipe", dir / "", std::string("/etc/shadow"), std::string("/dev/null")})
    EXPECT_EQ(served->open_program(path).error().code(), Errc::Denied) << path;
  EXPECT_EQ(served->open_program(dir / "none").error().code(), Errc::NotFound);
  EXPECT_FALSE(served->open_program("usr/bin/sleep"));
  EXPECT_FALSE(served->open_program(""));
  EXPECT_FALSE(served->open_program("/" + std::string(kMaxTextBytes, 'x')));
  EXPECT_TRUE(served->open_program("/usr/bin/sleep")) << "after all of these it still answers";
}

TEST(Opener, WhatIsNoRequestIsNotServed) {
  const auto is_served = [](const std::string& bytes) {
    Packet out;
    return answer(open_proc().get(), bytes, out);
  };
  const auto request = [](Ask ask, std::uint32_t count, std::uint32_t path_bytes, std::size_t more) {
    const OpenerRequest head{ask, count, path_bytes, 0};
    std::string bytes(sizeof head, '\0');
    std::memcpy(bytes.data(), &head, sizeof head);
    return bytes + std::string(more, 'x');
  };
  constexpr std::size_t kOne = sizeof(AskedProcess);
  EXPECT_FALSE(is_served(""));
  EXPECT_FALSE(is_served(std::string(7, '\0')));
  EXPECT_FALSE(is_served(request(Ask(0), 1, 0, kOne)));
  EXPECT_FALSE(is_served(request(Ask(99), 1, 0, kOne)));
  EXPECT_FALSE(is_served(request(Ask::Image, 2, 0, 2 * kOne)));
  EXPECT_FALSE(is_served(request(Ask::Signs, 0, 0, 0)));
  EXPECT_FALSE(is_served(request(Ask::Signs, 2, 0, kOne))) << "fewer than it says";
  EXPECT_FALSE(is_served(request(Ask::Signs, 1, 0, 2 * kOne))) << "more than it says";
  EXPECT_FALSE(is_served(request(Ask::Signs, kMaxAsked + 1, 0, (kMaxAsked + 1) * kOne)));
  EXPECT_FALSE(is_served(request(Ask::Facts, 2, 0, 2 * kOne)));
  EXPECT_FALSE(is_served(request(Ask::Program, 0, 3, 2)));
  EXPECT_FALSE(is_served(request(Ask::Program, 0, 3, 3))) << "not from the root";
  EXPECT_FALSE(is_served(request(Ask::Program, 0, 4, 0) + std::string("/a\0b", 4)));
  EXPECT_FALSE(is_served(request(Ask::Program, 1, 4, 0) + "/bin"));
  EXPECT_TRUE(is_served(request(Ask::Program, 0, 4, 0) + "/bin"));
  EXPECT_TRUE(is_served(request(Ask::Signs, kMaxAsked, 0, kMaxAsked * kOne)));
}

TEST(Opener, WhoSendsRubbishLosesThatChannelOnly) {
  Served served(2);
  ASSERT_EQ(::send(served.raw(1), "rubbish", 7, 0), 7);
  char byte = 0;
  EXPECT_EQ(::recv(served.raw(1), &byte, 1, 0), 0);
  EXPECT_EQ(served->open_program("/usr/bin/sleep").error().code(), Errc::Closed) << "the last channel is taken first";
  const std::string whole(kMaxRequestBytes + 1, 'x');
  ASSERT_EQ(::send(served.raw(0), whole.data(), whole.size(), 0), static_cast<ssize_t>(whole.size()));
  EXPECT_EQ(::recv(served.raw(0), &byte, 1, 0), 0);
}

TEST(Opener, IsGoneWhenItsChannelsAre) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd theirs(ends[1]);
  std::vector<UniqueFd> ours;
  ours.emplace_back(ends[0]);
  Opener opener(std::move(ours));
  EXPECT_FALSE(opener.is_gone());
  theirs.reset();
  EXPECT_TRUE(opener.is_gone()) << "without having been asked";
  EXPECT_EQ(opener.facts(1, 1).error().code(), Errc::Closed);
}

// ---- Answers of an opener that somebody took over ----

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

TEST(Opener, AnAnswerThatIsNoneIsRefused) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd theirs(ends[1]);
  std::vector<UniqueFd> ours;
  ours.emplace_back(ends[0]);
  Opener opener(std::move(ours));
  ToldFacts lies;
  lies.link_bytes[0] = 100;  // And nothing behind it.
  ToldFacts longer;
  longer.link_bytes[1] = ~0U;
  const std::string head = bytes_of(AnswerHead{0, 1});
  for (const std::string& said :
       {std::string("x"), head, head + "too short", head + bytes_of(lies), head + bytes_of(longer),
        head + bytes_of(ToldFacts()) + "and more", bytes_of(AnswerHead{0, 2}) + bytes_of(ToldFacts())}) {
    ASSERT_EQ(::send(theirs.get(), said.data(), said.size(), 0), static_cast<ssize_t>(said.size()));
    EXPECT_EQ(opener.facts(1, 1).error().code(), Errc::Corrupt) << said.size();
  }
  const std::string entry = bytes_of(ToldLink{5, 0, 1}) + "x";
  std::string many;
  for (std::size_t i = 0; i <= kMaxToldFiles; ++i) many += bytes_of(ToldLink{1, 0, 0});
  for (const std::string& said :
       {head, head + bytes_of(ToldFiles()) + "short", head + bytes_of(ToldFiles()) + bytes_of(ToldLink{1, 0, 9}) + "x",
        head + bytes_of(ToldFiles()) + bytes_of(ToldLink{1, 0, ~0U}), head + bytes_of(ToldFiles{7, 0}) + entry,
        head + bytes_of(ToldFiles()) + many}) {
    ASSERT_EQ(::send(theirs.get(), said.data(), said.size(), 0), static_cast<ssize_t>(said.size()));
    EXPECT_EQ(opener.files(1, 1, 7).error().code(), Errc::Corrupt) << said.size();
  }
  const std::string without_file = bytes_of(AnswerHead{0, 0});
  ASSERT_EQ(::send(theirs.get(), without_file.data(), without_file.size(), 0), 8);
  EXPECT_EQ(opener.open_executable(1, 1).error().code(), Errc::Corrupt);
}

// ---- Files that do not answer ----

TEST(Opener, WhoWaitsHoldsOneChannel) {
  if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/fuse";
  TempDir dir;
  std::filesystem::create_directory(dir / "silent");
  auto files = std::make_unique<SilentFiles>(dir / "silent");  // Before the service's threads: they share its mounts.
  ASSERT_TRUE(files->is_mounted()) << std::strerror(errno);
  Served served(2);
  files->fall_silent();
  auto waits = std::async(std::launch::async, [&] { return served->open_program(dir / "silent/program"); });
  EXPECT_EQ(waits.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  EXPECT_TRUE(served->open_program("/usr/bin/sleep"));
  auto second = std::async(std::launch::async, [&] { return served->open_program(dir / "silent/program"); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  EXPECT_EQ(served->open_program("/usr/bin/sleep").error().code(), Errc::Exhausted) << "at once";
  files.reset();
  EXPECT_FALSE(waits.get());
  EXPECT_FALSE(second.get());
  EXPECT_TRUE(served->open_program("/usr/bin/sleep"));
}

}  // namespace
}  // namespace de::collect
