// What files are by their first bytes: `magic`, over files that somebody made up to be trouble.
#include "host/magic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>

#include "host/host_facts.h"
#include "temp_dir.h"

namespace de::host {
namespace {

using namespace std::string_literals;
using schema::HostTable;
using testing::HasSubstr;
using testing::StartsWith;

std::string elf(char type) { return "\177ELF\x02\x01\x01"s + std::string(9, '\0') + type + "\0\x3e\0\x01\0\0\0"s; }

class MagicTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }
  std::string path(const std::string& name) const { return dir_.path() + "/" + name; }

  // "data|mime_type|mime_encoding"
  std::string told(const std::string& file, std::vector<std::string> dirs = {},
                   std::span<const std::string> databases = magic_paths()) {
    if (dirs.empty()) dirs = {std::filesystem::canonical(dir_.path())};
    const HostFacts facts({{}, dirs, 10, dir_.path()}, read_system(dir_.path(), databases), system_clock());
    const auto row = facts.named(HostTable::Magic, file);
    if (!row) return "error: " + row.error().message();
    if (!*row) return "none";
    EXPECT_EQ((*row)->size(), schema::host_table_info(HostTable::Magic).columns.size());
    std::string out;
    for (std::size_t i = 2; i < (*row)->size(); ++i) out += (i > 2 ? "|" : "") + std::get<std::string>((**row)[i]);
    return out;
  }

  test::TempDir dir_;
};

TEST_F(MagicTest, FilesAreWhatTheirFirstBytesSay) {
  write("script", "#!/bin/sh\necho\n");
  write("program", elf(2));
  write("shared", elf(3));
  write("one", "\x01");
  write("letters", "ab");
  write("packed", "\x1f\x8b\x08"s + std::string(20, '\0'));
  EXPECT_EQ(told(path("script")), "POSIX shell script, ASCII text executable|text/x-shellscript|us-ascii");
  EXPECT_THAT(told(path("program")), StartsWith("ELF 64-bit LSB executable, x86-64"));
  EXPECT_THAT(told(path("program")), HasSubstr("|application/x-executable|binary"));
  EXPECT_THAT(told(path("shared")), StartsWith("ELF 64-bit LSB shared object, x86-64"));
  EXPECT_THAT(told(path("shared")), HasSubstr("|application/x-sharedlib|binary"));
  ASSERT_EQ(::chmod(path("shared").c_str(), 0755), 0);
  EXPECT_THAT(told(path("shared")), StartsWith("ELF 64-bit LSB pie executable, x86-64"));
  EXPECT_THAT(told(path("shared")), HasSubstr("|application/x-pie-executable|binary"));
  EXPECT_THAT(told(path("one")), HasSubstr("|application/octet-stream|binary"));
  EXPECT_THAT(told(path("letters")), HasSubstr("|us-ascii"));
  EXPECT_THAT(told(path("packed")), StartsWith("gzip compressed data")) << "and what is in it is not looked at";
  EXPECT_EQ(told(path("absent")), "none");
  EXPECT_EQ(told(path("script/below")), "none");
}

TEST_F(MagicTest, WhatIsNoRegularFileIsNotOpened) {
  write("empty", "");
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("emp\x1bty", path("link").c_str()), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(told(path("empty")), "empty|inode/x-empty|binary");
  EXPECT_EQ(told(path("fifo")), "fifo (named pipe)|inode/fifo|binary");
  EXPECT_EQ(told(path("socket")), "socket|inode/socket|binary");
  EXPECT_EQ(told(dir_.path()), "directory|inode/directory|binary");
  EXPECT_EQ(told(path("link")), "symbolic link to emp\\x1bty|inode/symlink|binary");
  EXPECT_EQ(told("/dev/zero", {"/dev"}), "character special (1/5)|inode/chardevice|binary");
}

TEST_F(MagicTest, OnlyWhatReallyLiesBelowTheDirectoriesIsRead) {
  ASSERT_EQ(::mkdir(path("open").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(path("closed").c_str(), 0755), 0);
  write("closed/secret", "#!/bin/sh\n");
  ASSERT_EQ(::symlink("../closed", path("open/way").c_str()), 0);
  const std::vector<std::string> open = {std::filesystem::canonical(path("open"))};
  EXPECT_THAT(told(path("closed/secret"), open), HasSubstr("is not below one of query.content_dirs"));
  EXPECT_THAT(told(open[0] + "/way/secret", open), HasSubstr("closed/secret, which is not below one of"));
  EXPECT_THAT(told(open[0] + "/../closed/secret", open), HasSubstr("query.content_dirs"));
  EXPECT_THAT(told("open/x", open), HasSubstr("query.content_dirs"));
  EXPECT_EQ(told("/memfd:sealed", open), "none");
}

TEST_F(MagicTest, AFileThatMayNotBeReadIsAnErrorAndNotAbsence) {
  write("guarded", "#!/bin/sh\n");
  ASSERT_EQ(::chmod(path("guarded").c_str(), 0000), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  const bool is_root = ::geteuid() == 0;  // Nothing is closed to root.
  if (is_root) {
    ASSERT_EQ(::seteuid(65'534), 0);
  }
  const std::string answer = told(path("guarded"));
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_THAT(answer, StartsWith("error: open " + path("guarded")));
}

TEST_F(MagicTest, WithoutADatabaseItIsSaidWhatToDo) {
  write("script", "#!/bin/sh\n");
  write("rubbish", "no database");
  write("other", "\x1c\x04\x1e\xf1\xff\0\0\0"s + std::string(4'096, '\0'));
  const std::vector<std::string> none = {path("absent")}, rubbish = {path("rubbish")}, other = {path("other")};
  EXPECT_THAT(told(path("script"), {}, none), HasSubstr("install libmagic-mgc"));
  EXPECT_THAT(told(path("script"), {}, rubbish), HasSubstr("rubbish is not a database of libmagic"));
  EXPECT_THAT(told(path("script"), {}, other), HasSubstr("version"));
  const std::vector<std::string> second = {path("rubbish"), magic_paths()[1], magic_paths()[2]};
  EXPECT_THAT(told(path("script"), {}, second), StartsWith("POSIX shell script"));
}

TEST_F(MagicTest, ADatabaseThatIsCutOffIsNotRead) {
  std::filesystem::copy_file(std::filesystem::canonical(magic_paths()[1]), path("magic.mgc"));
  const std::vector<std::string> copied = {path("magic.mgc")};
  const MagicDatabase database(copied);
  ASSERT_TRUE(database.classify("#!/bin/sh\n", false));
  ASSERT_EQ(::truncate(path("magic.mgc").c_str(), 100), 0);
  const auto type = database.classify("#!/bin/sh\n", false);
  ASSERT_FALSE(type);
  EXPECT_THAT(type.error().message(), HasSubstr("restart the agent"));
}

// Beginnings that libmagic knows, with bytes behind them that nobody meant.
TEST_F(MagicTest, NothingThatIsMadeUpCrashesItOrKeepsItBusy) {
  const std::vector<std::string> starts = {"",
                                           "\177ELF\2\1\1",
                                           "\177ELF\1\2\1",
                                           "#!",
                                           "MZ",
                                           "PK\3\4",
                                           "%PDF-",
                                           "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
                                           "II*\0"s,
                                           "RIFF",
                                           "{\"",
                                           "<?xml",
                                           "\x89PNG",
                                           "\xca\xfe\xba\xbe",
                                           "ustar",
                                           "\xff\xd8\xff\xe0",
                                           "BZh9",
                                           "\n",
                                           "a,b\n",
                                           "\x1f\x8b"};
  const MagicDatabase database(magic_paths());
  std::mt19937 random(1);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = starts[static_cast<std::size_t>(i) % starts.size()];
    const std::size_t size = i % 3 == 0 ? kMagicBytes : static_cast<std::size_t>(byte(random)) * 8;
    const int few = byte(random);
    while (bytes.size() < size) bytes += static_cast<char>(i % 2 == 0 ? byte(random) : byte(random) % (few / 16 + 1));
    const auto type = database.classify(bytes, true);
    if (!type) continue;
    for (const std::string& text : {type->data, type->mime_type, type->mime_encoding})
      for (const char c : text) ASSERT_TRUE(c >= ' ' && c != '\x7f') << text;
  }
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(database.classify(std::string(4 * kMagicBytes, '\n'), false));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << "0.05 s without sanitizers";
}

}  // namespace
}  // namespace de::host
